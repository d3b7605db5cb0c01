"""A slice through a real network's loss: two directions in the space of its weights, and what such a picture leaves out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netwright.errors import NetwrightError
from netwright.graph import Design
from netwright.lab.methods import Method
from netwright.progress import Progress
from netwright.runtime import build
from netwright.zoo.resnet import CifarResNet

Array = NDArray[np.float64]
NETWORK = CifarResNet(depth=1, width=8, resolution=8)  # eight layers; digits are of 8 px


@dataclass(frozen=True)
class Slice:
    """Losses `losses[row, column]` at origin + xs[column] d1 + ys[row] d2 of a network's weights.

    `path` are the training's points projected into the plane (empty for random directions), `path_losses` the losses measured at
    the points themselves and `plane_losses` those at the projections: how far the plane is from what happened.
    `fit_error` is the root mean square difference between the losses and the best quadratic over the plane, `fit_worst` the
    largest.
    """

    kind: str
    network: str
    parameters: int
    examples: int
    training: str
    xs: Array
    ys: Array
    losses: Array
    path: tuple[tuple[float, float], ...]
    path_losses: tuple[float, ...]
    plane_losses: tuple[float, ...]
    fit_error: float
    fit_worst: float

    @property
    def path_error(self) -> float:
        """The largest difference between the loss at a projection and the loss at the point itself; NaN without a path."""
        pairs = zip(self.path_losses, self.plane_losses, strict=True)
        return max((abs(true - flat) for true, flat in pairs), default=math.nan)

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        told = {name: getattr(self, name) for name in ("kind", "network", "parameters", "examples", "training")}
        errors = {"fit_rms_error": self.fit_error, "fit_largest_error": self.fit_worst}
        path = {"path": self.path, "path_losses": self.path_losses, "plane_losses": self.plane_losses}
        return {**told, **errors, **path, "xs": self.xs.tolist(), "ys": self.ys.tolist(), "losses": self.losses.tolist()}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each point of the grid: `x`, `y`, `loss`."""
        return [
            {"x": float(x), "y": float(y), "loss": float(loss)}
            for y, line in zip(self.ys, self.losses, strict=True)
            for x, loss in zip(self.xs, line, strict=True)
        ]


