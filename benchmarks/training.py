"""Images per second of a training, and the accuracy it gives: netwright beside the loop a user would write around timm, in turns.

    PYTHONPATH=.venv/peers python benchmarks/training.py DATA --network resnet18 --image 32 [--pictures N ... --out FILE]

DATA is a folder with train/ and val/ or test/, of class folders. Both train the same network from scratch with SGD (Nesterov),
the same learning rates, batch, label smoothing and augmentation (random resized crops of .35 to 1 of the area, below 64 px shifts
over zeros; mirrored), in fp32 or as --precision auto chooses. The peer: timm.create_model, timm's transforms, torch's DataLoader
with --workers processes, torch.optim.SGD.
Netwright: its own loop, with pictures from its cache. Each round trains both, with a seed of its own; images per second are those
of the epochs, without setting up (stated apart) and evaluation. On a GPU both use bf16, and the peer channels last.
`make compat` puts timm and torchvision into `.venv/peers`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peers import timm, transforms
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import netwright as nw
from netwright.costing.profiles import describe_processor
from netwright.data import Listing, Source, open_source
from netwright.graph import trace
from netwright.training import Machine, Recipe, Session, evaluate_model
from netwright.training.engine.batches import Task
from netwright.training.engine.choosing import choose
from netwright.training.engine.loop import Training
from netwright.training.engine.rates import learning_rate
from netwright.training.machine import device_of
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Augmentation, Optimizing, Schedule
from netwright.training.train import Job


@dataclass(frozen=True)
class Told:
    """What one training gave: seconds of its epochs, of setting up, and the share of held-out pictures that were right."""

    images_per_second: float
    setup: float
    accuracy: float


class Files(Dataset[Any]):
    """Pictures as a user of timm reads them."""

    def __init__(self, source: Source, listing: Listing, transform: Any) -> None:
        self.root, self.listing, self.transform = Path(source.name), listing, transform

    def __len__(self) -> int:
        return len(self.listing)

    def __getitem__(self, i: int) -> Any:
        with Image.open(self.root / self.listing.names[i]) as picture:
            return self.transform(picture.convert("RGB")), int(self.listing.labels[i])


def peer(options: argparse.Namespace, plan: Plan, recipe: Recipe, seed: int) -> Told:
    """The plain loop."""
    begun = time.perf_counter()
    device = device_of(Machine())
    on_gpu = device.type == "cuda"
    torch.manual_seed(seed)
    model = timm.create_model(options.network, num_classes=len(plan.source.classes)).to(device)
    if on_gpu:
        model.to(memory_format=torch.channels_last)
    shown = _peers_transform(plan.image, recipe)
    loader = DataLoader(
        Files(plan.source, plan.data.train, shown),
        recipe.batch,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        pin_memory=on_gpu,
    )
    optimizer = _peers_optimizer(model, recipe)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=recipe.loss.label_smoothing)
    setup, seconds, seen = time.perf_counter() - begun, 0.0, 0
    for epoch in range(recipe.epochs):
        model.train()
        begun = time.perf_counter()
        for step, (x, y) in enumerate(loader):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, epoch + (step + 0.5) / len(loader))
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
                loss = criterion(model(x.to(memory_format=torch.channels_last) if on_gpu else x), y)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optimizer.clip_norm)
            optimizer.step()
            seen += len(x)
        if on_gpu:
            torch.cuda.synchronize()
        seconds += time.perf_counter() - begun
    return Told(seen / seconds, setup, _peers_accuracy(model, plan, device))


def _peers_transform(image: int, recipe: Recipe) -> Any:
    """What the recipe does to pictures: below 64 px a shift over zeros, else crops of a random size."""
    if recipe.augment.cropped(image) != "pad":
        return timm.data.create_transform(image, is_training=True, scale=(0.35, 1.0), color_jitter=0.0, interpolation="bilinear")
    whole = timm.data.create_transform(image, is_training=False, crop_pct=1.0, interpolation="bicubic")
    moved = [transforms.RandomCrop(image, padding=image // 8), transforms.RandomHorizontalFlip()]
    return transforms.Compose([*whole.transforms[:2], *moved, *whole.transforms[2:]])


def _peers_optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.optimizer.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)  # the rate is set before each step


def _peers_accuracy(model: torch.nn.Module, plan: Plan, device: torch.device) -> float:
    shown = timm.data.create_transform(plan.image, is_training=False, crop_pct=1.0, interpolation="bicubic")
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in DataLoader(Files(plan.source, plan.data.test, shown), 256):
            right += int((model(x.to(device)).argmax(1).cpu() == y).sum())
    return right / len(plan.data.test)


def ours(options: argparse.Namespace, plan: Plan, recipe: Recipe, seed: int, cache: Path) -> tuple[Told, Machine]:
    """Netwright's loop."""
    begun = time.perf_counter()
    job = Job(plan, recipe, Machine(precision=options.precision, layout="auto", compiled="no"), cache)
    pictures = job.pictures(plan.data.train, plan.stored(recipe.augment), skip_bad=False)
    held_out = job.pictures(plan.data.test, plan.shown, skip_bad=False)
    task = Task(pictures, plan.normalize(pictures), plan.image, plan.source.mirror, len(plan.source.classes))
    design = nw.network(options.network, classes=task.classes)
    model = nw.build(design, plan.image, seed=seed)
    machine, _ = choose(model, trace(design, plan.image), task, recipe, job.machine, job.device, print)
    training = Training(model, task, recipe, Session(machine, job.device, seed))
    setup = time.perf_counter() - begun
    history = training.run()
    pace = training.steps * recipe.batch * recipe.epochs / sum(epoch.seconds for epoch in history)
    pace *= len(pictures) / (training.steps * recipe.batch)
    return Told(pace, setup, evaluate_model(model, held_out, task.normalize).accuracy), machine


