"""Which output of a network stands for which class of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netwright.data import Source
from netwright.data.imagenet import imagenet_classes, imagenet_wnids
from netwright.errors import NetwrightError, did_you_mean

OUTPUTS = 1000  # of a network for ImageNet


def named(classes: tuple[str, ...] | None, count: int) -> tuple[str, ...]:
    """The names of `count` outputs: those that came with the weights, ImageNet's for a thousand, else their numbers."""
    if classes is not None and len(classes) == count:
        return classes
    return imagenet_classes() if count == OUTPUTS else tuple(map(str, range(count)))


def matched(outputs: tuple[str, ...], source: Source) -> NDArray[np.int64]:
    """The place among the outputs of each class of a source.

    Classes are matched by name; ImageNet's also by WordNet number; those of a table of indices are places
    themselves. Raises NetwrightError for a class that the network does not know.
    """
    classes = source.classes
    if source.indexed:
        known = {str(i): i for i in range(len(outputs))}
    else:
        known = {name: i for i, name in enumerate(outputs)}
        if len(outputs) == OUTPUTS:
            known |= {wnid: i for i, wnid in enumerate(imagenet_wnids())}
    unknown = [name for name in classes if name not in known]
    if unknown:
        what = f"{source.name} has a class {unknown[0]!r} that the network was not trained on"
        raise NetwrightError(
            what + (did_you_mean(unknown[0], known) or f": it has {len(outputs)} classes, such as {outputs[0]!r}")
        )
    return np.array([known[name] for name in classes])


def unnamed(outputs: tuple[str, ...]) -> bool:
    """Whether outputs have numbers for names."""
    return outputs == tuple(map(str, range(len(outputs))))
