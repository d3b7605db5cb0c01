"""What a sampler remembers of the trials, so that each costs it something only when it begins and when it ends."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence

from netwright.studies.trials import COMPLETE, ENDED, LOST, Trial

OVER = (*ENDED, LOST)


class History:
    """The trials as they were read last. `taken` are the designs (as JSON) of all that ran or run.

    A lost trial's design is not taken: its slot is tried again. `complete` are the trials that went to their end with finite
    values, in the order in which they finished.
    """

    def __init__(self) -> None:
        self.complete: list[Trial] = []
        self._taken: dict[str, int] = {}
        self._status: dict[int, str] = {}
        self._settled = 0  # trials before this place are over, and not looked at again

    @property
    def taken(self) -> Mapping[str, int]:
        """The designs of all trials that ran or run, with the number of these."""
        return self._taken

    def read(self, trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
        """The trials that are new, in the order of their numbers, and those that are newly over, as they finished.

        A trial that is both new and over is in both. What ended stays as it was when it was first seen so. `trials` are all of a
        study, in the order of their numbers: those from the first that runs are gone through.
        """
        begun, over = [], []
        for place in range(self._settled, len(trials)):
            trial = trials[place]
            before = self._status.get(trial.number)
            if before == trial.status or before in OVER:
                continue
            if before is None:
                begun.append(trial)
            if trial.status in OVER:
                over.append(trial)
            self._status[trial.number] = trial.status
            self._count(trial, before is None)
        while self._settled < len(trials) and trials[self._settled].status in OVER:
            self._settled += 1
        over.sort(key=finishing)
        return begun, over

    def _count(self, trial: Trial, new: bool) -> None:
        name = trial.plain_design
        change = int(new) - int(trial.status == LOST)
        self._taken[name] = self._taken.get(name, 0) + change
        if not self._taken[name]:
            del self._taken[name]
        if went_well(trial):
            insort(self.complete, trial, key=finishing)


def finishing(trial: Trial) -> tuple[float, int]:
    """A key that puts trials in the order in which they finished."""
    return trial.finished, trial.number


def went_well(trial: Trial) -> bool:
    """Whether it went to its end, with finite values."""
    return trial.status == COMPLETE and trial.values is not None and all(map(math.isfinite, trial.values))


def rank(trial: Trial) -> tuple[float, int, int]:
    """A key by which the best trial is the largest: of equal values the one with fewer macs, then the earlier."""
    return trial.value, -trial.macs, -trial.number
