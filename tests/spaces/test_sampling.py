"""Sampling under a budget: exact statistics, one stream, one line for what cannot be."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.graph import Count, Design, FeatureMap, from_json, trace
from netwright.progress import Progress
from netwright.spaces import SPACES, Pick, SampleNote, Space, check_space, sample, space
from netwright.spaces.base import OwnSpace

QUIET = Progress(quiet=True)
Capture = pytest.CaptureFixture[str]
OWN = """
import netwright as nw
from netwright.blocks import Basic
calls = []
def narrow(pick):
    depth = pick.integer("depth", 1, 3)
    widths = [pick.integer(f"width_{i}", 8, 32, step=8) for i in (1, 2)]
    kind = pick.choice("kind", {"basic": Basic(), "padded": Basic("pad")})
    if widths[0] > widths[1]:
        return None
    return nw.zoo.CifarResNet(depth, kind, widths[0])
def raises(pick):
    depth = pick.integer("depth", 1, 3)
    return None if 1 // (depth - 2) else None
def word(pick):
    return f"width {pick.integer('width', 1, 3)}"
def twice(pick):
    return nw.zoo.CifarResNet(pick.integer("depth", 1, 3) + pick.integer("depth", 1, 4))
def counts(pick):
    calls.append(pick)
    return nw.zoo.CifarResNet(pick.integer("depth", 1, 3), width=len(calls))
def wanders(pick):
    calls.append(pick)
    return nw.zoo.CifarResNet(pick.integer("depth", 1, 3 + len(calls) % 2))
def broken(pick):
    return nw.zoo.AnyNet() if pick.choice("kind", (1, 2)) == 1 else Odd(pick.integer("groups", 3, 3))
def never(pick):
    return None
class Odd(nw.Design):
    groups: int = 3
    def __call__(self, x):
        return x.conv("conv", 32, 3).conv("next", 32, 3, groups=self.groups)
wide = nw.spaces.regnetx.fixed(depth=13)
number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


class Tower(Design):
    """As many convolutions as asked for: the macs are known by heart."""

    depth: Count = 1
    width: Count = 1

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i in range(self.depth):
            x = x.conv(f"conv{i}", self.width, 1)
        return x


def tower(pick: Pick) -> Tower | None:
    depth, width = pick.integer("depth", 1, 5), pick.integer("width", 1, 4)
    return None if depth == width else Tower(depth, width)


def few(pick: Pick) -> Tower:
    return Tower(pick.integer("depth", 1, 3))


def tower_macs(depth: int, width: int) -> int:
    return 64 * (width + (depth - 1) * width * width)  # one channel of 8 x 8 px


def tower_of(design: Design) -> tuple[int, int]:
    assert isinstance(design, Tower)
    return design.depth, design.width


def test_statistics_are_exact() -> None:
    """A space of 20 draws, 16 members, known by hand: every draw is counted, in one place."""
    made = sample(tower, 20, macs=(200, 1000), image=8, channels=1, most_draws=4_000, progress=QUIET)
    members = [(d, w) for d in range(1, 6) for w in range(1, 5) if d != w]
    within = {one for one in members if 200 <= tower_macs(*one) <= 1000}
    assert {tower_of(design) for design in made} == within
    assert [cost[1] for cost in made.costs] == [tower_macs(*tower_of(design)) for design in made]
    assert [(one["depth"], one["width"]) for one in made.chosen] == [tower_of(design) for design in made]
    assert sum(made.refused.values()) + made.duplicates + len(made) == made.draws == 4_000
    shares = {
        "structure": 4 / 20,
        "macs below": sum(tower_macs(*one) < 200 for one in members) / 20,
        "macs above": sum(tower_macs(*one) > 1000 for one in members) / 20,
    }
    for reason, share in shares.items():
        assert abs(made.refused[reason] - 4_000 * share) < 5 * math.sqrt(4_000 * share * (1 - share)), reason
    low, high = made.interval
    assert low < len(within) / 20 < high
    assert low < made.rate < high


def test_the_interval_is_wilsons() -> None:
    from scipy.stats import binomtest

    made = sample(tower, 20, macs=(200, 1000), image=8, channels=1, most_draws=300, progress=QUIET)
    found = binomtest(len(made) + made.duplicates, made.draws).proportion_ci(0.95, "wilson")
    assert made.interval == pytest.approx((found.low, found.high), abs=1e-6)


