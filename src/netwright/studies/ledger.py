"""A study in its storage: trials are begun, reported, ended, and begun again where their worker is lost.

A study of n trials has the slots 0 to n - 1. A trial is created with its design, in one operation, and owns its slot while no
older trial has it; one that finds that it came second withdraws. So no design outside the limits costs a trial, workers need not
speak to one another, and a kill between any two operations leaves either nothing or a running trial whose worker is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from netwright.errors import NetwrightError, did_you_mean
from netwright.spaces.domains import plain
from netwright.studies.database import PAGE, Database
from netwright.studies.ground import plain as plain_design
from netwright.studies.liveness import Heart, Watchman, is_gone, new_worker
from netwright.studies.records import BEATS, ENDING, GONE, MADE, again, distribution_of, read_trial
from netwright.studies.storage import JournalFile, Patient, open_storage, quiet, shown, versions
from netwright.studies.trials import ENDED, LOST, RUNNING, Proposal, Trial

SCHEMA = 1  # of what is written into a storage; raised when an old study would be read wrongly
DEATHS = 5  # of workers on one slot after which its design has failed
SETTINGS, WANTED = "netwright", "trials"  # a study's attributes

Propose = Callable[[int, Sequence[Trial]], Proposal]
Say = Callable[[str], None]


class Ledger:
    """A study as one worker sees it. Operations wait for a storage that is away (see `Patient`).

    `settings` say what the study is (plain values), `wanted` how many trials are asked for.
    """

    def __init__(self, storage: BaseStorage, name: str, patient: Patient) -> None:
        self.storage, self.name, self.patient = storage, name, patient
        self.study = patient(_study_of, storage, name, patient.place)
        about = patient(storage.get_study_user_attrs, self.study)
        if SETTINGS not in about:
            raise NetwrightError(f"the study {name!r} in {patient.place} was not made by netwright: name another with --study")
        self.settings: dict[str, Any] = about[SETTINGS]
        if self.settings["schema"] != SCHEMA:
            version = f"schema {self.settings['schema']}, this one reads {SCHEMA}"
            raise NetwrightError(f"the study {name!r} in {patient.place} is of another version of netwright ({version})")
        self.wanted = int(about.get(WANTED, 0))  # none yet: its maker is about to say, or was killed
        self.beat = float(self.settings["beat"])
        self.worker, self.watchman = new_worker(), Watchman(self.beat)
        self._trials: list[Trial] = []
        self._identities: list[int] = []  # the storage's own numbers for trials
        self._open: set[int] = set()  # numbers of the trials that may still change
        self._used: dict[int, int] = {}  # slot -> the trial that used it up
        self._last = -1  # the highest of these slots
        self._lost: defaultdict[int, list[int]] = defaultdict(list)  # slot -> trials whose worker died over it
        self._low = 0  # all slots below are used up
        self._spread = random.Random(self.worker)

    # ------------------------------------------------------------ reading

    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers; what has ended is read once."""
        while self._read(self._news()) >= PAGE:  # a database tells no more at a time
            pass
        return self._trials

    def _read(self, news: Sequence[FrozenTrial]) -> int:
        """Take up news; tells how many trials are new."""
        before = len(self._trials)
        for frozen in news:
            number, known = frozen.number, self._trials[frozen.number] if frozen.number < len(self._trials) else None
            made = read_trial(frozen, known)
            if known is None:
                self._trials.append(made)
                self._identities.append(frozen._trial_id)
                self._open.add(number)
            self._trials[number] = made
            if made.status != RUNNING:
                self._open.discard(number)
                if made.status in ENDED:
                    self._used[made.slot] = number
                    self._last = max(self._last, made.slot)
                elif made.reason:
                    self._lost[made.slot].append(number)
        return len(self._trials) - before

    def _news(self) -> list[FrozenTrial]:
        """The trials that ran when they were last read, and those that began since, by number."""
        if isinstance(self.storage, (Database, JournalFile)):
            last, watched = self._identities[-1] if self._identities else -1, [self._identities[number] for number in self._open]
            return self.patient(self.storage.news, self.study, last, watched, MADE)
        frozen = self.patient(_all_trials, self.storage, self.study)
        return [frozen[number] for number in [*sorted(self._open), *range(len(self._trials), len(frozen))]]

    def refresh(self) -> None:
        """Read how many trials are wanted: that can be raised while workers work."""
        self.wanted = int(self.patient(self.storage.get_study_user_attrs, self.study).get(WANTED, 0))

    @property
    def ended(self) -> int:
        """How many of the wanted slots are used up, as of the last reading."""
        return len(self._used) if self._last < self.wanted else sum(slot < self.wanted for slot in self._used)

    @property
    def running(self) -> int:
        """How many trials run, as of the last reading."""
        return len(self._open)

    # ------------------------------------------------------------ beginning a trial

    def claim(self, propose: Propose) -> Trial | None:
        """Begin the next trial, None where every slot has one. A lost trial's design is tried again, else `propose` is asked.

        A slot over which five workers died is used up: its trial has failed.
        """
        self._bury()
        while free := self._free(1 + 4 * len(self._open)):
            slot = self._spread.choice(free)
            deaths = self._lost.get(slot, [])
            given_up = len(deaths) >= DEATHS
            made = again(self._trials[deaths[-1]]) if deaths else propose(slot, self._trials)
            identity = self._create(slot, made, f"{len(deaths)} workers died over it" if given_up else "")
            known = len(self._identities)
            self.trials()
            number = self._identities.index(identity, known)
            owner = self._trials[self._owner(slot)]
            if owner.number != number:  # another was first, or it is mine and an answer was lost
                self._lose(number, "")
            if owner.worker == self.worker and owner.status == RUNNING:
                return owner
        return None

    def _free(self, most: int) -> list[int]:
        """The first slots without a trial that runs or has ended."""
        taken = {self._trials[number].slot for number in self._open}
        while self._low in self._used:
            self._low += 1
        free = (slot for slot in range(self._low, self.wanted) if slot not in self._used and slot not in taken)
        return list(itertools.islice(free, most))

    def _owner(self, slot: int) -> int:
        """The oldest trial of a slot that runs or has ended."""
        return min([number for number in self._open if self._trials[number].slot == slot] + [self._used.get(slot, sys.maxsize)])

    def _create(self, slot: int, made: Proposal, failure: str) -> int:
        about = {
            "slot": slot,
            "design": plain_design(made.design),
            "chosen": dict(made.chosen),
            "asked": {name: plain(domain) for name, domain in made.asked.items()},
            "totals": list(made.totals),
            "draws": made.draws,
            "about": dict(made.about),
            "seed": self.seed_of(slot),
            "worker": self.worker,
            "versions": versions(),
        }
        state, ended = (TrialState.FAIL, {ENDING: {"reason": failure}}) if failure else (TrialState.RUNNING, {})
        template = partial(create_trial, state=state, user_attrs={MADE: about, **ended})
        asked = {name: distribution_of(domain) for name, domain in made.asked.items()}
        create = partial(self.patient, self.storage.create_new_trial, self.study)
        try:
            return create(template(params=dict(made.chosen), distributions=asked))
        except ValueError:  # a choice whose options change from trial to trial: Optuna cannot show those
            return create(template())

    def seed_of(self, slot: int) -> int:
        """The seed of a slot's training, whoever does it and however often."""
        return random.Random(f"{self.settings['seed']} {slot}").randrange(2**31)

    def _bury(self) -> None:
        """Give up running trials whose worker is gone, or is this one, which works on none now."""
        self.trials()
        given_up = 0
        for number in sorted(self._open):
            trial = self._trials[number]
            if trial.worker == self.worker:
                self._lose(number, "")
            elif is_gone(trial.worker):
                self._lose(number, f"its process on {trial.host} ended")
            elif self.watchman.is_still(number, trial.beats, self.patient.back):
                self._lose(number, f"nothing was heard of {trial.host} for {self.watchman.grace:.0f} s")
            else:
                continue
            given_up += 1
        if given_up:
            self.trials()

    # ------------------------------------------------------------ a trial that is worked on

    def heart(self, trial: Trial) -> Heart:
        """What beats for a trial while it runs."""
        identity = self._identities[trial.number]

        def beat(count: int) -> None:
            try:
                self.storage.set_trial_user_attr(identity, BEATS, count)
            except UpdateFinishedTrialError:
                raise
            except Exception:
                self.patient.back = time.monotonic()  # hearts of others may not beat either
                raise

        return Heart(beat, self.beat)

    def report(self, trial: Trial, epoch: int, accuracy: float) -> None:
        """The validation accuracy after an epoch. Raises `TakenAway` for a trial that was given up meanwhile."""
        self._write(trial, self.storage.set_trial_intermediate_value, epoch, accuracy)

    def finish(self, trial: Trial, values: Sequence[float], accuracy: float, costs: Mapping[str, float], seconds: float) -> None:
        """End a trial with its values. Raises `TakenAway` for one that was given up meanwhile: its result is of no use."""
        self._end(trial, TrialState.COMPLETE, {"accuracy": accuracy, "costs": dict(costs), "seconds": seconds}, values)

    def stop(self, trial: Trial, accuracy: float, seconds: float) -> None:
        """End a trial early, with what it had reached; it has no values."""
        self._end(trial, TrialState.PRUNED, {"accuracy": accuracy, "seconds": seconds})

    def fail(self, trial: Trial, reason: str, seconds: float) -> None:
        """End a trial that cannot be finished, and would not be another time."""
        self._end(trial, TrialState.FAIL, {"reason": reason, "seconds": seconds})

    def release(self, trial: Trial) -> None:
        """Give back the slot of a trial that is not to be finished now; no fault of its design."""
        self._lose(trial.number, "")

    def _end(self, trial: Trial, state: TrialState, result: dict[str, Any], values: Sequence[float] | None = None) -> None:
        try:
            self.patient(_end_trial, self.storage, self._identities[trial.number], state, {ENDING: result}, values)
        except UpdateFinishedTrialError:  # it was done, and the answer was lost; or it was given up
            self.trials()
            if self._trials[trial.number].status == LOST:
                raise TakenAway(trial.number) from None

    def _write(self, trial: Trial, operation: Callable[..., Any], key: Any, value: Any) -> None:
        try:
            self.patient(operation, self._identities[trial.number], key, value)
        except UpdateFinishedTrialError:
            raise TakenAway(trial.number) from None

    def _lose(self, number: int, reason: str) -> None:
        with contextlib.suppress(UpdateFinishedTrialError):
            self.patient(_end_trial, self.storage, self._identities[number], TrialState.FAIL, {GONE: reason} if reason else {})


