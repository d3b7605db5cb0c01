"""Augmentation, losses and drop-path beside torchvision's and timm's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import netwright as nw
from netwright.training.engine.augment import Look, Mixing, draw, prepared
from netwright.training.engine.augment.operations import NAMES, operate
from netwright.training.engine.losses import per_picture
from netwright.training.engine.regularizing import DropPath, drop_paths
from netwright.training.recipes.recipe import Augmentation, Loss
from tests.compat.oracles import timm, torchvision
from tests.test_augment import array, done, photos, pillow, plain, seeded

WORDS = {  # theirs: ours
    "Identity": "identity",
    "ShearX": "shear_x",
    "ShearY": "shear_y",
    "TranslateX": "translate_x",
    "TranslateY": "translate_y",
    "Rotate": "rotate",
    "Brightness": "brightness",
    "Color": "colour",
    "Contrast": "contrast",
    "Sharpness": "sharpness",
    "Posterize": "posterize",
    "Solarize": "solarize",
    "AutoContrast": "autocontrast",
    "Equalize": "equalize",
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", WORDS)
def test_trivial_augment_is_torchvisions(name: str, channels: int) -> None:
    """Every strength and sign, as its own code applies it to a Pillow picture."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.autoaugment import TrivialAugmentWide, _apply_op

    pixels = photos(2, 64, channels)
    magnitudes, signed = TrivialAugmentWide()._augmentation_space(31)[name]
    for strength in magnitudes.flatten().tolist():
        for sign in (1, -1) if signed else (1,):
            ours = WORDS[name]
            amount = sign * strength
            if ours in ("brightness", "colour", "contrast", "sharpness"):
                amount += 1
            if ours.startswith("translate"):
                amount = int(amount)
            for i in range(2):
                theirs = array(_apply_op(pillow(pixels[i]), name, sign * strength, InterpolationMode.NEAREST, None)).astype(int)
                best = 1.0
                for way in (1, -1) if ours[:5] in ("shear", "trans") else (1,):  # which way a sign shows is chance's
                    apart = np.abs(done(ours, way * amount, pixels[i : i + 1])[0].numpy() - theirs)
                    best = min(best, float((apart > 1).any(2).mean()))
                # at 45 degrees and the like pixels lie between two
                assert best < 0.03, (strength, sign)


def test_trivial_augment_draws_torchvisions_space() -> None:
    from torchvision.transforms.autoaugment import TrivialAugmentWide

    drawn = draw(Augmentation(policy="trivial"), 60_000, (32, 32), True, seeded())
    for name, (magnitudes, signed) in TrivialAugmentWide()._augmentation_space(31).items():
        wanted = {round(float(value), 4) for value in magnitudes.flatten()}
        ours = WORDS[name]
        if ours.startswith("translate"):
            wanted = {float(int(value)) for value in wanted}
        if signed:
            wanted |= {-value for value in wanted}
        if ours in ("brightness", "colour", "contrast", "sharpness"):
            wanted = {round(1 + value, 4) for value in wanted}
        made = drawn.amounts[drawn.operations == NAMES.index(ours)]
        got = {round(value, 4) + 0.0 for value in made.tolist()}
        assert all(min(abs(value - other) for other in wanted) < 2e-4 for value in got), name
        assert all(min(abs(value - other) for other in got) < 2e-4 for value in wanted), name


@pytest.mark.parametrize("magnitude", [0.0, 3.0, 7.0, 9.0, 10.0])
def test_rand_augment_has_timms_amounts(magnitude: float) -> None:
    from timm.data.auto_augment import LEVEL_TO_ARG

    from netwright.training.engine.augment.policies import RAND, _rand_amounts

    theirs = {ours: name for name, ours in WORDS.items() if ours != "identity"} | {
        "invert": "Invert",
        "solarize_add": "SolarizeAdd",
    }
    suffix = {"TranslateX": "Rel", "TranslateY": "Rel"} | dict.fromkeys(
        ("Posterize", "Solarize", "Color", "Contrast", "Brightness", "Sharpness"), "Increasing"
    )
    for place, name in enumerate(RAND):
        function = LEVEL_TO_ARG[theirs[name] + suffix.get(theirs[name], "")]
        if function is None:
            continue
        seen = {round(function(magnitude, {"translate_pct": 0.45})[0], 6) for _ in range(60)}
        made = set()
        for sign in (1.0, -1.0):
            level, signs = torch.tensor([[magnitude / 10]], dtype=torch.float64), torch.tensor([[sign]], dtype=torch.float64)
            amount = float(_rand_amounts(RAND, torch.tensor([[place]]), level, signs, 100))
            made.add(round(amount / 100 if name.startswith("translate") else amount, 6) + 0.0)
        seen = {max(value, 1) if name == "posterize" else value for value in seen}
        assert made == seen, name
    names = {theirs[name] + suffix.get(theirs[name], "") for name in RAND}
    assert names == set(timm.data.auto_augment._RAND_INCREASING_TRANSFORMS)


