from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from netwright.data import BadPictureError, Listing, open_source, read_picture
from netwright.data.imagenet import imagenet_classes, imagenet_wnids
from netwright.data.pictures import unwarned
from netwright.data.splitting import Labels, share_of
from netwright.errors import NetwrightError
from netwright.preprocessing import Filter, Preprocessing, whole
from tests.conftest import make_photos


def test_digits_are_the_embedded_ones() -> None:
    from sklearn.datasets import load_digits

    source = open_source("digits")
    pictures = source.read(source.splits["all"], whole(8), None)
    assert pictures.pixels.shape == (1797, 8, 8, 1)
    np.testing.assert_array_equal(pictures.pixels[..., 0] / 255, (load_digits().images * (255 / 16)).round() / 255)
    np.testing.assert_array_equal(pictures.labels, load_digits().target)
    assert source.classes == tuple("0123456789")
    assert not source.mirror


def test_class_folders(photos: Path) -> None:
    (photos / "notes.txt").write_text("not a picture")
    (photos / "red" / "notes.txt").write_text("not a picture")
    (photos / "red" / ".hidden.jpg").write_text("not a picture")
    (photos / ".cache").mkdir()
    source = open_source(photos)
    assert source.classes == ("blue", "green", "red")
    assert source.ignored == ("red/notes.txt",)
    assert source.image == 24
    pictures = source.read(source.splits["all"], whole(16), None)
    assert pictures.pixels.shape == (36, 16, 16, 3)
    assert [pictures.pixels[i].mean((0, 1)).argmax() for i in (0, 12, 24)] == [2, 1, 0]
    assert pictures.names[0] == "blue/00.jpg"