class TakenAway(Exception):  # noqa: N818 - no error: another has the slot
    """A trial was given up by others, who heard nothing of its worker."""


# ---------------------------------------------------------------- opening


def begin(word: str, name: str, settings: Mapping[str, Any], wanted: int, directions: Sequence[str], say: Say) -> Ledger:
    """The study of that name, made where it is not there; one that is there goes on, with more trials if more are wanted.

    Raises NetwrightError for a study with other settings (it lists the differences), and a storage that cannot be opened.
    """
    storage, patient = open_storage(word, new=True), Patient(shown(word), say)
    made = {**settings, "schema": SCHEMA}
    with quiet(), contextlib.suppress(DuplicatedStudyError):
        patient(storage.create_new_study, [StudyDirection[word.upper()] for word in directions], name)
    study = patient(storage.get_study_id_from_name, name)
    about = patient(storage.get_study_user_attrs, study)
    if SETTINGS not in about and not patient(_all_trials, storage, study):
        patient(_settle, storage, study, SETTINGS, made)  # with it the study is one of ours; of several who come at once one wins
    ledger = Ledger(storage, name, patient)
    differences = different(ledger.settings, made)
    if differences:
        way_out = "give the same, or another name with --study"
        raise NetwrightError(f"the study {name!r} in {shown(word)} has other settings ({'; '.join(differences)}): {way_out}")
    if wanted > ledger.wanted:
        patient(_raise, storage, study, WANTED, wanted)
        ledger.refresh()
    return ledger


