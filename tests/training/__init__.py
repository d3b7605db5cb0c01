"""What the tests of training share."""

from __future__ import annotations

import numpy as np
import torch

import netwright as nw
from netwright.data import open_source
from netwright.preprocessing import whole
from netwright.training import Epoch
from netwright.training.engine.batches import Task
from netwright.training.normalize import Normalize

NET = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=10, resolution=8)


def digits_task(most: int | None = None) -> Task:
    """The embedded digits, or some of the training pictures, to learn from."""
    source = open_source("digits")
    data = source.split(seed=0)
    first = data.train.take(np.arange(most)) if most else data.train
    train, test = source.read(first, whole(8), None), source.read(data.test, whole(8), None)
    return Task(train, Normalize.of(train.pixels), 8, False, 10, test)


def timeless(history: list[Epoch]) -> list[tuple[object, ...]]:
    """A curve without the seconds."""
    return [(e.epoch, e.loss, e.accuracy, e.validation) for e in history]


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two modules have the same bits."""
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
