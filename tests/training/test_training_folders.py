"""`train` with a folder: folds and groups are remembered, bad pictures left out, recipes kept, weights shown what they want."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.graph import Count, FeatureMap, Size
from netwright.progress import Progress
from netwright.runtime.fitting import WeightsNote
from netwright.training import Recipe
from netwright.training.recipes.recipe import Averaging, Regularization
from netwright.training.recipes.recipe_files import read_recipe
from tests.conftest import make_photos

NET = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, classes=3)
QUIET = Progress(quiet=True)
ONE = Recipe(epochs=1, batch=16)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"), each=12, side=32)


def test_a_fold_is_remembered(photos: Path, tmp_path: Path) -> None:
    seen = []
    for fold in (1, 2, 3):
        run = nw.train(NET, photos, image=32, recipe=ONE, fold=(fold, 3), out=tmp_path / str(fold), progress=QUIET)
        again = nw.evaluate(tmp_path / str(fold), photos)
        assert again.accuracy == run.result["accuracy"]["top1"]
        assert len(again.labels) == 12
        seen += list(again.names)
    assert len(set(seen)) == 36


def test_groups_are_remembered(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "grouped"
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "person"])
        for i, path in enumerate(sorted(photos.rglob("*.jpg"))):
            (folder / f"{i}.jpg").write_bytes(path.read_bytes())
            table.writerow([f"{i}.jpg", path.parent.name, f"p{i % 9}"])
    run = nw.train(NET, folder, image=32, recipe=ONE, group="person", out=tmp_path / "run", progress=QUIET)
    assert nw.evaluate(tmp_path / "run", folder).accuracy == run.result["accuracy"]["top1"]


def test_bad_pictures_are_left_out_named_and_counted(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_photos(tmp_path / "some", each=10, side=32)
    for split in ("train", "val"):
        for path in sorted(folder.glob("*/*")):
            target = folder / split / path.parent.name / path.name
            if (split == "val") == (path.stem in ("08", "09")) and path.parent.parent == folder:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
    for empty in [p for p in folder.iterdir() if p.name not in ("train", "val")]:
        empty.rmdir()
    (folder / "train" / "red" / "03.jpg").write_bytes(b"")
    run = nw.train(NET, folder, image=32, recipe=ONE, out=tmp_path / "run", progress=Progress())
    assert "1 of 24 pictures cannot be read and are left out: " in capsys.readouterr().err
    assert run.result["left_out"] == {"train": ["train/red/03.jpg"]}
    with pytest.raises(NetwrightError, match=r"red/03\.jpg"):
        nw.train(NET, folder, image=32, recipe=ONE, strict=True, progress=QUIET)
    (folder / "val" / "red" / "08.jpg").write_bytes(b"GIF89a")
    with pytest.raises(NetwrightError, match=r"red/08\.jpg"):
        nw.train(NET, folder, image=32, recipe=ONE, progress=QUIET)
    skipped = nw.train(NET, folder, image=32, recipe=ONE, skip_bad=True, progress=QUIET)
    assert skipped.result["accuracy"]["of"] == 5
    for path in (folder / "train" / "blue").iterdir():
        path.write_bytes(b"")
    with pytest.raises(NetwrightError, match="none of the pictures of class 'blue' can be read"):
        nw.train(NET, folder, image=32, recipe=ONE, skip_bad=True, progress=QUIET)


def test_a_run_keeps_its_recipe(photos: Path, tmp_path: Path) -> None:
    recipe = ONE.replace(regularize=Regularization(drop_path=0.1), ema=Averaging(decay=0.9))
    nw.train(NET, photos, image=32, recipe=recipe, out=tmp_path / "run", progress=QUIET)
    assert read_recipe(tmp_path / "run") == recipe


def test_weights_bring_how_pictures_are_shown(photos: Path, tmp_path: Path) -> None:
    """In evaluation after fine-tuning, too: 36 px resized, 32 shown, bilinear, with their mean and deviation."""
    from netwright.preprocessing import Preprocessing
    from netwright.runtime.weights import remember, save_weights

    model = nw.build(NET, 32, seed=0)
    shown = Preprocessing(image=32, resize=36, filter="bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))
    remember(model, NET, 3, shown, ("x", "y", "z"))
    save_weights(model, tmp_path / "start.safetensors", about={"classes": ["x", "y", "z"], "channels": 3, **shown.fields()})
    run = nw.train(NET, photos, weights=tmp_path / "start.safetensors", recipe=ONE, out=tmp_path / "run", progress=QUIET)
    assert run.preprocessing == shown
    assert nw.load(tmp_path / "run").preprocessing == shown


class Own(nw.Design):
    """What a user writes: its classifier is one only by its place at the end."""

    width: Count = 8
    classes: Size = 7

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("a", self.width, 3, 2).norm("b").relu("c").global_pool("pool").linear("fc", self.classes)


def test_a_users_own_design_is_trained_loaded_and_trained_further(photos: Path, tmp_path: Path) -> None:
    """On colour pictures, then from their run on grey ones of other classes."""
    run = nw.train(Own(), photos, image=32, recipe=ONE, out=tmp_path / "colour", progress=QUIET)
    again = nw.load(tmp_path / "colour")
    assert (again.channels, again.design, len(again.classes)) == (3, Own(classes=3), 3)
    assert nw.evaluate(again, photos).accuracy == run.result["accuracy"]["top1"]
    with pytest.warns(WeightsNote, match="the classifier fc is for 3 classes, not 10: it starts afresh"):
        nw.train(Own(), "digits", recipe=ONE, weights=tmp_path / "colour", out=tmp_path / "grey", progress=QUIET)
    assert nw.load(tmp_path / "grey").channels == 1


def test_the_example_trains_from_its_file(tmp_path: Path) -> None:
    words = ["train", "examples/small_pictures.py:net", "digits", "--epochs", "1", "-o", str(tmp_path / "run")]
    assert main(words) == 0
    assert nw.load(tmp_path / "run").channels == 1
