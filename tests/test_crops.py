"""Crops of pictures that are not square: cut from all of them, as from the original, whatever happens to what is kept."""

from __future__ import annotations

import hashlib
import math
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from netwright.data import Pictures, Source, open_source, store
from netwright.data.arrays import Part, source_of_arrays
from netwright.data.stored import OnDemand, Stored
from netwright.preprocessing import Squeezed, whole
from netwright.training.engine.augment import draw, stored
from netwright.training.engine.augment.windows import cut, resized_at_once
from netwright.training.engine.batches import Batches, Task, Where
from netwright.training.engine.processes import ALONE, Processes
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Augmentation, Recipe

SHAPES = {"wide": (40, 30), "tall": (30, 45), "square": (32, 32), "long": (90, 30)}  # width, height
SHOWN = Squeezed(20)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours with some noise, of a photograph's steepness."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = []
    for a, b, c, d in chance.uniform(3, 20, (3, 4)):
        planes.append(120 + 60 * np.sin(a * x + b * y) + 40 * np.cos(c * y + d * x) + chance.normal(0, 4, (height, width)))
    return Image.fromarray(np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two classes with pictures of four aspects each."""
    for name in ("a", "b"):
        (tmp_path / "mixed" / name).mkdir(parents=True)
        for i, (kind, size) in enumerate(SHAPES.items()):
            waves(*size, seed=i).save(tmp_path / "mixed" / name / f"{kind}.png")
    return tmp_path / "mixed"


def kept(source: Source, cache: Path | None, **options: Any) -> Pictures:
    return store(source, source.splits["all"], SHOWN, cache=cache, **options)


def asked_of(source: Source) -> list[str]:
    """The names of the pictures that will be decoded from now on."""
    picture, asked = source.contents.picture, list[str]()
    source.contents.picture = lambda name, shown: (asked.append(name), picture(name, shown))[1]  # type: ignore[method-assign]
    return asked


def aspects_of(names: tuple[str, ...]) -> list[float]:
    sizes = [SHAPES[Path(name).stem] for name in names]
    return [np.float32(width / height).item() for width, height in sizes]


# ---------------------------------------------------------------- boxes


def torchvisions(width: int, height: int, scale: tuple[float, float], low: float, n: int) -> NDArray[np.float64]:
    """RandomResizedCrop.get_params as torchvision documents it: (n, 4) top, left, height, width as shares of the picture."""
    chance, made = np.random.default_rng(0), []
    for _ in range(n):
        box = None
        for _ in range(10):
            area = width * height * chance.uniform(*scale)
            ratio = math.exp(chance.uniform(math.log(low), -math.log(low)))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                box = (chance.integers(0, height - h + 1), chance.integers(0, width - w + 1), h, w)
                break
        if box is None:
            w, h = width, height
            if width / height < low:
                h = round(w / low)
            elif width / height > 1 / low:
                w = round(h / low)
            box = ((height - h) // 2, (width - w) // 2, h, w)
        made.append(box)
    return np.array(made) / [height, width, height, width]


@pytest.mark.parametrize("size", [(1600, 1200), (1200, 1600), (2400, 800), (500, 1500), (1000, 1000)])
@pytest.mark.parametrize("least", [0.08, 0.35])
def test_boxes_are_spread_as_torchvisions(size: tuple[int, int], least: float) -> None:
    n, side, low = 4000, 400, 0.75
    augment = Augmentation(crop="resized", area_least=least, aspect_least=low)
    aspects = torch.full((n,), size[0] / size[1])
    ours = draw(augment, n, (side, 320), True, seeded(), aspects).boxes.numpy() / side
    theirs = torchvisions(*size, (least, 1.0), low, n)
    edges = np.arange(-0.037, 1.1, 0.05)  # what all boxes share lies inside of a bin, not at its edge
    for mine, wanted in zip(ours.T, theirs.T, strict=True):
        shares = [np.histogram(values, edges)[0] / n for values in (mine, wanted)]
        assert np.abs(np.cumsum(shares[0] - shares[1])).max() < 0.045  # two samples of 4,000: above it once in a thousand
    ratios = [np.log(boxes[:, 3] * size[0] / (boxes[:, 2] * size[1])) for boxes in (ours, theirs)]
    assert np.mean(ratios[0]) == pytest.approx(np.mean(ratios[1]), abs=0.015)
    assert np.std(ratios[0]) == pytest.approx(np.std(ratios[1]), abs=0.015)


@pytest.mark.parametrize(("aspect", "size"), [(4 / 3, (224, 168)), (0.5, (112, 224)), (1.0, (224, 224)), (20.0, (224, 11))])
def test_shifts_reach_all_of_a_picture(aspect: float, size: tuple[int, int]) -> None:
    """The shorter side at 256, windows of 224: along the longer side at every place."""
    boxes = draw(Augmentation(crop="shift"), 5000, (256, 224), True, seeded(), torch.full((5000,), aspect)).boxes
    assert boxes[:, 2:].unique(dim=0).tolist() == [list(size)]
    for places, shown in zip(boxes[:, :2].T, size, strict=True):
        assert (int(places.min()), int(places.max())) == (0, 256 - shown)
        assert len(places.unique()) == 257 - shown
        assert float(places.double().mean()) == pytest.approx((256 - shown) / 2, abs=0.02 * (257 - shown))


@pytest.mark.parametrize("crop", ["resized", "shift"])
def test_chance_does_not_depend_on_aspects(crop: Any) -> None:
    augment = Augmentation(crop=crop, policy="rand", erasing=0.5, cutmix=1.0)
    odd = torch.tensor([1.0, 1.5, 0.3, 1.0, 20.0, 1.0])
    generators = [seeded(5) for _ in range(3)]
    given = (None, torch.ones(6), odd)
    plain, ones, made = (draw(augment, 6, (80, 64), True, g, aspects) for g, aspects in zip(generators, given, strict=True))
    for other in (ones, made):
        for name in ("flips", "operations", "amounts", "erased"):
            assert torch.equal(getattr(other, name), getattr(plain, name))
        assert (other.mixing, plain.mixing) != (None, None)
        assert other.mixing.box == plain.mixing.box  # type: ignore[union-attr]
    assert torch.equal(ones.boxes, plain.boxes)
    assert torch.equal(made.boxes[odd == 1], plain.boxes[odd == 1])
    assert len({g.initial_seed() for g in generators}) == len({g.get_state().numpy().tobytes() for g in generators}) == 1


# ---------------------------------------------------------------- pixels


@pytest.mark.parametrize("size", [(400, 300), (300, 500), (300, 300)])
@pytest.mark.parametrize("crop", ["resized", "shift"])
def test_a_crop_is_that_of_the_original(tmp_path: Path, size: tuple[int, int], crop: Any) -> None:
    """What Pillow cuts from the original and resizes at once, but for the sharpness that the cache's size costs."""
    augment, image, original = Augmentation(crop=crop), 128, waves(*size)
    pixels = np.asarray(original)[None].repeat(12, 0)
    source = source_of_arrays(tmp_path, {"all": Part(pixels, np.arange(12) % 2)})
    pictures = store(source, source.splits["all"], stored(augment, image))
    side = pictures.pixels.shape[1]
    assert pictures.aspects is not None
    boxes = draw(augment, 12, (side, image), True, seeded(), torch.from_numpy(pictures.aspects)).boxes
    squeezed = torch.from_numpy(np.asarray(pictures.pixels[:]))
    made = cut(squeezed, boxes, torch.zeros(12, dtype=torch.bool), image)
    assert (resized_at_once(squeezed, boxes, image).int() - made.int()).abs().max() <= 1
    across, down = size[0] / side, size[1] / side
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        box = (left * across, top * down, (left + width) * across, (top + height) * down)
        wanted = np.asarray(original.resize((image, image), Image.Resampling.BILINEAR, box=box)).astype(int)
        apart = np.abs(made[i].numpy() - wanted)
        assert apart.mean() < 1.5  # at the next pixel it is 2 to 4
        assert apart.max() <= 8


def batches(pictures: Pictures, recipe: Recipe, image: int, processes: Processes = ALONE) -> Batches:
    task = Task(pictures, Normalize((0.0,) * 3, (1.0,) * 3), image, False, 2)
    return Batches(task, recipe, 0, Where(torch.device("cpu"), torch.contiguous_format, processes))


@pytest.mark.parametrize("crop", ["resized", "shift"])
def test_the_edge_of_a_long_picture_is_trained_on(tmp_path: Path, crop: Any) -> None:
    pixels = np.full((8, 40, 120, 3), 90, np.uint8)
    pixels[:, :, :10] = (250, 0, 0)  # far outside of the central square
    source = source_of_arrays(tmp_path, {"all": Part(pixels, np.arange(8) % 2)})
    augment = Augmentation(crop=crop, area_least=0.08)
    pictures = store(source, source.splits["all"], stored(augment, 32))
    shown = batches(pictures, Recipe(batch=8, augment=augment), 32)
    seen = torch.stack([batch.x[:, 0].amax((1, 2)) > 0.8 for epoch in range(12) for batch in shown.of(epoch)])
    assert 0.05 < seen.double().mean() < 0.6


def test_any_process_and_any_start_gives_the_same_crops(mixed: Path) -> None:
    recipe = Recipe(batch=4, augment=Augmentation(crop="resized"))
    pictures = kept(open_source(mixed), None)
    everything = [batch.x.clone() for batch in batches(pictures, recipe, 16).of(1)]
    assert len(everything) == 2
    assert torch.equal(next(iter(batches(pictures, recipe, 16).of(1, start=1))).x, everything[1])
    parts = [[batch.x.clone() for batch in batches(pictures, recipe, 16, Processes(rank, 2)).of(1)] for rank in (0, 1)]
    for step, all_of_it in enumerate(everything):
        assert torch.equal(torch.cat([parts[0][step], parts[1][step]]), all_of_it)


# ---------------------------------------------------------------- aspects, wherever pictures come from


def test_pictures_are_squeezed_whole_and_bring_their_aspects(mixed: Path, tmp_path: Path, monkeypatch: Any) -> None:
    source = open_source(mixed)
    for cache in (tmp_path / "cache", tmp_path / "cache", None, "little"):
        if cache == "little":
            monkeypatch.setattr(sys.modules[store.__module__], "memory", lambda: 1000)
        pictures = kept(source, cache if isinstance(cache, Path) else None)
        expected = OnDemand if cache == "little" else np.ndarray if cache is None else Stored
        assert isinstance(pictures.pixels, expected)
        assert pictures.aspects is not None
        assert pictures.aspects.tolist() == aspects_of(pictures.names)
        for name, made in zip(pictures.names, np.asarray(pictures.pixels[:]), strict=True):
            with Image.open(mixed / name) as opened:
                np.testing.assert_array_equal(made, np.asarray(opened.resize((20, 20), Image.Resampling.BICUBIC)))
            if "square" in name:
                np.testing.assert_array_equal(made, source.picture(name, whole(20)))
    assert store(source, source.splits["all"], whole(20), cache=tmp_path / "cache").aspects is None


def test_turned_and_very_long_pictures(mixed: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    waves(60, 40).save(mixed / "a" / "turned.jpg", exif=turned, quality=95)
    waves(900, 10).save(mixed / "b" / "very.png")
    pictures = kept(open_source(mixed), None)
    assert pictures.aspects is not None
    aspects = dict(zip(pictures.names, pictures.aspects.tolist(), strict=True))
    assert aspects["a/turned.jpg"] == pytest.approx(40 / 60)
    assert aspects["b/very.png"] == 20


def test_bad_pictures_leave_the_others_their_aspects(mixed: Path, tmp_path: Path) -> None:
    (mixed / "a" / "tall.png").write_bytes(b"no picture")
    for cache in (tmp_path / "cache", tmp_path / "cache", None):
        pictures = kept(open_source(mixed), cache, skip_bad=True)
        assert [bad.name for bad in pictures.bad] == ["a/tall.png"]
        assert pictures.aspects is not None
        assert pictures.aspects.tolist() == aspects_of(pictures.names)


def test_datasets_and_arrays_have_aspects_unless_they_are_ready(tmp_path: Path) -> None:
    pictures = [(waves(*size), i % 2) for i, size in enumerate(SHAPES.values())]
    source = open_source(pictures)
    assert kept(source, None).aspects.tolist() == aspects_of(tuple(SHAPES))  # type: ignore[union-attr]
    for shape, expected in (((4, 20, 20, 3), None), ((4, 20, 30, 3), [1.5] * 4)):
        source = source_of_arrays(tmp_path, {"all": Part(np.zeros(shape, np.uint8), np.arange(4) % 2)})
        found = kept(source, None).aspects
        assert (None if found is None else found.tolist()) == expected


# ---------------------------------------------------------------- the pack


def test_what_has_not_changed_keeps_its_aspect(mixed: Path, tmp_path: Path) -> None:
    kept(open_source(mixed), tmp_path / "cache")
    waves(10, 50).save(mixed / "a" / "another.png")
    source = open_source(mixed)
    asked = asked_of(source)
    found = kept(source, tmp_path / "cache").aspects
    assert asked == ["a/another.png"]
    assert found is not None
    assert found.tolist() == [np.float32(0.2).item(), *aspects_of(source.splits["all"].names[1:])]
    assert len(list((tmp_path / "cache").glob("*/aspects"))) == 1


@pytest.mark.parametrize("fault", ["flip", "other half", "zeros", "cut", "empty", "gone", "noise", "longer"])
def test_damaged_aspects_are_made_again(mixed: Path, tmp_path: Path, fault: str) -> None:
    first = kept(open_source(mixed), tmp_path / "cache")
    file = next((tmp_path / "cache").glob("*/aspects"))
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[2 * 8 + (2 if fault == "flip" else 6)] ^= 16
    damaged = {
        "flip": bytes(flipped),
        "other half": bytes(flipped),
        "zeros": content[:8] + bytes(24) + content[32:],
        "cut": content[:20],
        "empty": b"",
        "noise": np.random.default_rng(0).bytes(len(content)),
        "longer": content + b"more",
    }
    file.unlink() if fault == "gone" else file.write_bytes(damaged[fault])
    for lost in ({"flip": 1, "other half": 1, "zeros": 3, "cut": 6, "longer": 0}.get(fault, 8), 0):
        source = open_source(mixed)
        asked = asked_of(source)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = kept(source, tmp_path / "cache")
            np.testing.assert_array_equal(np.asarray(again.pixels), np.asarray(first.pixels))
        assert again.aspects is not None
        assert again.aspects.tolist() == aspects_of(again.names)
        assert len(asked) == lost
        assert file.read_bytes() == content


def test_a_damaged_picture_is_mended_beside_its_aspect(mixed: Path, tmp_path: Path) -> None:
    wanted = np.asarray(kept(open_source(mixed), tmp_path / "cache").pixels)
    folder = next((tmp_path / "cache").glob("*/aspects")).parent
    pixels, aspects = bytearray((folder / "pixels").read_bytes()), (folder / "aspects").read_bytes()
    pixels[3 * 1200 + 5] ^= 8
    (folder / "pixels").write_bytes(pixels)
    again = kept(open_source(mixed), tmp_path / "cache")
    with pytest.warns(UserWarning, match="1 damaged pictures are decoded again"):
        np.testing.assert_array_equal(np.asarray(again.pixels), wanted)
    assert (folder / "pixels").read_bytes() == wanted.tobytes()
    assert (folder / "aspects").read_bytes() == aspects


BUILD = """
import hashlib, sys
from pathlib import Path
import numpy as np
from netwright.data import open_source, store
from netwright.preprocessing import Squeezed
source = open_source(sys.argv[1])
print("begins", flush=True)
kept = store(source, source.splits["all"], Squeezed(100), cache=Path(sys.argv[2]))
print(hashlib.sha256(np.asarray(kept.pixels).tobytes() + kept.aspects.tobytes()).hexdigest(), flush=True)
"""


def test_killed_and_at_once_the_pack_ends_right(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "many" / name).mkdir(parents=True)
        for i in range(40):
            waves(*chance.integers(100, 400, 2).tolist(), seed=i).save(tmp_path / "many" / name / f"{i}.jpg")
    source = open_source(tmp_path / "many")
    wanted = store(source, source.splits["all"], Squeezed(100), cache=None)
    assert wanted.aspects is not None
    expected = hashlib.sha256(np.asarray(wanted.pixels).tobytes() + wanted.aspects.tobytes()).hexdigest()
    words = [sys.executable, "-c", textwrap.dedent(BUILD), str(tmp_path / "many"), str(tmp_path / "cache")]
    moments = random.Random(0)

    def begun() -> subprocess.Popen[str]:
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    for _ in range(2):
        process = begun()
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.02, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    for process in [begun() for _ in range(2)]:
        out, errors = process.communicate(timeout=120)
        assert out.split() == ["begins", expected], errors
        assert not errors
