"""Many runs for watching: where they were and what loss they had, without states and formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from netwright.lab.landscapes import Landscape, Point
from netwright.lab.many import bound_of, can_share, starts_walked
from netwright.lab.methods import Method
from netwright.lab.trajectory import Walk
from netwright.progress import Step

_GOLDEN = math.pi * (3 - math.sqrt(5))  # radians


@dataclass(frozen=True)
class Track:
    """What `run` gives of one start, but for states and formulas: places (n, 2), losses (n), evaluations (n), how it ended."""

    places: NDArray[np.float64]
    losses: NDArray[np.float64]
    evaluations: NDArray[np.int64]
    ended: str


def tracks(
    landscape: Landscape,
    method: Method,
    starts: Sequence[Point],
    *,
    budget: int,
    seed: int = 0,
    noise: float = 0.0,
    step: Step | None = None,
) -> tuple[Track, ...]:
    """The tracks of one method from several starts, all with the same noise and mini-batches.

    Elementwise methods walk all at once, which costs little more than one; others one by one, and `step` is told how many are
    done. Raises NetwrightError as `run` does.
    """
    Walk(landscape, method, starts[0], budget, seed, noise)  # refuses what a run refuses
    if can_share(method):
        walked = starts_walked(landscape, method, torch.tensor(starts, dtype=torch.float64), budget, seed, noise)
        return _cut(landscape, torch.stack(list(walked)))
    made = []
    for number, start in enumerate(starts, 1):
        made.append(_alone(Walk(landscape, method, start, budget, seed, noise)))
        if step is not None:
            step(number, len(starts), method.name)
    return tuple(made)


def _cut(landscape: Landscape, walked: torch.Tensor) -> tuple[Track, ...]:
    """Tracks of the iterates (step, start, 2), each up to where it diverged."""
    losses = landscape(walked).numpy()
    made = []
    for i in range(walked.shape[1]):
        stray = np.flatnonzero(~(np.abs(losses[1:, i]) <= bound_of(float(losses[0, i]))))
        end = int(stray[0]) + 2 if len(stray) else len(losses)
        places = np.asarray(walked[:end, i].numpy())
        made.append(Track(places, losses[:end, i], np.arange(end), "diverged" if len(stray) else "budget"))
    return tuple(made)


def _alone(walk: Walk) -> Track:
    taken = list(walk)
    places = np.array([place for _, place, _, _ in taken])
    losses = walk.landscape(torch.from_numpy(places)).numpy()
    return Track(places, losses, np.array([used for used, _, _, _ in taken]), walk.ended)


def around(start: Point, count: int, radius: float) -> tuple[Point, ...]:
    """`count` starts spread evenly over a disk, like the seeds of a sunflower (Vogel 1979); the first is its centre.

    >>> around((1.0, 2.0), 1, 0.5)
    ((1.0, 2.0),)
    """
    spread = [(radius * math.sqrt(k / max(count - 1, 1)), k * _GOLDEN) for k in range(count)]
    return tuple((start[0] + far * math.cos(angle), start[1] + far * math.sin(angle)) for far, angle in spread)