@dataclass(frozen=True)
class Trained:
    """A network after a short training on the digits, with its weights after each step (all its learned numbers in "
    "one vector)."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    points: Tensor  # (steps + 1, numbers)
    told: str

    @torch.no_grad()
    def loss(self, point: Tensor) -> float:
        """Cross-entropy over all examples with these weights; norms use their running statistics, as in inference."""
        nn.utils.vector_to_parameters(point, self.model.parameters())
        return float(nn.functional.cross_entropy(self.model(self.images), self.labels))


def train_digits(
    design: Design = NETWORK,
    method: str | Method = "momentum",
    *,
    steps: int = 60,
    examples: int = 256,
    batch: int = 64,
    seed: int = 0,
) -> Trained:
    """Train a network of one input channel for a few steps on the first embedded digits.

    The norms' running statistics are measured at the end of the training and held from there on, so that a point in the space of
    weights has one loss. Raises NetwrightError for counts below 1.
    """
    if min(steps, examples, batch) < 1:
        raise NetwrightError(f"expected at least one step, example and batch, not {steps}, {examples} and {batch}")
    method = method if isinstance(method, Method) else Method(method, {"lr": 0.1})
    images, labels = _digits(examples)
    model = build(design, channels=1, classes=10, seed=seed)
    optimizer: Any = method.make_groups([{"params": list(model.parameters())}])
    generator = torch.Generator().manual_seed(seed)
    points = [_vector(list(model.parameters()))]
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch,), generator=generator)

        def closure(chosen: Tensor = chosen) -> Tensor:
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            if not method.second_order:
                loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.zero_grad()
        optimizer.step(closure)
        points.append(_vector([p for group in optimizer.iterates() for p in group]))
    nn.utils.vector_to_parameters(points[-1], model.parameters())
    _settle(model, images)
    told = f"{method}, {steps} steps of {batch} digits, seed {seed}"
    return Trained(model, images, labels, torch.stack(points), told)


def random_slice(
    trained: Trained, *, reach: float = 1.0, resolution: int = 21, seed: int = 0, progress: Progress | None = None
) -> Slice:
    """The plane of two random directions around the end of a training, each filter of them as long as the network's own.

    Filter normalisation (Li et al. 2018, arXiv:1712.09913): directions are Gaussian, scaled filter by filter to the weights'
    norm; biases and norms' parameters are held. `reach` is how far the grid goes, in those lengths.
    """
    generator = torch.Generator().manual_seed(seed)
    nn.utils.vector_to_parameters(trained.points[-1], trained.model.parameters())
    first, second = (filter_normalised(list(trained.model.parameters()), generator) for _ in range(2))
    axis = np.linspace(-reach, reach, resolution)
    return _slice("random directions", trained, trained.points[-1], (first, second), (axis, axis), progress)


def training_slice(trained: Trained, *, resolution: int = 21, progress: Progress | None = None) -> Slice:
    """The plane through the start and the end of a training that holds most of the way between them.

    The first direction leads from the start (0, 0) to the end (1, 0); the second is orthogonal to it, the first principal
    direction of what the path leaves of the line, as long as the first. Raises NetwrightError for a training that ended where
    it began.
    """
    start, end = trained.points[0], trained.points[-1]
    first = end - start
    length = first.norm()
    if float(length) == 0:
        raise NetwrightError("the training ended where it began: there is no plane through start and end")
    away = trained.points - start
    rest = away - (away @ first / length**2)[:, None] * first
    second = torch.linalg.svd(rest, full_matrices=False).Vh[0] * length
    basis = torch.stack((first, second))
    path = ((trained.points - start) @ basis.T / length**2).numpy().astype(float)
    xs, ys = (_axis(path[:, i], resolution) for i in range(2))
    made = _slice("the plane of a training", trained, start, (first, second), (xs, ys), progress)
    true = [trained.loss(point) for point in trained.points]
    flat = [trained.loss(start + float(x) * first + float(y) * second) for x, y in path]
    return replace(made, path=tuple((float(x), float(y)) for x, y in path), path_losses=tuple(true), plane_losses=tuple(flat))


def _axis(values: Array, resolution: int) -> Array:
    middle, half = float(values.max() + values.min()) / 2, float(values.max() - values.min()) / 2
    half = max(1.4 * half, 0.5)
    return np.linspace(middle - half, middle + half, resolution)


def filter_normalised(weights: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    """A random direction, each filter of it as long as that of the weights; zero for tensors of fewer than two dimensions."""
    parts = []
    for weight in weights:
        drawn = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        if weight.dim() < 2:
            parts.append(torch.zeros_like(drawn).reshape(-1))
            continue
        rows, own = drawn.flatten(1), weight.detach().flatten(1)
        parts.append((rows * (own.norm(dim=1, keepdim=True) / rows.norm(dim=1, keepdim=True))).reshape(-1))
    return torch.cat(parts)


def _slice(
    kind: str,
    trained: Trained,
    origin: Tensor,
    directions: tuple[Tensor, Tensor],
    axes: tuple[Array, Array],
    progress: Progress | None,
) -> Slice:
    xs, ys = axes
    losses = np.empty((len(ys), len(xs)))
    with (progress or Progress(quiet=True)).bar(f"loss over {kind}") as step:
        for row, y in enumerate(ys):
            step(row, len(ys), "")
            for column, x in enumerate(xs):
                losses[row, column] = trained.loss(origin + float(x) * directions[0] + float(y) * directions[1])
        step(len(ys), len(ys), "")
    residual = losses - quadratic_fit(xs, ys, losses)
    told = f"{sum(1 for m in trained.model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))} layers with weights"
    error, worst = float(np.sqrt((residual**2).mean())), float(np.abs(residual).max())
    count = trained.points.shape[1]
    return Slice(kind, told, count, len(trained.labels), trained.told, xs, ys, losses, (), (), (), error, worst)


def quadratic_fit(xs: Array, ys: Array, losses: Array) -> Array:
    """The quadratic in x and y nearest to the losses (least squares), on their grid."""
    x, y = np.meshgrid(xs, ys)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    solution = np.linalg.lstsq(terms, losses.reshape(-1), rcond=None)[0]
    fitted: Array = (terms @ solution).reshape(losses.shape)
    return fitted


def _digits(count: int) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    count = min(count, len(digits.target))
    images = torch.tensor(digits.images[:count] / 8 - 1, dtype=torch.float32)[:, None]
    return images, torch.tensor(digits.target[:count])


def _vector(tensors: list[Tensor]) -> Tensor:
    return nn.utils.parameters_to_vector(tensors).detach().clone()


@torch.no_grad()
def _settle(model: nn.Module, images: Tensor) -> None:
    """The norms' running statistics over all images, at the weights as they are."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean
    model.train()
    model(images)
    model.eval()
