"""Pictures that do not come in class folders: tables, tars, CIFAR's binary files."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netwright.data import BadPictureError, open_source, read_picture
from netwright.data.cifar import PIXELS
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing, whole
from tests.conftest import make_photos

COLOURS = ("blue", "green", "red")


def write_table(path: Path, rows: Iterable[Iterable[object]], header: str = "file,class") -> Path:
    """A labels.csv in a folder."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def tarred(folder: Path, path: Path, arcname: str = "pictures") -> Path:
    """A folder as a tar (compressed by its ending)."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as tar:
        tar.add(folder, arcname)
    return path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Six pictures of each colour in one folder, with a table that names their classes."""
    made = make_photos(tmp_path / "made", each=6)
    files = sorted(made.rglob("*.jpg"))
    (tmp_path / "flat").mkdir()
    for file in files:
        shutil.copy(file, tmp_path / "flat" / f"{file.parent.name}-{file.name}")
    return write_table(tmp_path / "flat", [(f"{f.parent.name}-{f.name}", f.parent.name) for f in reversed(files)])


def test_a_table_is_read_like_class_folders(flat: Path) -> None:
    source, folders = open_source(flat), open_source(flat.parent / "made")
    assert source.classes == folders.classes == COLOURS
    assert source.image == folders.image == 24
    assert not source.indexed
    table, made = source.splits["all"], folders.splits["all"]
    assert [name.replace("/", "-") for name in made.names] == list(table.names)
    np.testing.assert_array_equal(table.labels, made.labels)
    np.testing.assert_array_equal(source.read(table, whole(16), None).pixels, folders.read(made, whole(16), None).pixels)
    parts = source.split(seed=0, validation=0.2)
    assert [len(part) for part in (parts.train, parts.test)] == [12, 3]
    assert parts.validation is not None
    assert sorted(parts.test.labels) == sorted(parts.validation.labels) == [0, 1, 2]


def test_the_fingerprint_of_a_table_tells_its_pictures_and_labels_not_its_order(flat: Path) -> None:
    with (flat / "labels.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    before = open_source(flat).fingerprint
    write_table(flat, sorted(rows) + rows[:3], ",".join(header))  # said twice is said once
    assert open_source(flat).fingerprint == before
    write_table(flat, [(rows[0][0], "green"), *rows[1:]])
    assert open_source(flat).fingerprint != before
    write_table(flat, rows[1:])
    assert open_source(flat).fingerprint != before


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,class", "{0},{1}"),
        ("label, file", "{1}, {0}"),
        ("\ufeffwidth,File ,CLASS,class_index", '24,"{0}",{1},x'),  # as spreadsheets write it
        ("file,wnid,class", "./{0},n0,{1}"),
        ("file,class", "C:\\pictures\\flat\\{0},{1}"),
        ("file,class", "flat/{0},{1}"),
    ],
)
def test_headers_and_file_names_are_taken_as_people_write_them(flat: Path, header: str, row: str) -> None:
    expected = open_source(flat).fingerprint
    lines = [row.format(f"{c}-{n:02d}.jpg", c) for c in COLOURS for n in range(6)]
    (flat / "labels.csv").write_text("\r\n".join([header, *lines, "", ",", ""]).replace("\r\n,\r\n", "\r\n"), encoding="utf-8")
    assert open_source(flat).fingerprint == expected


@pytest.mark.parametrize("column", ["class_index", "index"])
def test_indices_into_a_networks_outputs(flat: Path, column: str) -> None:
    index = {"blue": 10, "green": "009", "red": 2}
    rows = [(f"{c}-{n:02d}.jpg", "n01440764", index[c]) for c in COLOURS for n in range(6)]
    source = open_source(write_table(flat, rows, f"file,wnid,{column}"))
    assert source.indexed
    assert source.classes == ("2", "9", "10")
    labels = dict(zip(source.splits["all"].names, source.splits["all"].labels.tolist(), strict=True))
    assert [labels[f"{c}-00.jpg"] for c in COLOURS] == [2, 1, 0]