def test_networks_that_are_the_same_count_once() -> None:
    """Whatever fields they were made from: one stage of one block has no use for a second bottleneck."""

    def same(pick: Pick) -> Design:
        return nw.zoo.RegNet(depth=13, w_a=36.44 + pick.integer("hair", 0, 3) / 1000, w_0=24, w_m=2.49, group_width=8)

    made = sample(same, 3, image=64, most_draws=50, progress=QUIET)
    assert (len(made), made.duplicates) == (1, 49)


def test_a_space_that_has_no_more_says_so() -> None:
    with pytest.warns(SampleNote, match=r"3 of 9 designs of few after 50,\d\d\d draws: there may be no more"):
        assert len(sample(few, 9, image=8, channels=1, progress=QUIET)) == 3


@pytest.mark.parametrize("name", ["anynetx_a", "anynetx_e", "regnetx", "mbconv"])
def test_a_sample_is_the_start_of_a_longer_one(name: str) -> None:
    budget = {"macs": ("2M", "60M"), "params": "20M", "image": 64, "progress": QUIET}
    long, short = (SPACES[name].sample(n, seed=5, **budget) for n in (30, 5))  # type: ignore[arg-type]
    assert long.designs[:5] == short.designs
    assert long.chosen[:5] == short.chosen
    assert short.draws < long.draws
    assert SPACES[name].sample(5, seed=6, **budget).designs != short.designs  # type: ignore[arg-type]
    for design, cost in zip(long, long.costs, strict=True):
        assert trace(design, 64).totals == cost
        assert 2_000_000 <= cost[1] <= 60_000_000
        assert cost[0] <= 20_000_000
    assert len({nw.to_json(design) for design in long}) == 30


@pytest.mark.parametrize("workers", [2, 3])
def test_the_stream_is_the_same_whatever_the_number_of_processes(workers: int, own: Path) -> None:
    for one, n in ((SPACES["regnetx"], 12), (space(f"{own}:narrow"), 6)):
        alone = one.sample(n, macs="900M", image=64, seed=9, progress=QUIET)
        assert one.sample(n, macs="900M", image=64, seed=9, workers=workers, progress=QUIET) == alone


def test_another_process_says_what_is_wrong(own: Path) -> None:
    with pytest.raises(NetwrightError, match=r"own.py:raises \(line 14\) fails: ZeroDivisionError.*\(choices: depth=2\)"):
        space(f"{own}:raises").sample(5, image=32, workers=2, progress=QUIET)
    with pytest.raises(NetwrightError, match="cannot be sent to another process: give workers=1"):
        sample(lambda pick: None, 5, workers=2, progress=QUIET)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), [("anynetx_a", 0.015, 0.03), ("regnetx", 0.002, 0.006)])
def test_acceptance_is_near_the_papers(name: str, low: float, high: float) -> None:
    """About 2 % of AnyNetX lie within 360 to 400 M macs, and 0.2 to 0.4 % of RegNet."""
    made = SPACES[name].sample(100, macs=("360M", "400M"), image=224, progress=QUIET)
    assert made.interval[1] > low
    assert made.interval[0] < high


def test_an_impossible_budget_names_the_smallest_design_and_its_cost() -> None:
    with pytest.raises(NetwrightError) as error:
        sample(tower, 3, macs=63, image=8, channels=1, progress=QUIET)
    smallest = min(tower_macs(d, w) for d in range(1, 6) for w in range(1, 5) if d != w)
    assert f"no design of tower has at most 63 macs at 8 px: the smallest found has {smallest:,} macs (depth=" in str(error.value)
    with pytest.raises(NetwrightError, match=r"the largest found has 4,352 macs \(depth=5, width=4\); lower the least macs"):
        sample(tower, 3, macs=("1M", None), image=8, channels=1, progress=QUIET)
    with pytest.raises(NetwrightError, match="none of 50,000 draws meets all limits at once; the smallest found has 128 macs"):
        sample(tower, 3, macs=(1, 200), params=(50, None), image=8, channels=1, progress=QUIET)


