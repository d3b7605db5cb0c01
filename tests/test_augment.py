"""Augmentation against Pillow, picture by picture, and against numpy's arithmetic; the same bits however a batch is divided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.preprocessing import Squeezed, whole
from netwright.training.engine.augment import Drawn, Look, Mixing, draw, prepared, stored
from netwright.training.engine.augment.operations import BLENDS, MOVES, NAMES, TABLES, operate
from netwright.training.engine.augment.policies import RAND, TRIVIAL
from netwright.training.engine.augment.windows import cut, flipped, resized_at_once
from netwright.training.recipes.recipe import Augmentation


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(n: int, side: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Smooth shapes with noise and flat parts: neither a histogram nor an edge of them is a special case."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    made = np.empty((n, side, side, channels), np.uint8)
    for i in range(n):
        for channel in range(channels):
            a, b, c, d = noise.uniform(1, 9, 4)
            wave = 90 + 60 * np.sin(a * x + b) + 50 * np.cos(c * y + d * x) + noise.normal(0, 12, (side, side))
            made[i, ..., channel] = np.clip(wave * noise.uniform(0.4, 1.2), 0, 255)
    made[:, : side // 4, : side // 3] = 17
    return torch.from_numpy(made)


def pillow(picture: Tensor) -> Image.Image:
    return Image.fromarray(picture.numpy() if picture.shape[2] == 3 else picture[..., 0].numpy())


def array(image: Image.Image) -> NDArray[Any]:
    made = np.asarray(image)
    return made if made.ndim == 3 else made[..., None]


def plain(n: int, **changes: Any) -> Drawn:
    """Nothing is done to n pictures of 32 px but the changes."""
    none = Drawn(
        torch.tensor([[0, 0, 32, 32]]).repeat(n, 1),
        torch.zeros(n, dtype=torch.bool),
        torch.zeros(n, 0, dtype=torch.int64),
        torch.zeros(n, 0, dtype=torch.float64),
        torch.zeros(n, 4, dtype=torch.int64),
    )
    return replace(none, **changes)


def look(image: int = 32, channels: int = 3, **changes: Any) -> Look:
    mean, std = torch.tensor([0.4, 0.5, 0.3][:channels]), torch.tensor([0.2, 0.25, 0.3][:channels])
    return replace(Look(image, 7, mean, std), **changes)


def normalized(pixels: Tensor, seen: Look) -> Tensor:
    """As torchvision's ToTensor and Normalize do it."""
    x = pixels.permute(0, 3, 1, 2).double() / 255
    return (x - seen.mean.double()[:, None, None]) / seen.std.double()[:, None, None]


# ---------------------------------------------------------------- sides and boxes


def test_training_pictures_are_kept_larger_where_crops_lose_detail() -> None:
    assert stored(Augmentation(), 32) == whole(32)
    assert stored(Augmentation(), 224) == Squeezed(280)
    assert stored(Augmentation(crop="shift"), 224) == Squeezed(256)  # the notes' resize 256, crop 224
    assert [stored(Augmentation(crop=crop), 96) for crop in ("none", "pad", "resized")] == [whole(96), whole(96), Squeezed(120)]
    assert [stored(Augmentation(), 224, own).image for own in (100, 224, 240, 500)] == [224, 224, 240, 280]


@given(
    crop=st.sampled_from(["resized", "shift", "pad", "none"]),
    image=st.integers(8, 300),
    area=st.floats(0.05, 1),
    aspect=st.floats(0.3, 1),
    seed=st.integers(0, 1 << 40),
)
@settings(max_examples=60, deadline=None)
def test_boxes_lie_where_the_recipe_says(crop: Any, image: int, area: float, aspect: float, seed: int) -> None:
    augment = Augmentation(crop=crop, area_least=area, aspect_least=aspect)
    side = stored(augment, image).image
    top, left, height, width = draw(augment, 64, (side, image), True, seeded(seed)).boxes.T
    over = side // 8 if crop == "pad" else 0
    assert min(top.min(), left.min()) >= -over
    assert max((top + height).max(), (left + width).max()) <= side + over
    if crop == "resized":
        shares, ratios = (height * width) / side**2, width / height
        assert shares.min() > area - 2.0 / side
        slack = 1 + 2.0 / height.min()
        assert ratios.min() > aspect / slack
        assert ratios.max() < slack / aspect
    else:
        shown = image if crop == "shift" else side
        assert set(height.tolist()) | set(width.tolist()) == {shown}


