"""Whole training steps as CUDA graphs: captured once for each shape of a batch, then repeated without Python between kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from netwright.errors import NetwrightError
from netwright.training.engine.batches import Batch
from netwright.training.engine.step import Stepper

WARM = 3  # steps of a shape that run as usual first: libraries and the optimizer set themselves up
MOST = 6  # graphs that are kept: epochs have batches of two sizes, growing images more

Key = tuple[object, ...]


@dataclass(frozen=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    batch: Batch  # whose tensors are written anew before each repetition


class Graphs:
    """A stepper whose steps are captured. What cannot be captured runs as before, and `say` is told why, once."""

    def __init__(self, stepper: Stepper, say: Callable[[str], None]) -> None:
        self.stepper, self.say = stepper, say
        self.seen: dict[Key, int] = {}
        self.graphs: dict[Key, _Graph] = {}
        self.refused = False

    def __call__(self, batch: Batch, lr: float, number: int, seed: int) -> None:
        """As `Stepper`'s."""
        key: Key = (self.stepper.micro_batch, *((t.shape, t.dtype, t.stride()) for t in _tensors(batch)))
        self.stepper.prepare(lr, number, seed)
        graph = self.graphs.get(key)
        if graph is None and self.seen.get(key, 0) >= WARM and not self.refused:
            graph = self._captured(key, batch)
        if graph is None:
            self.seen[key] = self.seen.get(key, 0) + 1
            self.stepper.compute(batch)
            return
        for held, new in zip(_tensors(graph.batch), _tensors(batch), strict=True):
            held.copy_(new, non_blocking=True)
        graph.graph.replay()

    def _captured(self, key: Key, batch: Batch) -> _Graph | None:
        """The graph of a step on batches of this shape; capturing computes nothing."""
        x, targets, labels, share = (tensor.clone() for tensor in _tensors(batch))
        held = Batch(x, targets, labels, share, batch.largest)
        graph = torch.cuda.CUDAGraph()
        try:
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # pictures are fetched by another
                self.stepper.compute(held)
        except (NetwrightError, RuntimeError) as error:
            self.refused = True
            self.say(f"steps are not captured as CUDA graphs: {str(error).splitlines()[0]}")
            return None
        while len(self.graphs) >= MOST:
            self.graphs.pop(next(iter(self.graphs)))
        self.graphs[key] = _Graph(graph, held)
        return self.graphs[key]


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.x, batch.targets, batch.labels, batch.share]