def test_colours_agree_with_torchvisions_tensor_form() -> None:
    from torchvision.transforms import functional

    pixels = photos(3, 40)
    planes = pixels.permute(0, 3, 1, 2)
    for name, function in (("brightness", "adjust_brightness"), ("colour", "adjust_saturation"), ("contrast", "adjust_contrast")):
        theirs = getattr(functional, function)(planes, 1.4).permute(0, 2, 3, 1).int()
        assert (done(name, 1.4, pixels).int() - theirs).abs().max() <= 2
    kinds = torch.full((3,), NAMES.index("equalize"))
    ours = operate(pixels, kinds, torch.zeros(3, dtype=torch.float64), torch.zeros(3), False)
    assert torch.equal(ours, functional.equalize(planes).permute(0, 2, 3, 1))


def test_whole_pictures_look_as_torchvisions_transform_makes_them() -> None:
    from torchvision.transforms import functional

    pixels, n = photos(4, 80), 4
    drawn = draw(Augmentation(crop="resized"), n, (80, 64), True, seeded())
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x, _ = prepared(pixels, torch.zeros(n, dtype=torch.int64), drawn, Look(64, 3, torch.tensor(mean), torch.tensor(std)))
    for i, (top, left, height, width) in enumerate(drawn.boxes.tolist()):
        image = functional.resized_crop(pillow(pixels[i]), top, left, height, width, [64, 64])
        image = functional.hflip(image) if drawn.flips[i] else image
        theirs = functional.normalize(functional.to_tensor(image), mean, std)
        assert (x[i] - theirs).abs().max() < 1.01 / 255 / 0.224


# ---------------------------------------------------------------- targets, losses, drop-path


@pytest.mark.parametrize("kind", ["ce", "bce"])
def test_losses_are_timms(kind: Any) -> None:
    from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy

    logits = 3 * torch.randn(9, 11, generator=seeded(1))
    labels = torch.arange(9)
    ours = per_picture(logits, labels, Loss(kind=kind, label_smoothing=0.1)).mean()
    theirs = LabelSmoothingCrossEntropy(0.1) if kind == "ce" else BinaryCrossEntropy(0.1)
    assert torch.allclose(ours, theirs(logits, labels), atol=1e-6)
    soft = torch.rand(9, 11, generator=seeded(2)).softmax(1)
    other = SoftTargetCrossEntropy() if kind == "ce" else BinaryCrossEntropy()
    assert torch.allclose(per_picture(logits, soft, Loss(kind=kind, label_smoothing=0)).mean(), other(logits, soft), atol=1e-6)


@pytest.mark.parametrize("box", [None, (3, 4, 20, 30)])
def test_mixed_targets_cost_what_they_cost_timm(box: tuple[int, int, int, int] | None) -> None:
    """Of two pictures timm's neighbour, the batch from its end, is ours."""
    from timm.data.mixup import mixup_target
    from timm.loss import SoftTargetCrossEntropy

    share = 0.3 if box is None else 1 - 17 * 26 / 32**2
    labels = torch.tensor([2, 5])
    look = Look(32, 7, torch.full((3,), 0.5), torch.full((3,), 0.5))
    x, targets = prepared(photos(2, 32), labels, plain(2, mixing=Mixing(share, box)), look)
    smoothed = mixup_target(labels, 7, share, 0.1)
    logits = torch.randn(2, 7, generator=seeded(4))
    ours = per_picture(logits, targets, Loss(label_smoothing=0.1)).mean()
    assert torch.allclose(ours, SoftTargetCrossEntropy()(logits, smoothed), atol=1e-6)
    base, _ = prepared(photos(2, 32), labels, plain(2), look)
    if box is None:
        theirs = base * share + base.flip(0) * (1 - share)
    else:
        theirs = base.clone()
        theirs[:, :, 3:20, 4:30] = base.flip(0)[:, :, 3:20, 4:30]
    assert torch.allclose(x, theirs, atol=1e-6)


def test_drop_path_is_timms() -> None:
    branch, shortcut = torch.randn(64, 3, 4, 4), torch.randn(64, 3, 4, 4)
    torch.manual_seed(0)
    ours: Tensor = DropPath(0.4).train()(branch, shortcut)
    torch.manual_seed(0)
    assert torch.allclose(ours, shortcut + timm.layers.drop_path(branch, 0.4, True), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet50d", "seresnet18", "mobilenetv2_100", "efficientnet_b0", "regnety_016", "regnetx_002"]
)
def test_drop_path_stands_where_timm_has_it(name: str) -> None:
    """The same number of branches; timm gives its first ones rate 0, and leaves them out then, so its rate is turned around."""
    theirs = timm.create_model(name, drop_path_rate=0.2)
    blocks = [module for module in theirs.modules() if type(module).__name__ == "DropPath"]
    flat = nw.build(name, seed=0, device="meta")
    sites = drop_paths(flat, 0.2)
    first = 1 if name.startswith(("resnet", "seresnet", "regnet")) else 0  # whose very first block is residual and has rate 0
    if name.startswith(("mobilenet", "efficientnet")):  # timm counts blocks without a shortcut, which then drop nothing
        blocks = [m for m in theirs.modules() if getattr(m, "has_skip", False) and type(m.drop_path).__name__ == "DropPath"]
    assert sites == len(blocks) + first


def test_the_oracles_are_the_versions_meant() -> None:
    assert torchvision.__version__.startswith("0.")
    assert timm.__version__.startswith("1.")