def test_a_tables_splits_are_kept(flat: Path) -> None:
    def rows(*splits: str) -> list[tuple[str, str, str]]:
        return [(f"{c}-{n:02d}.jpg", c, splits[n % len(splits)]) for c in COLOURS for n in range(6)]

    source = open_source(write_table(flat, rows("train", "Val", "test"), "file,class,split"))
    assert {split: len(listing) for split, listing in source.splits.items()} == {"train": 6, "validation": 6, "test": 6}
    data = open_source(write_table(flat, rows("train", "train", "valid"), "file,class,split")).split(seed=0)
    assert [len(data.train), len(data.test)] == [12, 6]
    assert {name[-6:-4] for name in data.test.names} == {"02", "05"}
    for only in ("train", "test"):  # one part alone is the whole
        assert list(open_source(write_table(flat, rows(only), "file,class,split")).splits) == ["all"]
    with pytest.raises(NetwrightError, match=r"labels\.csv has test and validation pictures, but none whose split is train"):
        open_source(write_table(flat, rows("test", "val"), "file,class,split"))


def test_files_are_found_below_the_folder_by_their_names(photos: Path) -> None:
    files = sorted(photos.rglob("*.jpg"))
    for file in files:
        file.rename(file.with_name(f"{file.parent.name}{file.name}"))
    rows = [(f"/content/train/{f.parent.name}{f.name}", f.parent.name) for f in files]
    assert open_source(write_table(photos, rows)).splits["all"].names[0] == "blue/blue00.jpg"


def test_files_without_a_pictures_ending_are_ignored(flat: Path) -> None:
    shutil.copy(flat / "red-00.jpg", flat / "red-copy")  # no ending at all: the table's word is taken for it
    (flat / "unlisted.jpg").write_bytes(b"")
    with (flat / "labels.csv").open("a") as file:
        file.write("notes.txt,red\nred-copy,red\nnotes.txt,blue\n")
    source = open_source(flat)
    assert source.ignored == ("notes.txt",)
    assert len(source.splits["all"]) == 19
    assert source.read(source.splits["all"], whole(8), None).pixels.shape == (19, 8, 8, 3)


HEAD, FIRST = "file,class\n", "blue-00.jpg,blue\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "labels.csv is empty: expected a header row with the columns file and class"),
        ("\n", "labels.csv is empty"),
        (HEAD, "labels.csv lists no pictures"),
        (HEAD + "notes.txt,x\n", "labels.csv lists no pictures"),
        (
            "file;class\n",
            "labels.csv, line 1: expected a header row with the columns file and one of class, label, class_index, ",
        ),
        ("name,class\na,b\n", "separated by commas, found 'name, class'"),
        (HEAD + FIRST + "blue-01.jpg\n", "labels.csv, line 3: expected 2 columns as in the header, found 1"),
        (HEAD + "blue-00.jpg,\n", "labels.csv, line 2: the column class is empty"),
        (HEAD + "\n,blue\n", "labels.csv, line 3: the column file is empty"),
        (HEAD + FIRST + "violet.jpg,blue\n", "labels.csv, line 3: there is no file 'violet.jpg' below "),
        (HEAD + '"a\nb.jpg",blue\n', r"labels.csv, line 3: there is no file 'a\nb.jpg' below "),
        (HEAD + FIRST + "./blue-00.jpg,red\n", "line 3: './blue-00.jpg' is 'red' for train, but 'blue' for train in line 2"),
        ("file,class,split\n" + "blue-00.jpg,blue,\n", "line 2: split is '', expected train, val or test"),
        (
            "file,class,split\n" + "blue-00.jpg,blue,train\n" * 2 + "blue-00.jpg,blue,val\n",
            "line 4: 'blue-00.jpg' is 'blue' for val",
        ),
        ("file,class_index\nblue-00.jpg,-1\n", "line 2: class_index is '-1', expected a whole number from 0"),
        ("file,index\nblue-00.jpg,1.0\n", "line 2: index is '1.0', expected a whole number from 0"),
        ("file,index\nblue-00.jpg," + "9" * 5000 + "\n", "expected a whole number from 0"),
        (HEAD + FIRST, "flat has one class only ('blue'): a classifier needs at least two"),
        ("file,class,split\nblue-00.jpg,blue,train\nred-00.jpg,red,val\n", "flat: class 'red' has no pictures to train on"),
        (HEAD + FIRST + 'red-00.jpg,"re\x07d"\n', r"'re\x07d' in "),
        (HEAD + 'blue-00.jpg,"blue"x\n', "labels.csv, line 2: this is no csv ("),
        (HEAD + '"blue-00.jpg,blue\n', "this is no csv (unexpected end of data)"),
        (HEAD + FIRST + "x" * 200_000 + ",red\n", "labels.csv, line 3: this is no csv (field larger than"),
        ((HEAD + FIRST).encode() + b"gr\xfcn.jpg,blue\n", "labels.csv, line 3: this is no UTF-8 text: save the table as UTF-8"),
        ((HEAD + FIRST).encode("utf-16"), "labels.csv, line 1: this is no UTF-8 text"),
    ],
)
def test_a_table_that_is_wrong_says_where(flat: Path, content: str | bytes, message: str) -> None:
    (flat / "labels.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(NetwrightError, match=re.escape(message)) as caught:
        open_source(flat)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_base_name_that_two_files_share_is_told(photos: Path) -> None:
    write_table(photos, [("blue/00.jpg", "blue"), ("00.jpg", "red")])
    with pytest.raises(NetwrightError, match=r"line 3: '00\.jpg' can be blue/00\.jpg or green/00\.jpg: write its folder, too"):
        open_source(photos)


def test_bad_pictures_of_a_table_are_named(flat: Path) -> None:
    (flat / "green-03.jpg").write_bytes(b"")
    source = open_source(flat)
    (flat / "red-05.jpg").unlink()
    with pytest.raises(BadPictureError, match=r"flat/green-03\.jpg is not a picture that can be read .*, and 1 more such file"):
        source.read(source.splits["all"], whole(16), None)


# ---------------------------------------------------------------- tars


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".TGZ"])
@pytest.mark.parametrize("arcname", ["pictures", "", "./a"])
def test_a_tar_is_read_like_its_folder(flat: Path, ending: str, arcname: str) -> None:
    for folder in (flat, flat.parent / "made"):
        path = flat.parent / f"{folder.name}{ending}"
        tarred(folder, Path(str(path).lower()), arcname).rename(path)
        packed, loose = open_source(path), open_source(folder)
        assert packed.fingerprint == loose.fingerprint
        assert (packed.name, packed.image) == (str(path.resolve()), loose.image)
        everything = loose.splits["all"]
        np.testing.assert_array_equal(
            packed.read(everything, whole(16), None).pixels, loose.read(everything, whole(16), None).pixels
        )


