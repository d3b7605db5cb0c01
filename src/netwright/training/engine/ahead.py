"""Work that threads do ahead of those who ask for it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Job = TypeVar("Job")
Made = TypeVar("Made")


def held(threads: int) -> int:
    """How many results of `ahead` may be under way or waiting at a time."""
    return threads + 1


def ahead(jobs: Iterable[Job], make: Callable[[Job], Made], threads: int) -> Iterator[Made]:
    """What `make` gives for each job, in order, made by threads that compute with one thread of torch's each.

    They work a few jobs ahead and end with the iterator, which waits for what is under way.
    """
    left, waiting = iter(jobs), deque[Future[Made]]()
    computing = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "netwright-ahead", torch.set_num_threads, (1,)) as pool:
            waiting.extend(pool.submit(make, job) for job in itertools.islice(left, held(threads)))
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(make, job) for job in itertools.islice(left, 1))
                yield done
    finally:
        torch.set_num_threads(computing)  # what was said in those threads holds for all that come after them, too
