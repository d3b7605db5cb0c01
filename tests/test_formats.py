"""IDX, npz, webdataset tars, torch Datasets, groups: the same pictures whatever they come in, and faults that are named."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netwright.data import BadPictureError, open_source, read_picture, store
from netwright.errors import NetwrightError
from netwright.preprocessing import whole
from tests.conftest import make_photos

CHANCE = np.random.default_rng(0)
GREY = CHANCE.integers(0, 256, (30, 10, 10), dtype=np.uint8)
COLOUR = CHANCE.integers(0, 256, (30, 10, 10, 3), dtype=np.uint8)
LABELS = np.arange(30) % 3


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def idx_files(folder: Path, packed: bool = False, before: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for split, part in (("train", slice(0, 24)), ("t10k", slice(24, 30))):
        for what, array in ((f"{split}-images-idx3-ubyte", GREY[part]), (f"{split}-labels-idx1-ubyte", LABELS[part])):
            content = idx(array)
            path = folder / f"{before}{what}{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, packed: bool) -> None:
    folder = idx_files(tmp_path / "d", packed)
    for where in (folder, next(folder.glob("t10k-labels*"))):
        source = open_source(where)
        assert (source.classes, source.channels, source.image, source.mirror) == (("0", "1", "2"), 1, 10, False)
        data = source.split(seed=0)
        np.testing.assert_array_equal(store(source, data.train, whole(10)).pixels[..., 0], GREY[:24])
        np.testing.assert_array_equal(source.read(data.test, whole(10), None).pixels[..., 0], GREY[24:])
        np.testing.assert_array_equal(data.test.labels, LABELS[24:])
        larger = source.read(data.test, whole(15), None).pixels
        expected = [np.asarray(Image.fromarray(grey).resize((15, 15), Image.Resampling.BICUBIC)) for grey in GREY[24:]]
        np.testing.assert_array_equal(larger[..., 0], expected)


def test_idx_names_of_classes_and_sets(tmp_path: Path) -> None:
    folder = idx_files(tmp_path / "d")
    (folder / "classes.txt").write_text("shirt\ntrousers\ncoat\n")
    source = open_source(folder)
    assert (source.classes, source.mirror) == (("shirt", "trousers", "coat"), True)
    idx_files(folder, before="emnist-letters-")
    with pytest.raises(NetwrightError, match="holds 2 data sets"):
        open_source(folder)
    assert len(open_source(folder / "emnist-letters-train-images-idx3-ubyte").splits["train"]) == 24


def test_fashion_mnist(shared: Path) -> None:
    source = open_source(shared / "fashion-mnist")
    assert {split: len(listing) for split, listing in source.splits.items()} == {"train": 60_000, "test": 10_000}
    pictures = source.read(source.splits["test"], whole(28), None)
    with gzip.open(shared / "fashion-mnist" / "t10k-images-idx3-ubyte.gz") as file:
        np.testing.assert_array_equal(pictures.pixels.reshape(-1), np.frombuffer(file.read(), np.uint8)[16:])
    assert np.bincount(pictures.labels).tolist() == [1000] * 10


def cut(content: bytes) -> bytes:
    return content[:-5]


def longer(content: bytes) -> bytes:
    return content + b"x"


def nothing(content: bytes) -> bytes:
    return b""


def claims_more(content: bytes) -> bytes:
    return content[:4] + struct.pack(">I", 2**31) + content[8:]


def of_floats(content: bytes) -> bytes:
    return content[:2] + b"\x0d" + content[3:]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (cut, "cut off or damaged"),
        (longer, "cut off or damaged"),
        (claims_more, "cut off or damaged"),
        (of_floats, "no IDX file of bytes"),
        (nothing, "cannot read|no IDX file"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path: Path, fault: Callable[[bytes], bytes], message: str, packed: bool) -> None:
    folder = idx_files(tmp_path / "d", packed)
    file = next(folder.glob("train-images*"))
    content = fault(gzip.decompress(file.read_bytes()) if packed else file.read_bytes())
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(NetwrightError, match=f"train-images.*({message})|({message}).*train-images|cannot read .*train-images"):
        open_source(folder)
    if packed:
        file.write_bytes(gzip.compress(idx(GREY))[:-40])
        with pytest.raises(NetwrightError, match="cut off or damaged"):
            open_source(folder)
    file.unlink()
    with pytest.raises(NetwrightError, match=r"train-labels.* is there, but not the file with its images"):
        open_source(folder)


def test_idx_files_that_do_not_fit_together(tmp_path: Path) -> None:
    folder = idx_files(tmp_path / "d")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:23]))
    with pytest.raises(NetwrightError, match="are 23, of 24 pictures"):
        open_source(folder)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(24)))
    with pytest.raises(NetwrightError, match="its test pictures have a class 1, but the training pictures do not have it"):
        open_source(folder)


ONE_HOT = np.eye(3, dtype=np.int64)[LABELS]


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        pytest.param({"images": COLOUR, "labels": LABELS}, COLOUR, id="one part"),
        pytest.param({"x": COLOUR, "y": LABELS[:, None]}, COLOUR, id="labels in a column"),
        pytest.param({"x": COLOUR.transpose(0, 3, 1, 2), "y": LABELS.astype(float)}, COLOUR, id="channels first"),
        pytest.param({"x": COLOUR.astype(np.int64), "y": ONE_HOT}, COLOUR, id="one of three"),
        pytest.param({"x": COLOUR.astype(np.float32) / 255, "y": LABELS}, COLOUR, id="floats"),
        pytest.param({"images": GREY, "labels": LABELS}, GREY[..., None], id="grey"),
        pytest.param({"images": COLOUR, "labels": np.array(["c", "a", "b"])[LABELS]}, COLOUR, id="names"),
    ],
)
def test_npz(tmp_path: Path, arrays: dict[str, np.ndarray], expected: np.ndarray) -> None:
    np.savez_compressed(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
    source = open_source(tmp_path / "d.npz")
    pictures = source.read(source.splits["all"], whole(10), None)
    np.testing.assert_array_equal(pictures.pixels, expected)
    words = ("c", "a", "b") if arrays.get("labels", LABELS).dtype.kind == "U" else ("0", "1", "2")
    assert [source.classes[label] for label in pictures.labels] == [words[label] for label in LABELS]


def test_npz_with_parts(tmp_path: Path) -> None:
    parts = {"train": slice(0, 18), "val": slice(18, 24), "test": slice(24, 30)}
    both = {"images": COLOUR, "labels": LABELS[:, None]}
    medmnist = {f"{split}_{what}": array[part] for split, part in parts.items() for what, array in both.items()}
    np.savez(tmp_path / "m.npz", **medmnist)  # type: ignore[arg-type]
    keras = {"x_train": GREY[:24], "y_train": LABELS[:24], "x_test": GREY[24:], "y_test": LABELS[24:]}
    np.savez(tmp_path / "k.npz", **keras)  # type: ignore[arg-type]
    data = open_source(tmp_path / "m.npz").split(seed=0)
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [18, 6, 6]
    np.testing.assert_array_equal(data.source.read(data.validation, whole(10), None).pixels, COLOUR[18:24])
    some = data.test.take(np.array([4, 1]))
    np.testing.assert_array_equal(data.source.read(some, whole(10), None).pixels, COLOUR[[25, 28]])
    assert len(open_source(tmp_path / "k.npz").split(seed=0).test) == 6
    folds = open_source(tmp_path / "m.npz").split(seed=0, fold=(1, 4))
    read = folds.source.read(folds.test, whole(10), None)  # of two of its parts
    numbers = [int(name.partition("/")[2]) + (18 if name.startswith("val") else 0) for name in read.names]
    np.testing.assert_array_equal(read.pixels, COLOUR[numbers])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"foo": COLOUR}, "holds foo: expected the arrays"),
        ({"x": COLOUR, "y": LABELS[:7]}, "y in .* are 7, of 30 pictures"),
        ({"x": COLOUR[0, 0], "y": LABELS}, "has the shape"),
        ({"x": COLOUR.astype(float), "y": LABELS}, "goes from 0 to 255, expected values from 0 to 1"),
        ({"x": COLOUR.astype(np.int32) * 9, "y": LABELS}, "expected values from 0 to 255"),
        ({"x": np.full_like(COLOUR, np.nan, float), "y": LABELS}, "expected values from 0 to 1"),
        ({"x": COLOUR, "y": LABELS - 1}, "expected to be whole numbers from 0"),
        ({"x": COLOUR, "y": LABELS + 0.5}, "expected to be whole numbers from 0"),
        ({"x": COLOUR, "y": np.ones((30, 14), int)}, "14 columns: pictures of several classes"),
        ({"x": COLOUR, "y": LABELS.astype(object)}, "Python objects, which can run code"),
        ({"x": COLOUR, "y": np.zeros(30, int)}, "one class only"),
        ({"x": COLOUR[:0], "y": LABELS[:0]}, "has the shape"),
        ({"test_images": COLOUR, "test_labels": LABELS, "val_images": COLOUR, "val_labels": LABELS}, "none to train on"),
    ],
)
def test_an_npz_that_is_no_data_set_says_why(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match=message):
        open_source(tmp_path / "d.npz")


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_damaged_npz_is_named(tmp_path: Path, damage: str) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=COLOUR, y=LABELS)
    content = bytearray((tmp_path / "d.npz").read_bytes())
    content[900] ^= 255
    made = {"cut": bytes(content[:-300]), "flip": bytes(content), "text": b"no archive", "empty": b""}[damage]
    (tmp_path / "d.npz").write_bytes(made)
    with pytest.raises(NetwrightError, match=r"d\.npz is no \.npz file that can be read"):
        open_source(tmp_path / "d.npz")


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(which: range, label: Callable[[int], tuple[str, bytes]]) -> dict[str, bytes]:
    members = {}
    for i in which:
        ending, content = label(i)
        members |= {f"{i:06d}.png": jpeg(COLOUR[i]), f"{i:06d}.{ending}": content}
    return members


def number(i: int) -> tuple[str, bytes]:
    return "cls", b"%d\n" % LABELS[i]


def word(i: int) -> tuple[str, bytes]:
    return "txt", ("red", "green", "blue")[LABELS[i]].encode()


def about(i: int) -> tuple[str, bytes]:
    return "json", json.dumps({"label": int(LABELS[i]), "patient": f"p{i // 3}"}).encode()


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("label", [number, word, about])
def test_one_webdataset_tar(tmp_path: Path, label: Callable[[int], tuple[str, bytes]], ending: str) -> None:
    shard(tmp_path / f"d.{ending}", samples(range(30), label))
    source = open_source(tmp_path / f"d.{ending}")
    everything = source.splits["all"]
    assert source.classes == (("blue", "green", "red") if label is word else ("0", "1", "2"))
    assert source.indexed == (label is not word)
    np.testing.assert_array_equal(everything.labels, [2, 1, 0] * 10 if label is word else LABELS)
    for _ in range(2):  # read in place, and from the cache
        np.testing.assert_array_equal(np.asarray(store(source, everything, whole(10)).pixels), COLOUR)


@pytest.mark.parametrize("layout", ["set-{}-0000.tar", "{}/0000.tar"])
def test_webdataset_shards_in_a_folder(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "d"
    for split, parts in (("train", (range(9), range(9, 18))), ("val", (range(18, 24),)), ("test", (range(24, 30),))):
        for n, part in enumerate(parts):
            shard(folder / layout.format(split).replace("0000", f"000{n}"), samples(part, number))
    (folder / "classes.txt").write_text("red\ngreen\nblue\n")
    data = open_source(folder).split(seed=0)
    assert data.validation is not None
    assert data.source.classes == ("red", "green", "blue")
    assert not data.source.indexed
    for part, which in ((data.train, slice(0, 18)), (data.validation, slice(18, 24)), (data.test, slice(24, 30))):
        np.testing.assert_array_equal(np.asarray(store(data.source, part, whole(10)).pixels), COLOUR[which])
        np.testing.assert_array_equal(part.labels, LABELS[which])
    assert data.train.names[0].endswith(".tar/000000.png")
    (folder / layout.format("train")).unlink()
    (folder / "more.tar").write_bytes((folder / layout.format("val")).read_bytes())
    with pytest.raises(NetwrightError, match=r"more\.tar has neither train, val nor test in its name"):
        open_source(folder)


def test_a_shard_that_changes_is_read_again(tmp_path: Path) -> None:
    shard(tmp_path / "d.tar", samples(range(30), number))
    source = open_source(tmp_path / "d.tar")
    store(source, source.splits["all"], whole(10))
    changed = samples(range(30), number)
    changed["000007.png"] = jpeg(255 - COLOUR[7])
    shard(tmp_path / "d.tar", changed)
    source = open_source(tmp_path / "d.tar")
    np.testing.assert_array_equal(np.asarray(store(source, source.splits["all"], whole(10)).pixels)[7], 255 - COLOUR[7])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"9.png": jpeg(COLOUR[0])}, r"9 has no class: expected 9\.cls, \.json or \.txt"),
        ({"9.png": jpeg(COLOUR[0]), "9.cls": b""}, r"9\.cls is expected to hold a class"),
        ({"9.png": jpeg(COLOUR[0]), "9.json": b"{"}, r"9\.json is not JSON"),
        ({"9.png": jpeg(COLOUR[0]), "9.json": b'{"size": 3}'}, r"9\.json tells no class"),
        ({"9.png": jpeg(COLOUR[0]), "9.cls": b"7", "classes.txt": b"a\nb\nc"}, "a class 7, but only 3 are named"),
        ({"9.png": jpeg(COLOUR[0]), "9.cls": b"1", "classes.txt": b"a\nb\na"}, "class 'a' stands twice"),
    ],
)
def test_faults_of_shards_are_named(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    shard(tmp_path / "d.tar", {**samples(range(6), number), **members})
    with pytest.raises(NetwrightError, match=message):
        open_source(tmp_path / "d.tar")


def test_class_folders_in_a_tar_with_notes_are_no_shards(tmp_path: Path) -> None:
    members = {f"{c}/{i}.{e}": jpeg(COLOUR[i]) if e == "png" else b"note" for c in "ab" for i in range(3) for e in ("png", "txt")}
    shard(tmp_path / "d.tar", members)
    assert open_source(tmp_path / "d.tar").classes == ("a", "b")


class Pairs:
    """What torch calls a map-style dataset."""

    def __init__(self, picture: Callable[[int], Any], of: range = range(30)) -> None:
        self.picture, self.of = picture, of

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.picture(self.of[i]), int(LABELS[self.of[i]])


class Named(Pairs):
    classes = ("red", "green", "blue")

    @property
    def targets(self) -> list[int]:
        return LABELS[list(self.of)].tolist()


def tensor(i: int) -> Any:
    import torch

    return torch.from_numpy(COLOUR[i].transpose(2, 0, 1).astype(np.float32) / 255)


def as_pil(i: int) -> Image.Image:
    return Image.fromarray(COLOUR[i])


def as_array(i: int) -> np.ndarray:
    return COLOUR[i]


@pytest.mark.parametrize("picture", [as_pil, as_array, tensor])
def test_torch_datasets(picture: Callable[[int], Any]) -> None:
    for cls, classes in ((Pairs, ("0", "1", "2")), (Named, ("red", "green", "blue"))):
        source = open_source(cls(picture))
        assert (source.classes, source.channels, source.image) == (classes, 3, 10)
        assert source.name == f"the dataset {cls.__name__}"
        everything = source.splits["all"]
        np.testing.assert_array_equal(everything.labels, LABELS)
        np.testing.assert_array_equal(source.read(everything, whole(10), None).pixels, COLOUR)
        np.testing.assert_array_equal(np.asarray(store(source, everything, whole(10)).pixels), COLOUR)
    data = open_source({"train": Pairs(picture, range(24)), "val": Pairs(picture, range(24, 30))}).split(seed=0)
    np.testing.assert_array_equal(data.source.read(data.test, whole(10), None).pixels, COLOUR[24:])


def test_a_torch_subset_and_tensor_dataset() -> None:
    import torch
    from torch.utils.data import Subset, TensorDataset

    pixels = torch.from_numpy(COLOUR.transpose(0, 3, 1, 2).copy())
    source = open_source(Subset(TensorDataset(pixels, torch.from_numpy(LABELS)), list(range(5, 30))))
    np.testing.assert_array_equal(source.read(source.splits["all"], whole(10), None).pixels, COLOUR[5:])
    np.testing.assert_array_equal(source.splits["all"].labels, LABELS[5:])


def test_faults_of_datasets_are_named() -> None:
    def broken(i: int) -> Any:
        if i == 7:
            raise RuntimeError("no such shard")
        return COLOUR[i]

    source = open_source(Named(broken))
    with pytest.raises(BadPictureError, match=r"all/7 of the dataset Named cannot be read \(no such shard\)"):
        source.read(source.splits["all"], whole(10), None)
    assert [bad.name for bad in store(source, source.splits["all"], whole(10), skip_bad=True).bad] == ["all/7"]
    for wrong, message in (
        (lambda i: COLOUR[i] * 3.0, "expected values from 0 to 1"),
        (lambda i: "picture", "has the shape"),
    ):
        with pytest.raises(NetwrightError, match=message):
            open_source(Named(wrong))
    for given, message in (
        ([1, 2, 3], "gives int, expected pairs"),
        ([], "is empty"),
        (7, "is no dataset"),
        ({"foo": []}, "a dataset for 'foo'"),
        ([(COLOUR[0], "red")], "labels are expected to be whole numbers, found 'red'"),
    ):
        with pytest.raises(NetwrightError, match=message):
            open_source(given)  # type: ignore[arg-type]


def patients(folder: Path, splits: bool = False) -> Path:
    make_photos(folder, each=12)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg"))
    lines = ["file,class,patient" + (",split" if splits else "")]
    for i, name in enumerate(names):
        lines.append(f"{name},{name.split('/')[0]},p{i % 9}" + (f",{'test' if i % 4 == 0 else 'train'}" if splits else ""))
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_groups_of_a_table(tmp_path: Path) -> None:
    folder = patients(tmp_path / "d")
    source = open_source(folder, group="Patient")
    assert source.fingerprint != open_source(folder).fingerprint
    data = source.split(seed=0, validation=0.2)
    assert data.validation is not None
    parts = [set(part.groups or ()) for part in (data.train, data.validation, data.test)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == 9
    with pytest.raises(NetwrightError, match=r"labels\.csv has no column 'pation'; did you mean patient\?"):
        open_source(folder, group="pation")
    for where in ("digits", make_photos(tmp_path / "photos")):
        with pytest.raises(NetwrightError, match="has no column 'patient' to group by"):
            open_source(where, group="patient")


def test_a_group_in_two_given_splits_is_an_error(tmp_path: Path) -> None:
    folder = patients(tmp_path / "d", splits=True)
    with pytest.raises(NetwrightError, match=r"group 'p\d' has pictures for (train and for test|test and for train)"):
        open_source(folder, group="patient").split(seed=0)
    open_source(folder).split(seed=0)


def test_groups_of_shards(tmp_path: Path) -> None:
    shard(tmp_path / "d.tar", samples(range(30), about))
    data = open_source(tmp_path / "d.tar", group="patient").split(seed=0)
    assert not set(data.train.groups or ()) & set(data.test.groups or ())
    with pytest.raises(NetwrightError, match=r"000000 has no \.json with a field 'doctor'"):
        open_source(tmp_path / "d.tar", group="doctor")


def test_single_pictures(shared: Path, photos: Path) -> None:
    source = open_source(photos)
    np.testing.assert_array_equal(source.picture("red/03.jpg", whole(9)), read_picture(photos / "red" / "03.jpg", whole(9)))
    (photos / "red" / "03.jpg").unlink()
    with pytest.raises(BadPictureError, match=r"red/03\.jpg: there is no such file"):
        source.picture("red/03.jpg", whole(9))


def test_pipes_and_links_that_lead_nowhere_are_listed_and_named(photos: Path) -> None:
    os.mkfifo(photos / "red" / "pipe.jpg")
    (photos / "red" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "red" / "folder.jpg").mkdir()
    (photos / "red" / "up").symlink_to(photos)
    source = open_source(photos)
    kept = store(source, source.splits["all"], whole(8), skip_bad=True)
    assert {bad.name for bad in kept.bad} == {"red/pipe.jpg", "red/loop.jpg"}
    assert len(kept) == 36
