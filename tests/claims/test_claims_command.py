"""The command, what it writes, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from netwright import claims
from netwright.claims import CLAIMS, Claim, Evidence, Terms, Verdict, claim, find_claims, run_claim
from netwright.claims.book import index, page, read_entries, result_of, store, write_index
from netwright.cli import cli, main
from netwright.errors import FailedError, NetwrightError

FIELDS = ["name", "kind", "statement", "verdict", "evidence", "figure", "seconds"]


def asked(*words: str) -> str:
    result = CliRunner().invoke(cli, ["claims", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_has_every_claim_and_needs_no_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; from netwright.cli import main; main(['claims', 'list', '--json']); sys.exit('torch' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    listed = json.loads(made.stdout)
    assert [one["name"] for one in listed] == [one.name for one in CLAIMS]
    assert all(list(one) == FIELDS for one in listed)
    assert all(one["verdict"] is None and one["evidence"] == {} for one in listed), "nothing is stored there"


def test_the_list_tells_stored_verdicts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    asked("run", "a16", "-o", "docs/claims")
    (one,) = json.loads(asked("list", "a16", "--json"))
    assert (one["verdict"], one["figure"]) == ("corrected", "docs/claims/a16-grouped-convolution.svg")
    assert re.search("a16-grouped-convolution +exact +corrected ", asked("list", "a1*", "--exact"))


def test_a_run_prints_json_and_stores_result_figure_page_and_index(tmp_path: Path) -> None:
    out = tmp_path / "book"
    (one,) = json.loads(asked("run", "A16", "--json", "-o", str(out)))
    assert list(one)[:7] == [*FIELDS[:4], "why", *FIELDS[4:6]]
    assert set(FIELDS) <= set(one)
    assert (one["verdict"], one["figure"]) == ("corrected", str(out / "a16-grouped-convolution.svg"))
    assert one["evidence"]["macs_times_fewer"] == one["evidence"]["groups"]
    assert Path(one["figure"]).read_text().startswith("<svg role")
    text = (out / "a16-grouped-convolution.md").read_text()
    assert "**Corrected** (exact)" in text
    assert "netwright claims run a16-grouped-convolution" in text
    told = (tmp_path / "book.md").read_text()
    assert "[A16: grouped convolution](book/a16-grouped-convolution.md)" in told
    assert f"1 corrected, 0 undecided, {len(CLAIMS) - 1} not run yet" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run",), "say which: names, --exact"),
        (("run", "a16-grouped-convolutions"), "did you mean a16-grouped-convolution"),
        (("run", "a16", "--long"), "none of them is long: a16-grouped-convolution is exact"),
        (("run", "a16", "-o", "FILE"), "is not a folder"),
        (("list", "zzz"), "there is no claim 'zzz'; see netwright claims list"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["claims", *(str(tmp_path / "file") if word == "FILE" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def broken(terms: Terms) -> Evidence:
    raise ZeroDivisionError("no such number")


def even(terms: Terms) -> Evidence:
    return Evidence({"seed": terms.seed}, about="the seed")


def judge(found: claim.Numbers) -> Verdict:
    return claim.settled(found["seed"] % 2 == 0, f"the seed is {found['seed']}")


CRASHES = Claim("x98-crashes", "exact", "It runs.", "nowhere", broken, judge)
EVEN = Claim("x99-even-seed", "exact", "The seed is even.", "nowhere", even, judge)


def test_a_crash_is_told_and_the_others_still_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(claims, "CLAIMS", (CRASHES, EVEN))
    assert main(["claims", "run", "--exact", "--seed", "3"]) == 1
    captured = capsys.readouterr()
    assert "x99-even-seed: fails" in captured.out
    assert "1 of 2 crashed: x98-crashes (ZeroDivisionError: no such number)" in captured.err
    assert main(["claims", "run", "x99"]) == 0, "a claim that fails is no failure of the command"


def test_the_verdict_follows_the_evidence_also_when_it_was_stored(tmp_path: Path) -> None:
    made = run_claim(EVEN, Terms(seed=2))
    assert store(made, tmp_path / "book") is None
    (entry,) = read_entries([EVEN, CRASHES], tmp_path / "book")
    assert (entry["verdict"], entry["why"], entry["figure"]) == ("holds", "the seed is 2", None)
    assert result_of({**entry, "evidence": {"seed": 3}}, EVEN).verdict.word == "fails"
    assert "--seed 2" in page(entry)
    assert "| X98: crashes | exact | It runs. | not run yet |" in index([entry], [EVEN, CRASHES], "book")
    assert write_index([EVEN], tmp_path / "book").read_text() == index([entry], [EVEN], "book")


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x99-even-seed"}', '{"name": "other", "evidence": {}}'])
def test_a_damaged_result_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "x99-even-seed.json").write_text(text)
    with pytest.raises(NetwrightError, match=re.escape("x99-even-seed.json")):
        read_entries([EVEN], tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), [float("nan")], {"a": complex(1, 1)}])
def test_evidence_is_plain(value: object) -> None:
    with pytest.raises(NetwrightError, match=r"of the evidence are"):
        Evidence({"seed": value})


def test_a_verdict_is_one_of_four_words() -> None:
    with pytest.raises(NetwrightError, match="expected one of holds, fails, corrected, undecided"):
        Verdict("true", "1")
    assert [claim.by_interval(low, high, "1").word for low, high in ((0.1, 1.0), (-1.0, 1.0), (-1.0, -0.1))] == [
        "holds",
        "undecided",
        "fails",
    ]


def test_claims_are_found_by_name_id_pattern_and_kind() -> None:
    assert [one.name for one in find_claims([CRASHES, EVEN], ["X99"])] == ["x99-even-seed"]
    assert find_claims([CRASHES, EVEN], ["x*"], ["exact"]) == [CRASHES, EVEN]
    with pytest.raises(NetwrightError, match="none of them is quick"):
        find_claims([CRASHES, EVEN], (), ["quick"])
    assert issubclass(FailedError, NetwrightError)
