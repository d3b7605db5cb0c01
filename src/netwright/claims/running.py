"""Choosing claims by name, running them, and what comes of a run."""

from __future__ import annotations

import datetime
import fnmatch
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.claims.claim import Claim, Evidence, Terms, Verdict
from netwright.errors import NetwrightError, did_you_mean
from netwright.version import VERSION


@dataclass(frozen=True)
class Result:
    """A claim that was run: the evidence, the verdict on it, how long it took, and `ran`: how, where and when (words)."""

    claim: Claim
    evidence: Evidence
    seconds: float
    ran: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """What the judge says of the evidence."""
        return self.claim.judge(self.evidence.numbers)

    def to_json(self, figure: str | None = None) -> dict[str, Any]:
        """Name, kind, statement, verdict, why, evidence, figure (a path) and seconds; then source, rows and how it was run."""
        verdict = self.verdict
        return {
            "name": self.claim.name,
            "kind": self.claim.kind,
            "statement": self.claim.statement,
            "verdict": verdict.word,
            "why": verdict.why,
            "evidence": dict(self.evidence.numbers),
            "figure": figure,
            "seconds": round(self.seconds, 2),
            "source": self.claim.source,
            "about": self.evidence.about,
            "ran": self.ran,
        }


def run_claim(claim: Claim, terms: Terms) -> Result:
    """Run the experiment. Raises what it raises."""
    started = time.perf_counter()
    evidence = claim.experiment(terms)
    return Result(claim, evidence, time.perf_counter() - started, _ran(claim, terms))


def find_claims(claims: Sequence[Claim], words: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[Claim]:
    """The claims of the words, of the kinds, in the order of the book; all where neither is given.

    A word is a name, an id (`a16`) or a pattern (`o*`). Raises NetwrightError for one that finds nothing.
    """
    found = {name for word in words for name in _named(claims, word)} if words else {claim.name for claim in claims}
    chosen = [claim for claim in claims if claim.name in found and (not kinds or claim.kind in kinds)]
    if not chosen:
        told = {claim.name: claim.kind for claim in claims if claim.name in found}
        raise NetwrightError(f"none of them is {' or '.join(kinds)}: " + ", ".join(f"{n} is {k}" for n, k in told.items()))
    return chosen


def _named(claims: Sequence[Claim], word: str) -> list[str]:
    names, low = [claim.name for claim in claims], word.lower()
    found = [name for name in names if name == low or name.partition("-")[0] == low or fnmatch.fnmatchcase(name, low)]
    if not found:
        near = did_you_mean(low, names) or "; see netwright claims list"
        raise NetwrightError(f"there is no claim {word!r}{near}")
    return found


def _ran(claim: Claim, terms: Terms) -> dict[str, Any]:
    from netwright.costing.profiles import this_machine

    machine = this_machine()
    data = f" --data {Path(terms.data).name}" if terms.data and claim.kind == "long" else ""
    seed = f" --seed {terms.seed}" if terms.seed else ""
    return {
        "command": f"netwright claims run {claim.name}{data}{seed}{' --tiny' if terms.tiny else ''}",
        "tiny": terms.tiny,
        "seed": terms.seed,
        "machine": f"{machine.processor}, {machine.cores} cores, {machine.system}",
        "versions": _versions(),
        "date": datetime.date.today().isoformat(),
    }


def _versions() -> str:
    import sys

    torch = sys.modules.get("torch")
    told = f", torch {torch.__version__}" if torch is not None else ""
    return f"netwright {VERSION}, Python {platform.python_version()}{told}"
