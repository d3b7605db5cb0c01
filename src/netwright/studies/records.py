"""Between the storage's trials and ours: what is written into one, and what is read out of it."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import replace

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from netwright.spaces.domains import Domain, Options, Real, of_plain
from netwright.studies.trials import COMPLETE, ENDED, FAILED, LOST, RUNNING, STOPPED, Proposal, Trial

MADE, ENDING, BEATS, GONE = "trial", "result", "beats", "lost"  # a trial's attributes


def read_trial(frozen: FrozenTrial, known: Trial | None = None) -> Trial:
    """What a trial of the storage is to us; `known` is how it was read before: how it began does not change."""
    result = frozen.user_attrs.get(ENDING, {})
    ended = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: STOPPED, TrialState.RUNNING: RUNNING}
    status = ended.get(frozen.state) or (FAILED if result.get("reason") else LOST)
    return replace(
        known or _begun(frozen),
        status=status,
        values=tuple(frozen.values) if status == COMPLETE else None,
        accuracy=result.get("accuracy") if status in ENDED else None,
        costs=result.get("costs", {}),
        curve=dict(sorted(frozen.intermediate_values.items())),
        seconds=result.get("seconds", 0.0),
        reason=frozen.user_attrs.get(GONE, "") if status == LOST else result.get("reason", ""),
        finished=frozen.datetime_complete.timestamp() if frozen.datetime_complete and status != RUNNING else 0.0,
        beats=frozen.user_attrs.get(BEATS, 0),
    )


def _begun(frozen: FrozenTrial) -> Trial:
    made = frozen.user_attrs[MADE]
    return Trial(
        number=frozen.number,
        slot=made["slot"],
        status=RUNNING,
        plain_design=made["design"],
        chosen={sys.intern(name): value for name, value in made["chosen"].items()},
        asked=_shared(json.dumps(made["asked"])),
        totals=(made["totals"][0], made["totals"][1], made["totals"][2]),
        seed=made["seed"],
        worker=made["worker"],
        versions=_shared_versions(json.dumps(made["versions"])),
        draws=made["draws"],
        about=made["about"],
    )


@functools.lru_cache(maxsize=256)
def _shared(asked: str) -> dict[str, Domain]:
    """Domains, made once for all trials that asked alike: in most spaces these are all, and there may be a hundred thousand."""
    return {name: of_plain(domain) for name, domain in json.loads(asked).items()}


@functools.lru_cache(maxsize=256)
def _shared_versions(versions: str) -> dict[str, str]:
    made: dict[str, str] = json.loads(versions)
    return made


def again(trial: Trial) -> Proposal:
    """The proposal that a trial came from."""
    return Proposal(trial.design, trial.chosen, trial.asked, trial.totals, trial.draws, trial.about)


def distribution_of(domain: Domain) -> BaseDistribution:
    """A domain as Optuna's tools show it."""
    if isinstance(domain, Options):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, Real):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    last = domain.low + domain.step * (domain.size - 1)
    return IntDistribution(domain.low, last, log=True) if domain.log else IntDistribution(domain.low, last, step=domain.step)