def test_boxes_are_spread_as_they_should() -> None:
    """Uniform areas, log-uniform aspects, all places of a shift."""
    boxes = draw(Augmentation(area_least=0.25), 4000, (280, 224), True, seeded()).boxes.double()
    shares = boxes[:, 2] * boxes[:, 3] / 280**2
    inner = shares[shares < 0.5]  # no box of this size can fail to fit
    assert float(inner.mean()) == pytest.approx(0.375, abs=0.01)
    assert float((boxes[:, 3] / boxes[:, 2]).log().mean()) == pytest.approx(0, abs=0.01)
    shifts = draw(Augmentation(), 2000, (32, 32), True, seeded()).boxes
    assert {tuple(pair) for pair in shifts[:, :2].tolist()} == {(a, b) for a in range(-4, 5) for b in range(-4, 5)}


def test_chance_is_a_function_of_the_generator() -> None:
    augment = Augmentation(policy="rand", erasing=0.5, mixup=0.2, cutmix=1)
    state = torch.random.get_rng_state()
    np_state = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    first, again, other = (draw(augment, 9, (80, 64), True, seeded(seed)) for seed in (3, 3, 4))
    for name in ("boxes", "flips", "operations", "amounts", "erased"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.mixing is not None
    assert again.mixing is not None
    assert (first.mixing.share, first.mixing.box) == (again.mixing.share, again.mixing.box)
    assert not torch.equal(first.boxes, other.boxes)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == np_state  # type: ignore[index, union-attr]


def test_only_what_may_be_mirrored_is() -> None:
    assert draw(Augmentation(), 4000, (32, 32), True, seeded()).flips.double().mean() == pytest.approx(0.5, abs=0.03)
    assert not draw(Augmentation(), 100, (32, 32), False, seeded()).flips.any()
    assert not draw(Augmentation(flip="no"), 100, (32, 32), True, seeded()).flips.any()


def test_the_kind_of_crop_stays_while_images_grow() -> None:
    boxes = draw(Augmentation(), 50, (120, 48), True, seeded()).boxes
    assert len(set(boxes[:, 2].tolist())) > 10


# ---------------------------------------------------------------- crops against Pillow


@pytest.mark.parametrize("channels", [1, 3])
def test_shifts_are_windows_of_the_padded_picture(channels: int) -> None:
    pixels = photos(20, 32, channels)
    drawn = draw(Augmentation(), 20, (32, 32), True, seeded())
    x, targets = prepared(pixels, torch.arange(20) % 7, drawn, look(channels=channels))
    assert torch.equal(targets, torch.arange(20) % 7)
    for i, (top, left, _, _) in enumerate(drawn.boxes.tolist()):
        padded = np.pad(pixels[i].numpy(), ((4, 4), (4, 4), (0, 0)))
        window = padded[top + 4 : top + 36, left + 4 : left + 36]
        window = window[:, ::-1] if drawn.flips[i] else window
        wanted = normalized(torch.from_numpy(window.copy())[None], look(channels=channels))[0]
        assert torch.allclose(x[i].double(), wanted, atol=2e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("side", "image"), [(80, 64), (120, 96), (64, 80), (40, 24)])
def test_resized_crops_are_pillows(side: int, image: int, channels: int) -> None:
    pixels = photos(12, side, channels)
    boxes = draw(Augmentation(crop="resized", area_least=0.1), 12, (side, image), True, seeded()).boxes
    each, at_once = cut(pixels, boxes, torch.arange(12) < 0, image), resized_at_once(pixels, boxes, image)
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        window = pillow(pixels[i]).crop((left, top, left + width, top + height))
        wanted = array(window.resize((image, image), Image.Resampling.BILINEAR)).astype(int)
        for made in (each, at_once):
            apart = np.abs(made[i].numpy() - wanted)
            assert apart.max() <= 1
            assert apart.mean() < 0.3


def test_images_that_grow_show_the_same_windows_smaller() -> None:
    """A shift over the edge, at half the size: the padded window, resized."""
    pixels = photos(6, 32)
    boxes = draw(Augmentation(crop="pad"), 6, (32, 16), True, seeded()).boxes
    made = cut(pixels, boxes, torch.tensor([False] * 5 + [True]), 16)
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        window = pillow(pixels[i]).crop((left, top, left + width, top + height))
        wanted = window.resize((16, 16), Image.Resampling.BILINEAR)
        wanted = ImageOps.mirror(wanted) if i == 5 else wanted
        assert np.abs(array(wanted).astype(int) - made[i].numpy()).max() <= 1


def test_flips_are_pillows() -> None:
    pixels = photos(5, 17)
    made = flipped(pixels, torch.tensor([True, False, True, False, False]))
    for i in range(5):
        assert np.array_equal(made[i], array(ImageOps.mirror(pillow(pixels[i])) if i in (0, 2) else pillow(pixels[i])))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_is_the_asked_one(layout: torch.memory_format) -> None:
    x, _ = prepared(photos(4, 32), torch.zeros(4, dtype=torch.int64), plain(4), look(layout=layout))
    assert x.is_contiguous(memory_format=layout)
    assert x.shape == (4, 3, 32, 32)
    assert torch.allclose(x.double(), normalized(photos(4, 32), look()), atol=2e-6)


# ---------------------------------------------------------------- any division of a batch gives the same


@given(
    policy=st.sampled_from(["none", "trivial", "rand"]),
    mix=st.sampled_from([(0.0, 0.0), (0.8, 0.0), (0.0, 1.0), (0.2, 1.0)]),
    crop=st.sampled_from(["resized", "pad", "shift"]),
    place=st.integers(0, 6),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_parts_of_a_batch_are_what_the_whole_would_be(
    policy: Any, mix: tuple[float, float], crop: Any, place: int, channels: int, seed: int
) -> None:
    augment = Augmentation(crop=crop, policy=policy, erasing=0.5, mixup=mix[0], cutmix=mix[1])
    n, image = 13, 40
    side = stored(augment, image).image
    drawn = draw(augment, n, (side, image), True, seeded(seed))
    pixels, labels, seen = photos(n, side, channels, seed), torch.arange(n) % 7, look(image, channels)
    whole, targets = prepared(pixels, labels, drawn, seen)
    assert targets.shape == ((n, 7) if any(mix) else (n,))
    for part in (slice(0, 2 * place), slice(2 * place, n)):
        x, wanted = prepared(pixels[part], labels[part], drawn.rows(part), seen)
        assert torch.equal(x, whole[part])
        assert torch.equal(wanted, targets[part])


def test_neighbours_that_are_mixed_stay_together() -> None:
    drawn = plain(8, mixing=Mixing(0.7))
    assert len(drawn.rows(slice(2, 6))) == 4
    assert len(drawn.rows(slice(4, None))) == 4
    for part in (slice(1, 8), slice(0, 3), slice(0, 8, 2)):
        with pytest.raises(NetwrightError, match="give each process an even number"):
            drawn.rows(part)
    assert len(plain(8).rows(slice(1, 4))) == 3


# ---------------------------------------------------------------- erasing and mixing against numpy


def test_erased_boxes_have_the_papers_sizes() -> None:
    n, image = 6000, 64
    erased = draw(Augmentation(erasing=0.25), n, (image, image), True, seeded()).erased
    height, width = erased[:, 2] - erased[:, 0], erased[:, 3] - erased[:, 1]
    done = height > 0
    assert done.double().mean() == pytest.approx(0.25, abs=0.02)
    assert erased.min() >= 0
    assert erased.max() <= image
    shares = (height * width)[done].double() / image**2
    assert shares.min() > 0.015
    assert shares.max() < 0.36
    ratios = (width / height)[done]
    assert ratios.min() > 0.25
    assert ratios.max() < 4
    assert not draw(Augmentation(), n, (image, image), True, seeded()).erased.any()


def test_erased_pixels_are_the_mean() -> None:
    pixels = photos(4, 32)
    boxes = torch.zeros(4, 4, dtype=torch.int64)
    boxes[1] = torch.tensor([3, 5, 20, 9])
    x, _ = prepared(pixels, torch.zeros(4, dtype=torch.int64), plain(4, erased=boxes), look())
    wanted = normalized(pixels, look())
    wanted[1, :, 3:20, 5:9] = 0
    assert torch.allclose(x.double(), wanted, atol=2e-6)


@pytest.mark.parametrize("n", [1, 6, 7])
def test_mixup_takes_the_neighbour(n: int) -> None:
    pixels, labels = photos(n, 32), torch.arange(n) % 7
    x, targets = prepared(pixels, labels, plain(n, mixing=Mixing(0.7)), look())
    base, kinds = normalized(pixels, look()).numpy(), np.eye(7)[labels.numpy()]
    for i in range(n):
        other = i + 1 - 2 * (i % 2)
        other = i if other == n else other
        assert np.allclose(x[i], 0.7 * base[i] + 0.3 * base[other], atol=1e-5)
        assert np.allclose(targets[i], 0.7 * kinds[i] + 0.3 * kinds[other])


def test_cutmix_takes_the_neighbours_box() -> None:
    pixels, labels = photos(5, 32), torch.arange(5)
    box = (4, 0, 20, 10)
    x, targets = prepared(pixels, labels, plain(5, mixing=Mixing(1 - 160 / 1024, box)), look())
    base = normalized(pixels, look())
    for i, other in enumerate((1, 0, 3, 2, 4)):
        wanted = base[i].clone()
        wanted[:, 4:20, 0:10] = base[other, :, 4:20, 0:10]
        assert torch.allclose(x[i].double(), wanted, atol=2e-6)
        assert float(targets[i, other]) == pytest.approx(1 if i == other else 160 / 1024)
    assert torch.allclose(targets.sum(1), torch.ones(5))


@given(seed=st.integers(0, 1 << 50), image=st.integers(4, 260))
@settings(max_examples=80, deadline=None)
def test_shares_are_those_of_the_real_boxes(seed: int, image: int) -> None:
    mixing = draw(Augmentation(cutmix=1.0), 2, (image, image), True, seeded(seed)).mixing
    assert mixing is not None
    assert mixing.box is not None
    top, left, bottom, right = mixing.box
    assert 0 <= top <= bottom <= image
    assert 0 <= left <= right <= image
    assert mixing.share == pytest.approx(1 - (bottom - top) * (right - left) / image**2)


def test_a_batch_takes_mixup_or_cutmix_with_equal_chance() -> None:
    both = [
        draw(Augmentation(mixup=0.2, cutmix=1, mix_chance=0.6), 2, (32, 32), True, seeded(seed)).mixing for seed in range(1500)
    ]
    mixing = [one for one in both if one is not None]
    assert len(mixing) == 1500
    assert sum(one.box is not None for one in mixing) / 1500 == pytest.approx(0.3, abs=0.04)
    assert sum(one.box is None and one.share == 1 for one in mixing) / 1500 == pytest.approx(0.4, abs=0.04)
    shares = np.array([one.share for one in mixing if one.box is None and one.share < 1])
    # Beta(.2, .2): mean one half, variance 1 / (4 (2 alpha + 1))
    assert shares.mean() == pytest.approx(0.5, abs=0.07)
    assert shares.var() == pytest.approx(1 / (4 * 1.4), abs=0.03)


# ---------------------------------------------------------------- policies against Pillow


def done(name: str, amount: float, pixels: Tensor, smooth: bool = False, fill: float = 0) -> Tensor:
    n = len(pixels)
    kinds, amounts = torch.full((n,), NAMES.index(name)), torch.full((n,), amount, dtype=torch.float64)
    return operate(pixels, kinds, amounts, torch.full((pixels.shape[3],), fill), smooth)


def by_pillow(
    name: str, amount: float, image: Image.Image, resample: Any = Image.Resampling.NEAREST, fill: int = 0
) -> Image.Image:
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "colour": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "sharpness": ImageEnhance.Sharpness,
    }
    if name in enhancers:
        return enhancers[name](image).enhance(amount)
    colour = (fill,) * 3 if image.mode == "RGB" else fill
    rows = {
        "shear_x": (1, amount, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, amount, 1, 0),
        "translate_x": (1, 0, amount, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, amount),
    }
    if name in rows:
        return image.transform(image.size, Image.Transform.AFFINE, rows[name], resample=resample, fillcolor=colour)
    if name == "rotate":
        return image.rotate(amount, resample=resample, fillcolor=colour)
    if name == "solarize_add":
        table = [min(255, level + int(amount)) if level < 128 else level for level in range(256)]
        return image.point(table * len(image.getbands()))
    simple = {"invert": ImageOps.invert, "autocontrast": ImageOps.autocontrast, "equalize": ImageOps.equalize}
    if name in simple:
        return simple[name](image)
    return ImageOps.posterize(image, int(amount)) if name == "posterize" else ImageOps.solarize(image, amount)


FACTORS = (0.01, 0.1, 0.37, 0.999, 1.0, 1.3, 1.9, 1.99)
AMOUNTS = {
    **dict.fromkeys(("brightness", "contrast", "colour", "sharpness"), FACTORS),
    "posterize": (1, 2, 4, 7, 8),
    "solarize": (0.0, 25.5, 76.5, 128, 255.0, 256),
    "solarize_add": (0, 33, 110),
    **dict.fromkeys(("invert", "autocontrast", "equalize"), (0.0,)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", AMOUNTS)
def test_levels_are_pillows(name: str, channels: int) -> None:
    pixels = photos(5, 37, channels)
    pixels[1] = 200  # one level only
    pixels[2, ..., 0] = (pixels[2, ..., 0] > 100) * 60 + 9  # two
    most = 1 if name in BLENDS else 0
    for amount in AMOUNTS[name]:
        made = done(name, float(amount), pixels)
        for i in range(len(pixels)):
            wanted = array(by_pillow(name, amount, pillow(pixels[i]))).astype(int)
            assert np.abs(made[i].numpy() - wanted).max() <= most, (amount, i)
    assert set(AMOUNTS) == {*TABLES, *BLENDS}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("name", MOVES)
def test_moves_are_pillows(name: str, smooth: bool, channels: int) -> None:
    pixels = photos(3, 41, channels)
    resample = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    amounts = {"rotate": (-135.0, -31, 4.5, 90, 17.3), "shear_x": (-0.99, 0.033, 0.3), "shear_y": (-0.3, 0.99)}
    for amount in amounts.get(name, (-32.0, 3.0, 11.25 if smooth else 5.0)):
        made = done(name, amount, pixels, smooth, 90)
        for i in range(len(pixels)):
            wanted = array(by_pillow(name, amount, pillow(pixels[i]), resample, 90)).astype(int)
            apart = np.abs(made[i].numpy() - wanted)
            assert (apart > 1).any(2).mean() < 0.01, amount  # Pillow counts places in 1 / 65536


def test_pictures_are_changed_one_by_one() -> None:
    """Each by its own operation, whatever stands beside it; identity leaves them."""
    kinds = torch.arange(len(NAMES)).repeat(2)
    amounts = torch.linspace(0.2, 1.5, len(kinds), dtype=torch.float64)
    pixels, fill = photos(len(kinds), 24), torch.tensor([1.0, 2.0, 3.0])
    made = operate(pixels, kinds, amounts, fill, False)
    for i in range(len(kinds)):
        alone = operate(pixels[i : i + 1], kinds[i : i + 1], amounts[i : i + 1], fill, False)
        assert torch.equal(made[i], alone[0])
    assert torch.equal(made[NAMES.index("identity")], pixels[NAMES.index("identity")])
    assert torch.equal(pixels, photos(len(kinds), 24))  # what was given stays


def test_policies_draw_their_operations_evenly() -> None:
    trivial = draw(Augmentation(policy="trivial"), 7000, (32, 32), True, seeded())
    counts = torch.bincount(trivial.operations.flatten(), minlength=len(NAMES))
    assert {NAMES[i] for i in counts.nonzero().flatten().tolist()} == set(TRIVIAL)
    assert counts[counts > 0].min() > 400  # 500 expected
    rand = draw(Augmentation(policy="rand", operations=3), 5000, (32, 32), True, seeded())
    assert rand.operations.shape == (5000, 3)
    counts = torch.bincount(rand.operations.flatten(), minlength=len(NAMES))
    assert {NAMES[i] for i in counts.nonzero().flatten().tolist()} == {*RAND, "identity"}
    assert counts[0] / 15000 == pytest.approx(0.5, abs=0.02)
    assert not draw(Augmentation(), 5, (32, 32), True, seeded()).operations.numel()


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_policies_work_on_any_picture(policy: Any) -> None:
    for channels in (1, 3):
        for side in (1, 2, 28):
            augment = Augmentation(crop="none", policy=policy, magnitude=10)
            drawn = draw(augment, 60, (side, side), True, seeded(side))
            pixels = photos(60, 28, channels)[:, :side, :side].contiguous()
            x, _ = prepared(pixels, torch.zeros(60, dtype=torch.int64), drawn, look(side, channels))
            assert torch.isfinite(x).all()