@pytest.mark.parametrize("name", ["anynetx_a", "regnetx", "mbconv"])
def test_the_smallest_found_is_small(name: str) -> None:
    """Smaller than any of some thousand draws: not just the smallest of those."""
    with pytest.raises(NetwrightError, match=r"the smallest found has ([0-9,]+) macs") as error:
        sample(SPACES[name], 1, macs=1000, image=32, most_draws=2_000, progress=QUIET)
    told = re.search("found has ([0-9,]+) macs", str(error.value))
    assert told is not None
    source, least = random.Random(0), 10**12
    for _ in range(1_000):
        design = SPACES[name](Pick(source))
        least = min(least, trace(design, 32).macs) if design else least
    assert int(told[1].replace(",", "")) <= least
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"macs": ("400M", "360M")}, "macs from 400,000,000 to 360,000,000 is nothing"),
        ({"macs": "many"}, "'many' is not an amount"),
        ({"macs": -1}, "is not an amount"),
        ({"params": (1, 2, 3)}, "expected an amount, or the least and the most"),
        ({"macs": float("nan")}, "is not an amount"),
        ({"n": 0}, "n is 0"),
        ({"n": 2.0}, "n is 2.0"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"image": 0}, "image is 0"),
        ({"channels": True}, "channels is True"),
        ({"most_draws": 0}, "most_draws is 0"),
        ({"space": "regnetz"}, "unknown space 'regnetz'; did you mean regnety, regnetx"),
        ({"space": nw.network("resnet18")}, "is no design space"),
        ({"space": 3}, "3 is no design space"),
        ({"space": "gone.py:space"}, "there is no file gone.py"),
    ],
)
def test_mistakes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        sample(**({"space": "regnetx", "n": 1, "progress": QUIET} | changes))  # type: ignore[arg-type]


# ---------------------------------------------------------------- refining


@pytest.mark.parametrize("name", ["anynetx_a", "anynetx_e", "regnetx", "mbconv"])
def test_fixed_and_shared_choices(name: str) -> None:
    one = (
        SPACES[name].fixed(depth=13)
        if name == "regnetx"
        else SPACES[name].fixed(depth_2=2).shared("depth")
        if name != "mbconv"
        else SPACES[name].fixed(kernel=5)
    )
    for seed in range(30):
        asked = Pick(random.Random(seed))
        one(asked)
        values = {key: value for key, value in asked.chosen.items() if key.startswith("kernel" if name == "mbconv" else "depth")}
        assert set(values.values()) == {{"regnetx": 13, "mbconv": 5}.get(name, 2)}


def test_refining_a_users_function(own: Path) -> None:
    narrow = space(f"{own}:narrow")
    shared = narrow.fixed(depth=2, kind="padded").shared("width")
    report = check_space(shared, 50, image=32)
    assert (report.ok, report.free, report.none) == (True, 1, 0)
    assert check_space(narrow, 100, image=32).free == 4
    assert shared.name.endswith("own.py:narrow with depth=2, kind=padded, shared width")
    assert {design.fields()["depth"] for design in shared.sample(4, image=32, progress=QUIET)} == {2}


