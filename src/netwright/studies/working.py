"""What a worker does: takes a slot, has a design proposed, evaluates it, stores what came of it; until there is nothing left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netwright.errors import NetwrightError
from netwright.graph import Design
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground
from netwright.studies.ledger import Ledger, TakenAway
from netwright.studies.samplers.base import Sampler
from netwright.studies.trials import Trial

Report = Callable[[int, float], None]
WAIT = 0.5, 5.0  # seconds between two looks for a trial that was lost, first and at most
ALIKE = 5  # failures in a row for one reason, after which it is not the designs' fault


class Evaluator(Protocol):
    """Tells what a design is worth."""

    def __call__(self, design: Design, seed: int, report: Report) -> float:
        """The accuracy (0 to 1) of a design after training with that seed.

        After each epoch `report(epoch, accuracy)` is called, from 1 on; what it raises ends the training, and is let through.
        """


class Stops(Protocol):
    """Says which trials are not worth going on with (`Halving`)."""

    def stops(self, epoch: int, accuracy: float, trials: Sequence[Trial], mine: int | None = None) -> bool:
        """Whether the trial of number `mine`, which has reached an accuracy after an epoch, ends there."""


class _NoStorage(Exception):  # noqa: N818 - what is behind it is the error
    """The storage stayed away while a trial was reported on."""

    def __init__(self, error: NetwrightError) -> None:
        self.error = error


class StoppedEarly(Exception):  # noqa: N818 - no error
    """A trial that is not worth going on with."""


@dataclass
class Worker:
    """A worker of a study: its view of the storage, where to look for designs, what for, and how they are evaluated.

    `until` says whether to begin no further trial; `say` hears what happens, `ended` is called after each trial. A trial that
    has done all its `epochs` (0: not known) is complete, and no longer stopped early.
    """

    ledger: Ledger
    ground: Ground
    goal: Goal
    sampler: Sampler
    evaluate: Evaluator
    halving: Stops | None = None
    epochs: int = 0
    until: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda line: None
    ended: Callable[[], None] = lambda: None
    _reasons: list[str] = field(default_factory=list)

    def run(self) -> int:
        """Work until every trial that is wanted has ended, or `until` says so; returns how many this worker ended.

        Where others still run, it waits for them: their trials are taken over should they be lost. Raises NetwrightError where
        one trial after the other fails for the same reason.
        """
        count, wait = 0, WAIT[0]
        while not self.until():
            trial = self.ledger.claim(self.sampler.propose)
            if trial is not None:
                count, wait = count + self._try(trial), WAIT[0]
                self.ended()
                continue
            self.ledger.refresh()
            if self.ledger.ended >= self.ledger.wanted:
                break
            self.ended()
            time.sleep(wait)
            wait = min(2 * wait, WAIT[1])
        return count

    def _try(self, trial: Trial) -> bool:
        """Evaluate a trial and store its end; whether it has one, and this is it."""
        started, last = time.monotonic(), math.nan

        def report(epoch: int, accuracy: float) -> None:
            nonlocal last
            last = accuracy
            halving = self.halving if epoch != self.epochs else None
            try:
                self.ledger.report(trial, epoch, accuracy)
                others = self.ledger.trials() if halving is not None else []
            except NetwrightError as error:
                raise _NoStorage(error) from error
            if halving is not None and halving.stops(epoch, accuracy, others, trial.number):
                raise StoppedEarly

        try:
            with self.ledger.heart(trial):
                self._evaluate(trial, report, started)
        except StoppedEarly:
            self._reasons.clear()
            return self._stored(lambda: self.ledger.stop(trial, last, _since(started)))
        except TakenAway:
            self.say(f"trial {trial.number} was given up by others: its result is dropped")
            return False
        except _NoStorage as error:  # no fault of the design: whoever comes next tries it again
            raise error.error from None
        except (KeyboardInterrupt, SystemExit):
            self.ledger.release(trial)
            raise
        return True

    def _evaluate(self, trial: Trial, report: Report, started: float) -> None:
        try:
            accuracy = float(self.evaluate(trial.design, trial.seed, report))
            if not 0 <= accuracy <= 1:
                raise NetwrightError(f"the evaluation gave {accuracy!r}, expected an accuracy from 0 to 1")
        except (StoppedEarly, TakenAway, _NoStorage):
            raise
        except Exception as error:
            reason = f"{error}" if isinstance(error, NetwrightError) else f"{type(error).__name__}: {error}"
            self._failed(trial, reason, started)
            return
        self._reasons.clear()
        costs = self._costs(trial)
        self.ledger.finish(trial, self.goal.values(accuracy, costs), accuracy, costs, _since(started))

    def _costs(self, trial: Trial) -> dict[str, float]:
        """What the goal weighs, and the bytes and milliseconds that are limited."""
        limits, image, name = self.ground.limits, self.ground.image, self.goal.measured
        limited = [limit.name for limit in limits.more]
        found = {name: value for name, value in limits.costs(trial.design, image).items() if name in limited} if limited else {}
        if not name:
            return found
        if name in ("params", "macs", "acts"):
            return found | {name: float(getattr(trial, name))}
        made = limits.cost(trial.design, image)
        value = {"memory": made.memory.training, "inference_memory": made.memory.inference, "latency": made.milliseconds}[name]
        assert value is not None
        return found | {name: float(value)}

    def _failed(self, trial: Trial, reason: str, started: float) -> None:
        self.ledger.fail(trial, reason, _since(started))
        self.say(f"trial {trial.number} failed: {reason}")
        self._reasons.append(reason)
        if len(self._reasons) >= ALIKE and len(set(self._reasons[-ALIKE:])) == 1:
            raise NetwrightError(f"{ALIKE} trials in a row failed alike: {reason}")

    def _stored(self, end: Callable[[], None]) -> bool:
        try:
            end()
        except TakenAway:
            return False
        return True


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
