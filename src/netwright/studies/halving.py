"""Successive halving without waiting: which trainings are stopped early."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated

from netwright.graph import Count, Value
from netwright.graph.values import AtLeast
from netwright.studies.trials import LOST, Trial


class Halving(Value):
    """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934, as its "stopping" variant) on curves of accuracy.

    After the epochs first, first x factor, first x factor^2, ... (the rungs) a training goes on if it is among the best 1 /
    factor of all that have a value there, itself included: n values let the best floor(n / factor) pass, at least one. So the
    first to come to a rung passes, and while there are fewer than 2 x factor values only the best so far. What is as good as
    the last that passes, passes as well. A training without a finite accuracy stops at any rung, and counts as worse than all
    others.

    Deviation from the paper: it pauses a training and takes it up again once it turns out to be among the best; here that is
    decided at once and for good, as no paused training is kept. So one that comes early to a rung passes more easily. It
    compares accuracies whatever the study's goal is: so for a reward, and still more for a front, it is hard on cheap designs.

    >>> rule = Halving(first=2, factor=3)
    >>> [rule.is_rung(epoch) for epoch in (1, 2, 3, 6, 18)]
    [False, True, False, True, True]
    """

    first: Count = 1
    factor: Annotated[int, AtLeast(2)] = 3

    def is_rung(self, epoch: int) -> bool:
        """Whether trainings are compared after that many epochs."""
        rung = self.first
        while rung < epoch:
            rung *= self.factor
        return rung == epoch

    def stops(self, epoch: int, accuracy: float, trials: Iterable[Trial], mine: int | None = None) -> bool:
        """Whether a training with that accuracy after `epoch` epochs ends here.

        `trials` are the others: running, complete, stopped or failed ones count, lost ones are trained again and do not. One of
        the number `mine` is the training itself, and left out. After the last epoch of a training there is nothing to stop:
        do not ask.
        """
        if not self.is_rung(epoch):
            return False
        if not math.isfinite(accuracy):
            return True
        others = [t.curve[epoch] for t in trials if epoch in t.curve and t.status != LOST and t.number != mine]
        better = sum(other > accuracy for other in others if math.isfinite(other))
        return better >= max(1, (len(others) + 1) // self.factor)
