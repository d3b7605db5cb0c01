"""Every claim: run where that takes seconds, judged also on contrary evidence, and equal to what the book has stored."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from netwright.claims import CLAIMS, Claim, Result, Terms, run_claim
from netwright.claims.book import draw, index, page, read_entries, result_of
from netwright.claims.claim import KINDS, LONG, WORDS
from tests.claims.contrary import AGAINST

BOOK = Path(__file__).parents[2] / "docs" / "claims"
ENTRIES = {entry["name"]: entry for entry in read_entries(CLAIMS, BOOK)}
SHORT = [claim for claim in CLAIMS if claim.kind != LONG]
MEASURED = re.compile("seconds|milliseconds")  # numbers that no second run gives again


@pytest.mark.parametrize("claim", SHORT, ids=lambda claim: claim.name)
def test_a_claim_runs_its_judge_sees_the_evidence_and_the_book_tells_it(claim: Claim) -> None:
    made = run_claim(claim, Terms())
    judged(made)
    for changes, word in AGAINST[claim.name]:
        assert set(changes) <= set(made.evidence.numbers), "the change is of a number that is there"
        verdict = claim.judge({**made.evidence.numbers, **changes})
        assert (verdict.word, word != made.verdict.word) == (word, True), (changes, verdict)
    entry = ENTRIES[claim.name]
    assert entry["verdict"] == made.verdict.word
    assert list(entry["evidence"]) == list(made.evidence.numbers)
    for name, value in made.evidence.numbers.items():
        assert MEASURED.search(name) or alike(value, entry["evidence"][name]), f"{name}: run the claim again with -o docs/claims"


def judged(made: Result) -> None:
    assert made.verdict.word in WORDS
    assert any(character.isdigit() for character in made.verdict.why), "the sentence has its numbers in it"
    assert not made.verdict.why.endswith(".")


def alike(ours: Any, theirs: Any) -> bool:
    """Equal but for what other processors and versions round otherwise."""
    if isinstance(ours, (list, tuple)):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(alike(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, float):
        return math.isclose(ours, theirs, rel_tol=1e-3, abs_tol=1e-9)
    return bool(ours == theirs)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.kind == LONG], ids=lambda claim: claim.name)
def test_a_long_claim_is_judged_by_its_evidence(claim: Claim) -> None:
    words = set()
    for numbers, word in AGAINST[claim.name]:
        assert claim.judge(numbers).word == word
        words.add(word)
        if claim.name in ENTRIES:
            assert set(numbers) == set(ENTRIES[claim.name]["evidence"])
    assert len(words) > 1


@pytest.mark.parametrize("name", ENTRIES)
def test_the_stored_verdict_is_the_judges_and_pages_are_not_stale(name: str) -> None:
    entry, claim = ENTRIES[name], next(claim for claim in CLAIMS if claim.name == name)
    result = result_of(entry, claim)
    assert (entry["verdict"], entry["why"]) == (result.verdict.word, result.verdict.why)
    assert [entry[key] for key in ("kind", "statement", "source")] == [claim.kind, claim.statement, claim.source]
    assert (BOOK / f"{name}.md").read_text() == page(entry)
    assert not entry["ran"]["tiny"]
    if claim.draw is None:
        assert entry["figure"] is None
    else:
        last = draw(result).splitlines()[-1]
        assert (BOOK / entry["figure"]).read_text().splitlines()[-1] == last, "the figure is of other evidence"


def test_the_index_is_not_stale_and_nothing_is_left_of_claims_that_are_gone() -> None:
    assert (BOOK.parent / "claims.md").read_text() == index(list(ENTRIES.values()), CLAIMS, BOOK.name)
    assert {path.stem for path in BOOK.iterdir()} == set(ENTRIES)


def test_names_are_unique_and_every_claim_has_contrary_evidence() -> None:
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    assert len({claim.number for claim in CLAIMS}) == len(names)
    assert set(AGAINST) == set(names)
    for claim in CLAIMS:
        assert re.fullmatch(r"[oaxs]\d+(-[a-z0-9]+)+", claim.name)
        assert claim.kind in KINDS
        assert claim.statement.endswith(".")
        assert not claim.source.endswith(".")