def _settle(storage: BaseStorage, study: int, key: str, value: Any) -> None:
    """Set an attribute of a study that has none of the name; of several at once one does."""
    if isinstance(storage, (Database, JournalFile)):
        storage.settle(study, key, value)
    elif key not in storage.get_study_user_attrs(study):
        storage.set_study_user_attr(study, key, value)


def _raise(storage: BaseStorage, study: int, key: str, value: int) -> None:
    """Set an attribute of a study unless it is larger."""
    if isinstance(storage, (Database, JournalFile)):
        storage.raise_to(study, key, value)
    elif value > storage.get_study_user_attrs(study).get(key, 0):
        storage.set_study_user_attr(study, key, value)


def join(word: str, name: str | None, say: Say) -> Ledger:
    """A study that is there; without a name the only one. Raises NetwrightError where it is not, with the names there are."""
    storage, patient = open_storage(word), Patient(shown(word), say)
    return Ledger(storage, name if name is not None else patient(_only, storage, patient.place), patient)


def _only(storage: BaseStorage, place: str) -> str:
    names = sorted(study.study_name for study in storage.get_all_studies())
    if len(names) == 1:
        return names[0]
    there = f"it has {', '.join(names)}: name one with --study" if names else "it has none"
    raise NetwrightError(f"which study of {place}? {there}")


def different(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that two studies do not share, with both values."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name} {_short(before.get(name))}, now {_short(now.get(name))}" for name in names]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _study_of(storage: BaseStorage, name: str, place: str) -> int:
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        names = sorted(study.study_name for study in storage.get_all_studies())
        there = did_you_mean(name, names) or (f"; there are {', '.join(names)}" if names else "; there is none yet")
        raise NetwrightError(f"there is no study {name!r} in {place}{there}") from None


def _end_trial(
    storage: BaseStorage, identity: int, state: TrialState, attributes: Mapping[str, Any], values: Sequence[float] | None = None
) -> None:
    if isinstance(storage, Database):
        storage.end_trial(identity, state, attributes, values)
        return
    for key, value in attributes.items():
        storage.set_trial_user_attr(identity, key, value)
    storage.set_trial_state_values(identity, state, values)


def _all_trials(storage: BaseStorage, study: int) -> list[FrozenTrial]:
    return storage.get_all_trials(study, deepcopy=False)