def test_the_splits_of_a_folder_are_kept(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        make_photos(tmp_path / part, each=6 if part == "train" else 2)
    data = open_source(tmp_path).split(seed=0, validation=0.2)
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [18, 6, 6]
    assert {name.split("/")[0] for name in data.test.names} == {"test"}


def test_val_is_held_out_where_there_is_no_test(tmp_path: Path) -> None:
    make_photos(tmp_path / "train", each=10)
    make_photos(tmp_path / "valid", each=2)
    data = open_source(tmp_path).split(seed=0, validation=0.2)
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [24, 6, 6]
    assert {name.split("/")[0] for name in data.test.names} == {"valid"}
    assert {name.split("/")[0] for name in data.validation.names} == {"train"}


def test_only_a_train_folder_is_split(tmp_path: Path) -> None:
    make_photos(tmp_path / "train", each=10)
    data = open_source(tmp_path).split(seed=0)
    assert [len(data.train), len(data.test)] == [24, 6]


def test_a_split_that_lacks_a_class_keeps_its_indices(tmp_path: Path) -> None:
    make_photos(tmp_path / "train")
    make_photos(tmp_path / "val", each=2)
    for file in (tmp_path / "val" / "blue").iterdir():
        file.unlink()
    (tmp_path / "val" / "blue").rmdir()
    assert set(open_source(tmp_path).split(seed=0).test.labels) == {1, 2}


@settings(deadline=None)
@given(
    st.lists(st.integers(2, 30), min_size=2, max_size=8),
    st.floats(0.05, 0.5),
    st.integers(0, 100),
)
def test_a_split_is_stratified_disjoint_and_repeatable(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    listing = Listing(tuple(map(str, range(len(labels)))), labels)
    classes = [f"c{i}" for i in range(len(counts))]
    drawn = share_of(Labels(labels, classes), share, seed)
    rest, part = listing.take(np.flatnonzero(~drawn)), listing.take(np.flatnonzero(drawn))
    assert sorted((*rest.names, *part.names), key=int) == list(listing.names)
    for label, count in enumerate(counts):
        mine = int((part.labels == label).sum())
        assert 1 <= mine < count
        assert mine == 1 or mine == count - 1 or abs(mine - share * count) <= 0.5
    np.testing.assert_array_equal(share_of(Labels(labels, classes), share, seed), drawn)


def test_too_few_pictures_to_split(tmp_path: Path) -> None:
    make_photos(tmp_path / "p", each=1)
    with pytest.raises(NetwrightError, match="class 'blue' has only 1 picture"):
        open_source(tmp_path / "p").split(seed=0)


def missing(root: Path) -> Path:
    return root / "nowhere"


def a_file(root: Path) -> Path:
    (root / "file.txt").write_text("x")
    return root / "file.txt"


def no_folders(root: Path) -> Path:
    (root / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(root / "flat" / "a.png")
    return root / "flat"


def one_class(root: Path) -> Path:
    (root / "one" / "cats").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(root / "one" / "cats" / "a.png")
    return root / "one"


def empty_class(root: Path) -> Path:
    make_photos(root / "p")
    (root / "p" / "violet").mkdir()
    return root / "p"


def empty_classes(root: Path) -> Path:
    (root / "p" / "a").mkdir(parents=True)
    (root / "p" / "b").mkdir(parents=True)
    return root / "p"


def strange_class(root: Path) -> Path:
    make_photos(root / "train")
    make_photos(root / "val", each=2)
    (root / "val" / "violet").mkdir()
    return root


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "there is no folder"),
        (a_file, "is a file: expected a folder"),
        (no_folders, "has no class folders"),
        (one_class, "has one class only \\('cats'\\)"),
        (empty_class, "class 'violet' has no pictures to train on"),
        (empty_classes, "has no pictures in its folders"),
        (strange_class, "val/violet is a class that the training pictures do not have"),
    ],
)
def test_a_folder_that_is_no_data_set_says_why(make: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(NetwrightError, match=message):
        open_source(make(tmp_path))  # type: ignore[operator]


def test_bad_pictures_are_named_and_counted(photos: Path) -> None:
    (photos / "green" / "03.jpg").write_bytes(b"")
    content = (photos / "red" / "05.jpg").read_bytes()
    (photos / "red" / "05.jpg").write_bytes(content[: len(content) // 2])
    source = open_source(photos)
    with pytest.raises(BadPictureError, match=r"green/03\.jpg is not a picture that can be read .*, and 1 more such file"):
        source.read(source.splits["all"], whole(16), None)


SHOWN = [
    whole(40),
    Preprocessing(image=33, resize=40, filter="bilinear"),  # offsets that end in a half
    Preprocessing(image=56, resize=64, filter="bicubic"),
    Preprocessing(image=31, resize=32, filter="lanczos"),
    Preprocessing(image=24, resize=47, filter="nearest"),
    Preprocessing(image=224, resize=255, filter="bicubic"),
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.resize}-{shown.image}-{shown.filter}")
@pytest.mark.parametrize("size", [(90, 150), (151, 90), (77, 77), (333, 500), (61, 40), (41, 127), (40, 800), (1, 3)])
def test_a_picture_is_shown_as_torchvision_shows_it(size: tuple[int, int], shown: Preprocessing, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    expected = resize_and_centre_crop(Image.fromarray(pixels), shown.resize, shown.image, shown.filter)
    np.testing.assert_array_equal(read_picture(tmp_path / "p.png", shown), expected)
    with (tmp_path / "p.png").open("rb") as file:
        np.testing.assert_array_equal(read_picture(file, shown), expected)
    grey = resize_and_centre_crop(Image.fromarray(pixels).convert("L"), shown.resize, shown.image, shown.filter)
    np.testing.assert_array_equal(read_picture(tmp_path / "p.png", shown, channels=1)[..., 0], grey)


def resize_and_centre_crop(picture: Image.Image, resize: int, crop: int, name: Filter) -> np.ndarray:
    """torchvision.transforms.Resize(resize) and CenterCrop(crop), written once more from their documentation and source."""
    width, height = picture.size
    if width < height:
        picture = picture.resize((resize, int(resize * height / width)), Image.Resampling[name.upper()])
    else:
        picture = picture.resize((int(resize * width / height), resize), Image.Resampling[name.upper()])
    top, left = int(round((picture.height - crop) / 2.0)), int(round((picture.width - crop) / 2.0))  # noqa: RUF046
    return np.asarray(picture)[top : top + crop, left : left + crop]


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1), (3, 30_000)])
def test_a_picture_that_is_all_length_does_not_explode(size: tuple[int, int], tmp_path: Path) -> None:
    grey = np.zeros(size[::-1], np.uint8)
    grey[grey.shape[0] // 2 :, grey.shape[1] // 2 :] = 255  # the middle is kept
    Image.fromarray(grey).save(tmp_path / "p.png")
    picture = read_picture(tmp_path / "p.png", Preprocessing(image=8, resize=400, filter="bilinear"))
    assert picture.shape == (8, 8, 3)
    assert 100 < picture.mean() < 200


def test_open_files_are_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"no picture")
    with (tmp_path / "p.png").open("rb") as file, pytest.raises(BadPictureError) as caught:
        read_picture(file, whole(8))
    assert str(caught.value) == f"{tmp_path / 'p.png'} is not a picture that can be read (cannot identify image file 'file')"
    with pytest.raises(BadPictureError, match=r"^the open file is not a picture .*image file 'file'"):
        read_picture(io.BytesIO(b"no picture"), whole(8))


def test_digits_are_shown_larger() -> None:
    from sklearn.datasets import load_digits

    source = open_source("digits")
    pictures = source.read(source.splits["all"].take(np.arange(3)), Preprocessing(image=28, resize=32), None)
    first = Image.fromarray((load_digits().images[0] * (255 / 16)).round().astype(np.uint8))
    assert pictures.pixels.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(pictures.pixels[0, ..., 0], resize_and_centre_crop(first, 32, 28, "bicubic"))


def test_sixteen_bits_alpha_and_palette(tmp_path: Path) -> None:
    grey = np.array([[0, 257], [32896, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.png", whole(2))[..., 0], [[0, 1], [128, 255]])
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png", whole(4)) == 255).all()
    Image.new("P", (4, 4), 0).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "palette.png", whole(4)).shape == (4, 4, 3)


def test_exif_rotations_all_show_the_same_picture(shared: Path) -> None:
    upright = read_picture(shared / "nasty" / "exif" / "Portrait_1.jpg", whole(64)).astype(int)
    for number in range(2, 9):
        file = shared / "nasty" / "exif" / f"Portrait_{number}.jpg"
        assert np.abs(read_picture(file, whole(64)).astype(int) - upright).mean() < 12, file.name


def test_every_awkward_picture_is_read_or_named(shared: Path) -> None:
    files = sorted(p for p in (shared / "nasty").rglob("*") if p.is_file() and p.suffix not in (".md", ".csv"))
    assert len(files) > 200
    read = 0
    for file in files:
        with unwarned():
            shape, complaint = shape_or_complaint(file)
        assert shape == (32, 32, 3) or (str(file) in complaint and "\n" not in complaint)
        read += bool(shape)
    assert read > 150


def shape_or_complaint(file: Path) -> tuple[tuple[int, ...], str]:
    try:
        return read_picture(file, whole(32)).shape, ""
    except BadPictureError as error:
        return (), str(error)


def test_more_pictures_than_memory_is_told_before_they_are_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else 20_000)
    source = open_source(photos)
    with pytest.raises(NetwrightError, match="of memory at 16 px: lower --image"):
        source.read(source.splits["all"], whole(16), None)


def test_imagenets_classes() -> None:
    names, wnids = imagenet_classes(), imagenet_wnids()
    assert len(names) == len(wnids) == 1000
    assert len({name.lower() for name in names}) == 1000
    assert list(wnids) == sorted(set(wnids))
    assert all(name.isprintable() and name == name.strip() for name in names)
    known = {0: "tench", 1: "goldfish", 134: "crane (bird)", 281: "tabby", 517: "crane (machine)", 999: "toilet tissue"}
    assert {index: names[index] for index in known} == known


def test_imagenets_classes_are_those_of_the_class_index(shared: Path) -> None:
    index = json.loads((shared / "imagenet_samples" / "imagenet_class_index.json").read_text())
    assert [index[str(i)][0] for i in range(1000)] == list(imagenet_wnids())
    for i, name in enumerate(imagenet_classes()):
        assert index[str(i)][1].replace("_", " ").lower() == name.partition(" (")[0].lower()