def measured(options: argparse.Namespace) -> list[str]:
    """The table, as lines of Markdown."""
    source = open_source(options.data)
    plan = Plan.of(source, options.image, 0)
    if options.pictures:
        every = len(plan.data.train) // options.pictures
        import numpy as np

        some = plan.data.train.take(np.arange(0, len(plan.data.train), every)[: options.pictures])
        plan = Plan(source, type(plan.data)(source, some, plan.data.test), plan.image, 0)
    recipe = Recipe(
        epochs=options.epochs,
        batch=options.batch,
        optimizer=Optimizing(lr=options.lr),
        schedule=Schedule(warmup_epochs=1.0),
        augment=Augmentation(area_least=0.35),
    )
    theirs, mine, machine = [], [], Machine()
    with tempfile.TemporaryDirectory() as cache:
        for seed in range(options.rounds):
            theirs.append(peer(options, plan, recipe, seed))
            told, machine = ours(options, plan, recipe, seed, Path(cache))
            mine.append(told)
            print(f"round {seed}: timm {theirs[-1]}, netwright {told}", flush=True)
    rows = [("timm, torch.optim, DataLoader", theirs), (f"netwright ({machine.precision}, {machine.layout})", mine)]
    ratios = [own.images_per_second / other.images_per_second for own, other in zip(mine, theirs, strict=True)]
    lines = [
        f"| {options.network} at {options.image} px, batch {options.batch} | images/s | before the first step, s | accuracy, % |",
        "|---|---:|---:|---:|",
    ]
    for name, rounds in rows:
        pace = statistics.median(one.images_per_second for one in rounds)
        each = ", ".join(f"{100 * one.accuracy:.1f}" for one in rounds)
        mean = 100 * statistics.mean(one.accuracy for one in rounds)
        lines.append(f"| {name} | {pace:,.0f} | {statistics.median(one.setup for one in rounds):.1f} | {mean:.1f} ({each}) |")
    spread = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return [*lines, "", f"Images per second, netwright over timm: {statistics.median(ratios):.2f} (rounds: {spread})."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--image", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = measured(options)
    words = " ".join(f"--{key} {value}" for key, value in vars(options).items() if key not in ("data", "out"))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    waits = os.environ.get("OMP_WAIT_POLICY", "unset")
    command = f"`python benchmarks/training.py {Path(options.data).name} {words}`"
    machine = f"{describe_processor()}, {torch.get_num_threads()} threads{gpu} (OMP_WAIT_POLICY {waits})"
    versions = f"torch {torch.__version__}, timm {version('timm')}, Python {platform.python_version()}"
    lines += ["", f"{command}; {machine}; {versions}.", ""]
    print("\n".join(lines))
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
