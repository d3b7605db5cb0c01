"""Many pictures, decoded side by side, the bad ones collected; what all sources of files share."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from netwright.data.listings import Listing, Step
from netwright.data.pictures import BadPictureError, unwarned
from netwright.errors import NetwrightError

T = TypeVar("T")
AHEAD = 8  # pictures that wait for each thread


def read_many(
    one: Callable[[int], T],
    indices: Sequence[int],
    keep: Callable[[int, T], None],
    threads: int,
    step: Step | None = None,
) -> dict[int, BadPictureError]:
    """Decode pictures in threads and hand each to `keep` in the caller's thread, in order; returns the bad ones by index.

    What `keep` raises ends it.
    """
    bad: dict[int, BadPictureError] = {}
    with unwarned(), ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, Future[T]]] = deque()
        left: Iterable[int] = iter(indices)
        try:
            for done in range(1, len(indices) + 1):
                for i in itertools.islice(left, AHEAD * threads - len(waiting)):
                    waiting.append((i, pool.submit(one, i)))
                i, future = waiting.popleft()
                try:
                    keep(i, future.result())
                except BadPictureError as error:
                    bad[i] = error
                if step is not None:
                    step(done, len(indices))
        finally:
            pool.shutdown(cancel_futures=True)
    return bad


def refuse_bad(bad: dict[int, BadPictureError]) -> None:
    """Raise BadPictureError where there are some, which names the first and counts the others."""
    if bad:
        more = f", and {len(bad) - 1:,} more such files" if len(bad) > 1 else ""
        raise BadPictureError(f"{next(iter(bad.values()))}{more}: mend or remove it")


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raise NetwrightError for a name that is no text."""
    for name in names:
        if not name.isprintable() or "\udc80" <= max(name) <= "\udcff":
            raise NetwrightError(f"{name!r} in {path} is a name that is no text: rename it")


def check_classes(path: Path | str, classes: Sequence[str], training: Listing) -> None:
    """Raise NetwrightError unless there are two classes or more, each with pictures to train on."""
    counts = Counter(training.labels.tolist())
    empty = [name for label, name in enumerate(classes) if not counts[label]]
    if empty:
        raise NetwrightError(f"{path}: class {empty[0]!r} has no pictures to train on")
    if len(classes) == 1:
        raise NetwrightError(f"{path} has one class only ({classes[0]!r}): a classifier needs at least two")


def sample(listing: Listing, most: int = 64) -> list[str]:
    """Names of some pictures, spread over the listing."""
    return [listing.names[i] for i in np.linspace(0, len(listing) - 1, num=min(len(listing), most), dtype=int)]