def test_b_is_a_with_a_shared_bottleneck() -> None:
    ours, theirs = SPACES["anynetx_a"].shared("bottleneck"), SPACES["anynetx_b"]
    assert all(ours(Pick(random.Random(i))) == theirs(Pick(random.Random(i))) for i in range(30))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"dpeth": 3}, "regnetx asks for no choice 'dpeth'; did you mean depth"),
        ({"depth": 99}, "depth is fixed to 99, expected 12 to 28"),
        ({"depth": 13.0}, "depth is fixed to 13.0, expected 12 to 28"),
        ({"depth": None}, "depth cannot be fixed to None"),
        ({"w_m": float("nan")}, "w_m cannot be fixed to nan"),
    ],
)
def test_choices_that_cannot_be_fixed(rules: dict[str, int], message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        nw.spaces.regnetx.fixed(**rules)


def test_choices_that_cannot_be_shared(own: Path) -> None:
    with pytest.raises(NetwrightError, match=r"has no choices depth_1, depth_2, \.\.\. to share"):
        nw.spaces.regnetx.shared("depth")
    with pytest.raises(NetwrightError, match="did you mean width"):
        nw.spaces.anynetx_a.shared("widht")
    with pytest.raises(NetwrightError, match="depth_2 and depth_1 cannot share a value: 1 to 4 is not 1 to 3"):
        nw.spaces.mbconv.shared("depth")
    with pytest.raises(NetwrightError, match="fall, expected rising ones"):
        nw.spaces.anynetx_d.fixed(width_1=512, width_2=8)


# ---------------------------------------------------------------- a user's own space


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("raises", r"the space \S*own.py:raises \(line 14\) fails: ZeroDivisionError: .* \(choices: depth=2\)"),
        ("word", r"the space \S*own.py:word returned 'width \d', expected a design or None \(choices: width=\d\)"),
        ("twice", r"own.py:twice \(line 18\) fails: asks for 'depth' twice with other bounds: 1 to 3, then 1 to 4"),
        ("counts", r"own.py:counts depends on more than its pick: draw \d+ made again gave another design from the same choices"),
        ("wanders", r"own.py:wanders depends on more than its pick: draw \d+ made again gave other choices"),
        ("broken", r"own.py:broken gives a design that cannot be: next: 3 groups do not divide .*\(choices: kind=2, groups=3\)"),
        ("never", r"own.py:never gave no design in 100 draws"),
    ],
)
def test_what_is_wrong_with_a_space_is_one_line(word: str, message: str, own: Path, capsys: Capture) -> None:
    report = check_space(f"{own}:{word}", 100, image=32)
    assert not report.ok
    assert any(re.search(message, problem) for problem in report.problems), report.problems
    assert not any("\n" in problem for problem in report.problems)
    assert main(["space", f"{own}:{word}", "--image", "32", "--draws", "100"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("word", "message"),
    [("narow", "did you mean narrow"), ("number", "is a int, not a space"), ("Odd", "not a space"), ("", "is not there")],
)
def test_a_name_that_is_no_space(word: str, message: str, own: Path, capsys: Capture) -> None:
    assert main(["space", f"{own}:{word}"]) == 2
    assert message in capsys.readouterr().err


def test_a_good_space_of_ones_own(own: Path) -> None:
    one = space(f"{own}:narrow")
    report = check_space(one, 100, image=32)
    assert report.ok
    assert report.networks <= 24
    assert [parameter.name for parameter in report.parameters] == ["depth", "width_1", "width_2", "kind"]
    assert one.at(classes=7).sample(2, image=32, progress=QUIET)[0].fields()["classes"] == 7
    assert isinstance(space(f"{own}:wide"), Space)
    assert isinstance(space(tower), OwnSpace)


# ---------------------------------------------------------------- the command


def test_the_command_samples_as_the_function_does(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "designs.json"
    words = ["space", "anynetx_c", "--image", "64", "--classes", "10", "--fix", "depth=2", "--share", "width", "--seed", "3"]
    limits = ["--sample", "4", "--min-macs", "1M", "--max-macs", "90M", "--max-params", "9M"]
    assert main([*words, *limits, "-o", str(out)]) == 0
    written = json.loads(out.read_text())
    one = nw.spaces.anynetx_c.at(64, 10).fixed(depth=2).shared("width")
    made = one.sample(4, macs=("1M", "90M"), params="9M", image=64, seed=3, progress=QUIET)
    assert [from_json(json.dumps(row["design"])) for row in written["sample"]] == list(made)
    assert [(row["params"], row["macs"], row["acts"]) for row in written["sample"]] == list(made.costs)
    assert written["draws"] == made.draws
    assert "4 designs from" in capsys.readouterr().out
    assert main([*words, *limits, "--json", "--workers", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["sample"] == written["sample"]
    assert main([*words, *limits]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_the_command_describes_and_lists(capsys: Capture) -> None:
    assert main(["space", "regnety", "--json", "--image", "64"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["degrees_of_freedom"]) == (True, 5)
    assert main(["space", "regnety"]) == 0
    assert "w_m" in capsys.readouterr().out
    assert main(["space"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SPACES)
    assert main(["space", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(SPACES)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("anynet_a", "did you mean anynetx_a"),
        ("regnetx --max-macs 3M", "give --sample N too"),
        ("regnetx --fix depth", "write NAME=VALUE"),
        ("regnetx --fix depht=13", "did you mean depth"),
        ("regnetx --share w", "to share"),
        ("regnetx --sample 2 --max-macs 0", "not an amount"),
        ("anynetx_a --image 32 --sample 2 --max-macs 10", "the smallest found has"),
        ("anynetx_a --image 32 --sample 2 -o /dev/null/x.json", "cannot write"),
    ],
)
def test_mistakes_on_the_command_line(line: str, message: str, capsys: Capture) -> None:
    assert main(["space", *line.split()]) == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error


def test_spaces_and_their_command_import_no_torch() -> None:
    program = (
        "import sys; from netwright.cli import main; "
        "code = main(['space', 'anynetx_a', '--image', '32', '--sample', '2', '--json']); "
        "sys.exit(code or bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