def test_a_table_beside_its_tar(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    shutil.copy(flat / "labels.csv", tmp_path / "beside")
    shutil.copy(flat / "red-00.jpg", tmp_path / "beside")  # the folder's own come first
    tarred(flat, tmp_path / "beside" / "dev.tar")
    source, loose = open_source(tmp_path / "beside"), open_source(flat)
    names = source.splits["all"].names
    assert {name.rpartition("/")[0] for name in names} == {"", "dev.tar"}
    pixels = source.read(source.splits["all"], whole(16), None).pixels
    order = [loose.splits["all"].names.index(name.removeprefix("dev.tar/")) for name in names]
    np.testing.assert_array_equal(pixels, loose.read(loose.splits["all"], whole(16), None).pixels[order])
    with (tmp_path / "beside" / "labels.csv").open("a") as file:
        file.write("violet.jpg,blue\n")
    with pytest.raises(NetwrightError, match=r"line 20: there is no file 'violet\.jpg' below .*/beside or in dev\.tar$"):
        open_source(tmp_path / "beside")
    shutil.copy(tmp_path / "beside" / "dev.tar", tmp_path / "beside" / "other.tar")
    with pytest.raises(NetwrightError, match=r"line 2: there is no file 'red-05\.jpg' below .*/beside$"):
        open_source(tmp_path / "beside")


def test_the_tar_in_a_folder_is_named_where_there_are_no_classes(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    tarred(flat.parent / "made", tmp_path / "download" / "dev.tar")
    with pytest.raises(NetwrightError, match=r"has no class folders: .*; did you mean .*/download/dev\.tar\?"):
        open_source(tmp_path / "download")


def test_bad_pictures_in_a_tar_are_named(flat: Path) -> None:
    (flat / "green-03.jpg").write_bytes(b"")
    tar = tarred(flat, flat.parent / "flat.tar")
    source = open_source(tar)
    with pytest.raises(BadPictureError, match=r"/flat\.tar/green-03\.jpg is not a picture that can be read \(cannot identify"):
        source.read(source.splits["all"], whole(16), None)
    tar.unlink()
    with pytest.raises(NetwrightError, match=r"^cannot read .*/flat\.tar: No such file"):
        source.read(source.splits["all"], whole(16), None)


def test_tricks_in_a_tar_are_harmless(flat: Path, tmp_path: Path) -> None:
    """Nothing is written, and only plain files below the top are seen."""
    picture = (flat / "red-00.jpg").read_bytes()
    before = sorted(tmp_path.rglob("*"))
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name in ("/blue/a.jpg", "red/x/../a.jpg", "../evil.jpg", "red/../../evil.jpg", "red/.hidden.jpg", "red/a.jpg"):
            add(tar, name, picture)
        for kind, name in ((tarfile.SYMTYPE, "red/s.jpg"), (tarfile.LNKTYPE, "red/h.jpg"), (tarfile.FIFOTYPE, "red/f.jpg")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "red/a.jpg" if kind == tarfile.LNKTYPE else "/etc/passwd"
            tar.addfile(link)
    source = open_source(tmp_path / "evil.tar")
    assert source.splits["all"].names == ("blue/a.jpg", "red/a.jpg", "red/h.jpg")
    pixels = source.read(source.splits["all"], whole(24), None).pixels
    np.testing.assert_array_equal(pixels[2], read_picture(flat / "red-00.jpg", whole(24)))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "evil.tar"])


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_tar_that_is_cut_off_or_damaged_is_told(flat: Path, ending: str) -> None:
    tar = tarred(flat, flat.parent / f"flat{ending}")
    content = tar.read_bytes()
    with tarfile.open(tar) as opened:
        ends = [m.offset for m in opened.getmembers()]
        last = opened.offset
    cuts = [0, 1, 100, 512, len(content) // 2]
    cuts += [len(content) - 9] if ending == ".tar.gz" else [ends[5], ends[5] + 512, ends[5] + 100, last]
    for cut in cuts:
        tar.write_bytes(content[:cut])
        with pytest.raises(
            NetwrightError, match=r"flat\.tar(\.gz)? (is cut off or damaged|is not a tar that can be read).*: copy it again"
        ):
            open_source(tar)
    if ending == ".tar":
        tar.write_bytes(content[: ends[5]] + b"x" * 512 + content[ends[5] + 512 :])
        with pytest.raises(NetwrightError, match=r"flat\.tar is cut off or damaged after 4 files"):
            open_source(tar)


def test_random_bytes_are_no_tar(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    for n in range(50):
        content = source.bytes(2048)
        (tmp_path / "a.tar").write_bytes(content if n % 2 else gzip.compress(content))
        with pytest.raises(NetwrightError, match="copy it again"):
            open_source(tmp_path / "a.tar")


def test_a_tar_that_unpacks_to_more_than_memory_is_told(flat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = tarred(flat, flat.parent / "flat.tar.gz")
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else 20_000)
    with pytest.raises(NetwrightError, match=r"flat\.tar\.gz unpacks to more than .* of the memory: unpack it"):
        open_source(tar)


# ---------------------------------------------------------------- CIFAR


def make_cifar(folder: Path, batches: int = 2, each: int = 20, classes: int = 3) -> np.ndarray:
    """Made-up CIFAR-10 files; the training pictures as (n, 32, 32, 3)."""
    folder.mkdir(parents=True)
    source = np.random.default_rng(0)
    labels = np.arange(each, dtype=np.uint8)[:, None] % classes
    pixels = []
    for name in (*(f"data_batch_{n + 1}.bin" for n in range(batches)), "test_batch.bin"):
        planes = source.integers(0, 256, (each, 3, 32, 32), dtype=np.uint8)
        np.concatenate([labels, planes.reshape(each, PIXELS)], 1).tofile(folder / name)
        pixels.append(planes.transpose(0, 2, 3, 1))
    (folder / "batches.meta.txt").write_text("".join(f"{name}\n" for name in COLOURS[:classes]) + "\n")
    return np.concatenate(pixels[:-1])


@pytest.mark.parametrize("inner", ["cifar-10-batches-bin", ""])
def test_cifar_10(inner: str, tmp_path: Path) -> None:
    pixels = make_cifar(tmp_path / "data" / inner)
    source = open_source(tmp_path / "data")
    assert (source.classes, source.channels, source.image, source.mirror) == (COLOURS, 3, 32, True)
    assert {split: len(listing) for split, listing in source.splits.items()} == {"train": 40, "test": 20}
    train = source.splits["train"]
    assert train.names[20].removeprefix("cifar-10-batches-bin/") == "data_batch_2.bin/0"
    read = source.read(train, whole(32), None)
    np.testing.assert_array_equal(read.pixels, pixels)
    np.testing.assert_array_equal(read.labels, np.tile(np.arange(20) % 3, 2))
    some = source.read(train.take(np.array([3, 39, 21])), Preprocessing(image=36, resize=40), None).pixels
    expected = [np.asarray(Image.fromarray(pixels[i]).resize((40, 40), Image.Resampling.BICUBIC)) for i in (3, 21, 39)]
    np.testing.assert_array_equal(some, np.stack(expected)[:, 2:38, 2:38])
    data = source.split(seed=0, validation=0.2)
    assert data.validation is not None
    assert [len(data.train), len(data.validation), len(data.test)] == [32, 8, 20]
    packed = open_source(tarred(tmp_path / "data", tmp_path / "cifar-10-binary.tar.gz", ""))
    np.testing.assert_array_equal(packed.read(packed.splits["train"], whole(32), None).pixels, pixels)


def test_cifar_100_tells_its_fine_classes(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    for name, each in (("train.bin", 8), ("test.bin", 4)):
        labels = np.stack([np.full(each, 19), np.arange(each) % 2], 1).astype(np.uint8)  # coarse, fine
        planes = source.integers(0, 256, (each, PIXELS), dtype=np.uint8)
        np.concatenate([labels, planes], 1).tofile(tmp_path / name)
    (tmp_path / "fine_label_names.txt").write_text("apple\naquarium_fish\n")
    (tmp_path / "coarse_label_names.txt").write_text("x\n" * 20)
    opened = open_source(tmp_path)
    assert opened.classes == ("apple", "aquarium_fish")
    assert opened.splits["train"].labels.tolist() == [0, 1] * 4
    last = opened.read(opened.splits["test"], whole(32), None).pixels[-1]
    np.testing.assert_array_equal(last.transpose(2, 0, 1).ravel(), planes[-1])


def test_cifar_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    def complaint(name: str) -> str:
        with pytest.raises(NetwrightError) as caught:
            open_source(tmp_path / name)
        return str(caught.value).removeprefix(f"{tmp_path / name}")

    make_cifar(tmp_path / "cut")
    with (tmp_path / "cut" / "data_batch_2.bin").open("ab") as file:
        file.write(b"x")
    assert complaint("cut").startswith("/data_batch_2.bin is cut off or damaged (61,461 bytes are no whole number of pictures of")
    make_cifar(tmp_path / "label", classes=3)
    (tmp_path / "label" / "batches.meta.txt").write_text("blue\ngreen\n")
    assert complaint("label") == "/data_batch_1.bin: picture 2 is of class 2, but batches.meta.txt names 2 classes"
    (tmp_path / "label" / "batches.meta.txt").unlink()
    assert complaint("label") == "/batches.meta.txt is missing: it names the classes"
    make_cifar(tmp_path / "half")
    (tmp_path / "half" / "test_batch.bin").unlink()
    assert complaint("half") == " has no test pictures: expected test_batch.bin"
    make_cifar(tmp_path / "both" / "cifar-10-batches-bin")
    (tmp_path / "both" / "cifar-100-binary").mkdir()
    (tmp_path / "both" / "cifar-100-binary" / "fine_label_names.txt").write_text("apple\n")
    assert complaint("both") == " holds more than one CIFAR data set: give the folder of one of them"


@pytest.mark.parametrize("inner", ["cifar-10-batches-py", "cifar-100-python", ""])
def test_cifars_pickles_are_refused(inner: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / inner
    folder.mkdir(parents=True)
    for name in ("meta", "train", "test") if "100" in inner else ("batches.meta", "data_batch_1", "test_batch"):
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with pytest.raises(NetwrightError, match="pickles, which can run code: get the binary version"):
        open_source(tmp_path / "data")


# ---------------------------------------------------------------- the real ones


def test_imagenets_samples(shared: Path) -> None:
    source = open_source(shared / "imagenet_samples")
    everything = source.splits["all"]
    assert source.indexed
    assert len(everything) == len(source.classes) == 400
    assert everything.names[0] == "imagenet_samples_dev.tar/n01443537_goldfish.JPEG"
    assert source.classes[everything.labels[0]] == "1"
    some = everything.take(np.arange(0, 400, 40))
    assert source.read(some, Preprocessing(resize=256), None).pixels.shape == (10, 224, 224, 3)


def test_imagenette_in_its_tar(shared: Path, imagenette: Path) -> None:
    packed, loose = open_source(shared / "imagenette224" / "imagenette224_dev.tar"), open_source(imagenette)
    assert packed.fingerprint == loose.fingerprint
    some = loose.splits["validation"].take(np.array([0, 100, 300]))
    np.testing.assert_array_equal(packed.read(some, whole(64), None).pixels, loose.read(some, whole(64), None).pixels)
