"""Work done ahead by threads: its order, how far ahead, what happens to errors and to torch's threads."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
import torch

from netwright.data import Pictures
from netwright.data.pictures import Decoded
from netwright.data.stored import OnDemand
from netwright.training.engine.ahead import ahead, held
from netwright.training.engine.batches import Batches, Task, Where
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Augmentation, Recipe
from tests.training import digits_task

HERE = Where(torch.device("cpu"), torch.channels_last)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_come_in_order_however_long_each_takes(threads: int) -> None:
    pause = threading.Event()

    def make(job: int) -> int:
        pause.wait(0.01 * (job % 3))
        return job * job

    assert list(ahead(range(30), make, threads)) == [job * job for job in range(30)]
    assert list(ahead([], make, threads)) == []


def test_no_more_is_made_than_can_be_held() -> None:
    begun: list[int] = []
    for place, _ in enumerate(ahead(itertools.count(), lambda job: begun.append(job), 2)):
        assert max(begun) <= place + held(2)
        if place == 20:
            break


def test_threads_compute_with_one_of_torchs_each_and_others_keep_theirs() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert set(ahead(range(8), lambda job: torch.get_num_threads(), 2)) == {1}
        assert torch.get_num_threads() == 3
        seen: list[int] = []
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start(), later.join()
        assert seen == [3]
    finally:
        torch.set_num_threads(before)


def test_an_error_comes_in_its_place_and_ends_the_threads() -> None:
    def make(job: int) -> int:
        if job == 5:
            raise ValueError("the sixth")
        return job

    results = ahead(range(100), make, 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="the sixth"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("netwright-ahead")]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batches_are_the_same_whoever_makes_them(threads: int) -> None:
    """Each one as it is when it is in hand; all bits are those of one thread."""
    task, before = digits_task(300), torch.get_num_threads()
    made = []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            made.append([batch.x.clone() for batch in Batches(task, Recipe(batch=32), 3, HERE).of(1)])
    finally:
        torch.set_num_threads(before)
    assert len(made[0]) == 10
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


def test_a_source_is_asked_by_one_thread_at_a_time() -> None:
    """What is decoded on demand may not bear more: a Dataset of a user's."""
    inside: list[int] = []

    def one(place: int) -> Decoded:
        inside.append(place)
        threading.Event().wait(0.001)
        assert inside == [place]
        inside.clear()
        return Decoded(np.full((8, 8, 3), place, np.uint8))

    pictures = Pictures(OnDemand((60, 8, 8, 3), one, 1), np.arange(60) % 3, tuple(map(str, range(60))))
    task = Task(pictures, Normalize((0.0,) * 3, (1 / 255,) * 3), 8, False, 3)
    plain = Recipe(batch=8, augment=Augmentation(crop="none"))
    seen = [batch.x.amax((1, 2, 3)).clone() for batch in Batches(task, plain, 0, HERE).of(0)]
    assert sorted(torch.cat(seen).round().int().tolist()) == list(range(60))
