"""Recipes with a name: published ones, with their source and every deviation from it, and three of netwright's own."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from netwright.training.recipes.recipe import (
    Augmentation,
    Averaging,
    Loss,
    Optimizing,
    Recipe,
    Regularization,
    Resizing,
    Schedule,
)

NOT_MEASURED = "not measured here"
KEPT = "; crops are cut from pictures kept at 1.25 times the size (there: from the files)"


@dataclass(frozen=True)
class Preset:
    """A recipe with what it is for, where its numbers come from, and what it was seen to cost and to give.

    `command` is a whole one; `deviations` are those from the `source`. `cost` and `result` say who measured them.
    """

    recipe: Recipe
    for_what: str
    source: str
    deviations: str
    command: str
    cost: str
    result: str


QUICK = Preset(
    Recipe(
        epochs=16,
        batch=64,
        optimizer=Optimizing(name="nesterov", lr=0.2, lr_batch=128, weight_decay=5e-4, clip_norm=5.0),
        schedule=Schedule(kind="linear", warmup_epochs=2),
        resize=Resizing(start=160 / 192, until=13 / 16),
    ),
    for_what="a first answer from your own pictures within minutes",
    source="ffcv-imagenet, rn50_16_epochs.yaml: 16 epochs, up for 2 and down in a line, images of 5/6 of the size growing to "
    "all of it by epoch 13, label smoothing .1",
    deviations="learning rate .2 for 128 pictures and weight decay 5e-4, netwright's defaults for small sets (ffcv: 1.7 for "
    "4,096 and 1e-4); images grow all the way to epoch 13 (ffcv: from epoch 11); Nesterov's momentum; no blur pooling",
    command="netwright train regnetx_002 photos/ --image 96 --recipe quick -o run",
    cost="16 epochs; RegNetX-200MF at 96 px on 2,000 photographs: 3 min 32 s on one core of an AMD EPYC",
    result="RegNetX-200MF from scratch on Imagenette's 2,000: 54.8 % (95 % interval 49.9 to 59.6 %; one seed); ffcv: 73.8 % "
    "(ResNet-50 on ImageNet, 15 min on 8 A100)",
)

FINETUNE = Preset(
    Recipe(
        epochs=15,
        batch=64,
        optimizer=Optimizing(name="momentum", lr=0.01, lr_batch=256, weight_decay=1e-4, clip_norm=5.0),
        schedule=Schedule(kind="cosine", warmup_epochs=1),
        augment=Augmentation(area_least=0.35),
    ),
    for_what="starting from trained weights (--weights)",
    source="Li et al. 2020 (Rethinking the hyperparameters for fine-tuning), the usual setting: SGD with momentum .9, "
    "learning rate .01 for 256 pictures, weight decay 1e-4",
    deviations="15 epochs of half a cosine after one of warm-up (there: 300, in steps); label smoothing .1; crops of at least "
    ".35 of the area (there: .08); clipping at 5",
    command="netwright train resnet50 photos/ --weights timm/resnet50.a1_in1k --recipe finetune -o tuned",
    cost="15 epochs; SqueezeNet 1.1 at 160 px on 2,000 photographs: 24 s an epoch on 2 cores",
    result="SqueezeNet 1.1 after 2 epochs of Imagenette's 2,000: 87.5 % (95 % interval 83.9 to 90.4 %); from scratch 10.0 %",
)

REGNET = Preset(
    Recipe(
        epochs=100,
        batch=1024,
        optimizer=Optimizing(name="nesterov", lr=0.1, lr_batch=128, weight_decay=5e-5, clip_norm=0.0),
        schedule=Schedule(kind="cosine", warmup_epochs=5),
        augment=Augmentation(crop="resized", area_least=0.08),
        loss=Loss(label_smoothing=0.0),
    ),
    for_what="comparing networks on ImageNet as the RegNet paper does: no enhancements",
    source="Radosavovic et al. 2020; pycls, configs/dds_baselines (RegNetX-400MF: 100 epochs, 0.8 for 1,024 pictures, weight "
    "decay 5e-5, 5 epochs of warm-up)",
    deviations="no PCA lighting noise; norms and biases are not decayed; the warm-up starts at 0 (pycls: a tenth); tested on the "
    "whole picture at 224 px (pycls: 256, centre 224)" + KEPT,
    command="netwright train regnetx_004 imagenet/ --image 224 --recipe regnet --precision auto -o regnetx_004",
    cost=f"100 epochs; pycls: 3.9 h on 8 V100 for RegNetX-400MF; {NOT_MEASURED}",
    result=f"pycls: 72.7 % (RegNetX-400MF, mean of 5); {NOT_MEASURED}",
)

A2 = Preset(
    Recipe(
        epochs=300,
        batch=2040,
        optimizer=Optimizing(name="lamb", lr=5e-3, lr_batch=2048, weight_decay=0.02, clip_norm=1.0),
        schedule=Schedule(kind="cosine", warmup_epochs=5),
        augment=Augmentation(
            crop="resized", area_least=0.08, policy="rand", magnitude=7, operations=2, mixup=0.1, cutmix=1.0, repeats=3
        ),
        loss=Loss(kind="bce", label_smoothing=0.0),
        regularize=Regularization(drop_path=0.05),
    ),
    for_what="the most of a ResNet on ImageNet in 300 epochs",
    source="Wightman et al. 2021 (ResNet strikes back), procedure A2 of timm",
    deviations="batch 2,040, a multiple of the 3 repeats (there: 2,048), with the learning rate in proportion; labels of mixed "
    "pictures keep their shares (there: 1 for each class); tested on the whole picture at 224 px (there: 236, centre "
    "224)" + KEPT,
    command="netwright train resnet50 imagenet/ --image 224 --recipe a2 --precision auto -o a2",
    cost=f"300 epochs; {NOT_MEASURED}",
    result=f"paper: 79.8 % (ResNet-50); {NOT_MEASURED}",
)

TORCHVISION_V2 = Preset(
    Recipe(
        epochs=600,
        batch=1024,
        optimizer=Optimizing(name="momentum", lr=0.5, lr_batch=1024, weight_decay=2e-5, clip_norm=0.0),
        schedule=Schedule(kind="cosine", warmup_epochs=5),
        augment=Augmentation(crop="resized", area_least=0.08, policy="trivial", erasing=0.1, mixup=0.2, cutmix=1.0, repeats=4),
        loss=Loss(label_smoothing=0.1),
        ema=Averaging(decay=0.999966),
    ),
    for_what="the most of a network on ImageNet, however long it takes",
    source="torchvision's new training recipe (vision issue 3995, weights IMAGENET1K_V2)",
    deviations="the average moves at every step, by as much in 32 of them as torchvision's every 32 (.99998, scaled by its "
    "trainer to .9989); the warm-up starts at 0 (there: a hundredth); biases are not decayed either; tested at the "
    "size trained with, 176 px (there: 232, centre 224)" + KEPT,
    command="netwright train resnet50 imagenet/ --image 176 --recipe torchvision_v2 --precision auto -o v2",
    cost=f"600 epochs; {NOT_MEASURED}",
    result=f"torchvision: 80.9 % (ResNet-50, tested at 224 px); {NOT_MEASURED}",
)

CIFAR = Preset(
    Recipe(
        epochs=200,
        batch=128,
        optimizer=Optimizing(name="nesterov", lr=0.1, lr_batch=128, weight_decay=5e-4, clip_norm=5.0),
        schedule=Schedule(kind="cosine", warmup_epochs=0),
        augment=Augmentation(crop="pad", policy="trivial", erasing=0.5),
        loss=Loss(label_smoothing=0.0),
    ),
    for_what="CIFAR-10 and other small pictures, from scratch, on a GPU",
    source="Müller & Hutter 2021 (TrivialAugment), wresnet28x10_cifar10_b128_maxlr.1_..._nowarmup_200epochs.yaml: the "
    "training of Wide ResNet (Zagoruyko & Komodakis 2016) with a cosine, pad-crop, flip, TrivialAugment Wide and "
    "cutout of 16 px",
    deviations="random erasing in half of the pictures (Zhong et al. 2020) where cutout blanks a box of 16 px in each; norms and "
    "biases are not decayed",
    command="netwright train wrn_28_10 cifar10/ --recipe cifar --precision auto --seeds 5 -o cifar",
    cost=f"200 epochs; {NOT_MEASURED}",
    result=f"paper: 97.5 % (WRN-28-10); {NOT_MEASURED}",
)

SMALL = Preset(
    Recipe(
        epochs=8,
        batch=128,
        optimizer=Optimizing(name="nesterov", lr=0.2, lr_batch=128, weight_decay=5e-4, clip_norm=5.0),
        schedule=Schedule(kind="linear", warmup_epochs=1),
        augment=Augmentation(crop="none"),
        resize=Resizing(start=0.7, until=0.5, multiple=4),
    ),
    for_what="pictures of about 30 px that fill their frame, on a processor, within ten minutes",
    source="netwright's own, for Fashion-MNIST: few epochs, the first half of them on smaller images, and no crops",
    deviations="none",
    command="netwright train examples/small_pictures.py:net fashion-mnist/ --recipe small --set augment.flip=yes -o run",
    cost="8 epochs; Fashion-MNIST: 9 min 45 s in all on 2 cores of an AMD EPYC (AVX2)",
    result="Fashion-MNIST, test: 93.4 % (95 % interval 92.9 to 93.9 %; one seed; 15.3 M macs, 324,946 params)",
)

PRESETS: dict[str, Preset] = {
    "quick": QUICK,
    "small": SMALL,
    "finetune": FINETUNE,
    "regnet": REGNET,
    "a2": A2,
    "torchvision_v2": TORCHVISION_V2,
    "cifar": CIFAR,
}


def presets_json() -> list[dict[str, object]]:
    """All presets as plain values, for programs."""
    told = ("for_what", "source", "deviations", "command", "cost", "result")
    return [{"name": name} | {word: getattr(preset, word) for word in told} for name, preset in PRESETS.items()]


def presets_text() -> str:
    """All presets as text: what each is for, its command, cost and result."""
    lines = []
    for name, preset in PRESETS.items():
        lines.append(f"{name}: {preset.for_what}")
        for word in ("command", "cost", "result", "source", "deviations"):
            lines.append(f"    {word + ':':<12}{getattr(preset, word)}")
    return "\n".join(lines)


def presets_markdown() -> str:
    """The presets' part of docs/training.md."""
    lines = ["| preset | for | cost | result |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {preset.for_what} | {preset.cost} | {preset.result} |" for name, preset in PRESETS.items()]
    lines.append("")
    for name, preset in PRESETS.items():
        lines.append(f"- `{name}`: `{preset.command}`")
        told = f"From {preset.source}. Deviations: {preset.deviations}."
        lines += textwrap.wrap(told, 136, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"
