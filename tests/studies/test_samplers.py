"""What holds for every sampler, on spaces of every kind; and which of them search better than blindly."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import NetwrightError
from netwright.graph import Design, trace
from netwright.spaces import Pick, regnet_for, space
from netwright.spaces.domains import Domain, of_plain, one_of, rising, whole
from netwright.spaces.domains import plain as plain_domain
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground, plain
from netwright.studies.limits import Limits
from netwright.studies.samplers import FRONTS, SAMPLERS, Sampler, sampler
from netwright.studies.samplers.evolution import Evolution
from netwright.studies.samplers.history import History
from netwright.studies.samplers.local import Local, neighbours
from netwright.studies.samplers.mirror import Mirror, MirrorPick
from netwright.studies.samplers.nsga2 import NSGA2
from netwright.studies.samplers.replay import Replay, replayed, several
from netwright.studies.samplers.tpe import TPE
from netwright.studies.table import Study, Table, cells, ended, ground, hypervolume, interval, trial_of
from netwright.studies.trials import COMPLETE, FAILED, LOST, RUNNING, STOPPED, Trial
from netwright.zoo.resnet import CifarResNet

ACCURACY = Goal()
ANYWHERE = [name for name in SAMPLERS if name != "grid"]  # a grid is for finite spaces


def branching(pick: Pick) -> Design | None:
    """Choices that depend on others: their names, their bounds and their options; and draws that are no member."""
    from netwright.blocks import Basic
    from netwright.zoo.regnet import AnyNet

    if pick.choice("kind", ("residual", "grouped")) == "residual":
        depth = pick.integer("depth", 1, 6)
        widths = tuple(range(4, 20, 2)) if depth > 2 else tuple(range(16, 48, 4))
        return CifarResNet(depth, Basic(), pick.choice("width", widths), classes=10, resolution=16)
    stages = pick.integer("stages", 2, 3)
    most = pick.integer("most", 2, 4)
    depths = tuple([pick.integer(f"deep_{i}", 1, most) for i in range(stages)])
    factor = pick.real("factor", 1.0, 4.0, digits=1)
    if factor > 3.5:
        return None
    same = (1,) * stages
    return AnyNet(depths, (8 * round(factor),) * stages, same, same, (2,) * stages, 0.0, 8, 1, classes=10, resolution=16)


SMALL = {"macs": ("0.2M", "40M")}
CASES: dict[str, tuple[Any, dict[str, Any], int]] = {
    "table": (cells, {"macs": "600K"}, 8),
    "memory": (cells, {"inference_memory": "150KB", "params": "60K"}, 8),
    "branching": (branching, {}, 16),
    "anynetx_d": (space("anynetx_d").at(32, 10), SMALL, 32),
    "refined": (space("anynetx_e").shared("width").fixed(depth_4=3, group_width=8).at(32, 10), SMALL, 32),
    "mbconv": (space("mbconv").at(32, 10), {"macs": ("1M", "8M")}, 32),
    "regnet": (regnet_for(32, 10), {"macs": ("8M", "12M")}, 32),
}


def ground_of(case: str, seed: int = 0) -> Ground:
    made, limits, image = CASES[case]
    return Ground(space(made), Limits.of(**limits), image, 3, seed)


def accuracy(totals: tuple[int, int, int]) -> float:
    return 0.9 - abs(math.log10(totals[1]) - 6.2) / 10


def outcome(trial: Trial, at: float) -> Trial:
    """Most trials are complete; some were stopped early, some failed."""
    if trial.slot % 7 == 3:
        return replace(ended(trial, None, STOPPED, at), curve={1: accuracy(trial.totals) / 2})
    if trial.slot % 11 == 5:
        return replace(ended(trial, None, FAILED, at), reason="diverged")
    return ended(trial, (accuracy(trial.totals),), at=at)


def contract(make: Callable[[], Sampler], ground: Ground, slots: int) -> list[Trial]:
    """A study with three workers' worth of running trials, one of them lost; every proposal is held to the contract."""
    lasting, trials = make(), list[Trial]()
    todo = list(range(slots))
    while todo:
        slot, number = todo.pop(0), len(trials)
        made = lasting.propose(slot, trials)
        if number % 6 == 1 or number == slots - 1:  # another worker, who comes later, proposes the same
            other = make().propose(slot, trials)
            assert (other.design, dict(other.chosen), dict(other.about)) == (made.design, dict(made.chosen), dict(made.about))
        graph = trace(made.design, ground.image, 3)
        assert made.totals == graph.totals
        assert ground.limits.counts.misses(graph.totals) == ""
        assert ground.limits.misses(made.design, ground.image) == ""
        assert made.draws >= 1
        again = Pick(random.Random(1), made.chosen)
        assert ground.space(again) == made.design
        assert again.chosen == dict(made.chosen)
        assert again.asked == dict(made.asked)
        assert plain(made.design) not in {trial.plain_design for trial in trials if trial.status != LOST}
        stored = json.loads(json.dumps([dict(made.chosen), dict(made.about)]))
        made = replace(made, chosen=stored[0], about=stored[1])
        trials.append(trial_of(made, number, slot))
        if number >= 3:
            before = trials[number - 3]
            trials[number - 3] = outcome(before, float(number))
            if number == 12:  # it is tried again in its slot
                trials[number - 3] = replace(before, status=LOST, finished=float(number))
                todo.insert(0, before.slot)
    return trials


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ANYWHERE)
def test_every_sampler_keeps_to_the_contract_on_every_space(name: str, case: str) -> None:
    ground = ground_of(case)
    trials = contract(lambda: sampler(name, ground, ACCURACY), ground, 30)
    assert len({trial.plain_design for trial in trials if trial.status != LOST}) == 30


def test_the_grid_keeps_to_the_contract_on_a_finite_space() -> None:
    few = space(cells).fixed(depth_1=1, depth_2=1, depth_3=2, width_1=8, group_width=1, squeeze=0)
    within = Ground(few, Limits.of(macs="600K"), 8, 3, 0)
    trials = contract(lambda: sampler("grid", within, ACCURACY), within, 30)
    assert [trial.slot for trial in trials if trial.status != LOST].count(9) == 1


@pytest.mark.parametrize("name", [name for name in FRONTS if name in ANYWHERE])
def test_samplers_for_fronts_keep_to_it_with_two_values(name: str) -> None:
    ground, goal = ground_of("table"), Goal(kind="pareto")
    made = Study(Table(0), goal).run(sampler(name, ground, goal), 45)
    assert all(trial.macs <= 600_000 for trial in made.trials)


@pytest.mark.parametrize("name", ANYWHERE)
def test_another_seed_gives_other_designs_and_so_does_another_slot(name: str) -> None:
    first, second = (sampler(name, ground_of("table", seed), ACCURACY).propose(0, []) for seed in (0, 1))
    third = sampler(name, ground_of("table"), ACCURACY).propose(1, [])
    assert len({plain(made.design) for made in (first, second, third)}) == 3


@pytest.mark.parametrize("name", ANYWHERE)
def test_only_failures_so_far_are_no_obstacle(name: str) -> None:
    one, trials = sampler(name, ground_of("branching"), ACCURACY), list[Trial]()
    for slot in range(25):
        made = one.propose(slot, trials)
        status = (FAILED, LOST, STOPPED, COMPLETE, RUNNING)[slot % 5]
        values = (math.nan,) if status == COMPLETE else None
        curve = {1: math.nan} if slot % 2 else {}
        trials.append(replace(ended(trial_of(made, slot, slot), values, status), curve=curve))


def test_nothing_within_the_limits_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netwright.studies.ground.PATIENCE", 20)
    nowhere = Ground(space(cells), Limits.of(macs="1K"), 8, 3, 0)
    for name in ANYWHERE:
        with pytest.raises(NetwrightError, match=r"no design of .*cells has at most 1,000 macs in 20 draws: widen the limits"):
            sampler(name, nowhere, ACCURACY).propose(0, [])


@pytest.mark.parametrize(
    ("name", "goal", "message"),
    [
        ("evolutoin", ACCURACY, "unknown sampler 'evolutoin'; did you mean evolution?"),
        ("zzz", ACCURACY, f"unknown sampler 'zzz'; there are {', '.join(SAMPLERS)}"),
        (
            "tpe",
            Goal(kind="pareto"),
            "the sampler tpe cannot search for a front of accuracy against macs: take random, grid or nsga2",
        ),
        ("local", Goal(kind="pareto", measure="params"), "accuracy against params: take random, grid or nsga2"),
    ],
)
def test_a_sampler_that_is_not_there_or_cannot_is_one_line(name: str, goal: Goal, message: str) -> None:
    with pytest.raises(NetwrightError) as error:
        sampler(name, ground(0), goal)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- what is remembered


def test_what_is_new_is_read_once_and_over_in_the_order_of_finishing() -> None:
    made = [ground(0).random(slot) for slot in range(4)]
    trials = [trial_of(one, number, number) for number, one in enumerate(made)]
    history = History()
    assert history.read(trials[:3]) == (trials[:3], [])
    trials[:2] = [ended(trials[0], (0.5,), at=9.0), ended(trials[1], (0.6,), at=4.0)]
    trials[3] = ended(trials[3], (0.7,), at=5.0)
    assert history.read(trials) == ([trials[3]], [trials[1], trials[3], trials[0]])
    assert [trial.number for trial in history.complete] == [1, 3, 0]
    assert history.read(trials) == ([], [])
    assert trials[2].plain_design in history.taken
    trials[2] = replace(trials[2], status=LOST, finished=10.0)
    assert history.read(trials) == ([], [trials[2]])
    assert trials[2].plain_design not in history.taken


def test_a_lost_trials_slot_gets_the_same_random_design() -> None:
    one = sampler("random", ground(0), ACCURACY)
    first = one.propose(0, [])
    lost = replace(trial_of(first, 0, 0), status=LOST)
    assert one.propose(0, [lost]).design == first.design
    assert one.propose(0, [lost, trial_of(first, 1, 7)]).design != first.design


# ---------------------------------------------------------------- choices repeated and changed


def test_only_what_is_free_is_changed() -> None:
    refined = space("anynetx_e").shared("width").fixed(depth_4=3, group_width=8)
    pick = Pick(random.Random(0))
    refined(pick)
    free = replayed(refined, pick.chosen).free
    assert set(free) == {"width_1", "bottleneck_1", "depth_1", "depth_2", "depth_3"}
    assert replayed(refined, pick.chosen).chosen == pick.chosen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["anynetx_d", "mbconv", "branching", "regnet", "refined"]))
def test_a_child_differs_in_one_choice_and_in_what_depends_on_it(seed: int, case: str) -> None:
    where, chance = ground_of(case).space, random.Random(seed)
    parent = Pick(chance)
    where(parent)
    free = [name for name, domain in replayed(where, parent.chosen).free.items() if several(domain)]
    name = free[seed % len(free)]
    child = Replay(chance, parent.chosen, {name})
    where(child)
    changed = {key for key in child.chosen if child.chosen[key] != parent.chosen.get(key)}
    if case == "branching":  # other choices may follow
        assert name in changed or child.chosen == parent.chosen
    elif case in ("anynetx_d", "refined"):  # between two equal neighbours there is no other value; shared ones follow
        assert {key.rpartition("_")[0] for key in changed} <= {name.rpartition("_")[0]}
    else:
        assert changed == {name}


@pytest.mark.parametrize("case", ["anynetx_d", "refined", "mbconv", "regnet", "branching", "table"])
def test_neighbours_are_members_and_differ(case: str) -> None:
    where = ground_of(case)
    start = where.random(0)
    found = neighbours(where.space, start.chosen)
    for near in found:
        pick = Replay(random.Random(0), near)
        where.space(pick)
        assert all(pick.chosen[name] == near[name] for name in pick.free if name in near)
        assert pick.chosen != dict(start.chosen)
    assert len({tuple(near.items()) for near in found}) == len(found)
    if case == "table":  # up and down for six ordered choices, and the others of three options
        ends = sum((start.chosen[f"depth_{i}"] in (1, 4)) + (start.chosen[f"width_{i}"] in (8, 40)) for i in (1, 2, 3))
        assert len(found) == 12 - ends + 2 + 1 + 1


def test_local_search_climbs_and_starts_again() -> None:
    """On a space of nine designs with two peaks, every neighbour of the peak is tried before a new climb starts."""

    def two(pick: Pick) -> Design:
        from netwright.blocks import Basic

        return CifarResNet(pick.integer("depth", 1, 9), Basic(), 8, classes=10, resolution=8)

    heights = dict(enumerate([0.5, 0.6, 0.7, 0.6, 0.1, 0.1, 0.2, 0.8, 0.9], 1))
    one, trials = Local(Ground(space(two), Limits(), 8, 3, 0)), list[Trial]()
    for slot in range(9):
        made = one.propose(slot, trials)
        trials.append(ended(trial_of(made, slot, slot), (heights[int(made.chosen["depth"])],)))
    assert {trial.chosen["depth"] for trial in trials} == set(heights)
    for i, trial in enumerate(trials):
        climb = [other for other in trials[:i] if other.about["climb"] == trial.about["climb"]]
        if climb:  # next to the best so far of its climb
            assert abs(int(trial.chosen["depth"]) - int(max(climb, key=lambda t: t.value).chosen["depth"])) == 1
        elif i:
            assert trial.about["from"] == "random"


def test_a_childs_parent_is_among_the_young() -> None:
    made = Study(Table(0), ACCURACY).run(Evolution(ground(0), startup=5, population=8), 60)
    for trial in made.trials[5:]:
        assert trial.about["from"] == "evolution"
        young = max(0, trial.number - min(max(trial.number // 2, 5), 8))
        parent = made.trials[trial.about["parent"]]
        assert parent.number >= young
        assert sum(trial.chosen[name] != parent.chosen[name] for name in trial.chosen) <= 2


# ---------------------------------------------------------------- the mirror


class Shares(optuna.samplers.RandomSampler):
    """Gives numbers from a list."""

    def __init__(self, shares: list[float]) -> None:
        super().__init__(seed=0)
        self.shares = list(shares)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self.shares.pop(0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rising_values_of_a_mirror_are_sorted_draws_between_those_held(data: st.DataObject) -> None:
    domain = whole(1, data.draw(st.integers(2, 30)), 1, data.draw(st.booleans()))
    shares = data.draw(st.lists(st.floats(0, 1), min_size=4, max_size=4))
    values = sorted(data.draw(st.lists(st.integers(1, domain.high), min_size=4, max_size=4)))
    held = tuple(value if data.draw(st.booleans()) else None for value in values)
    pick = MirrorPick(_mirror(), Shares(shares), _mirror().trial(0), {})
    made = pick._draw_rising([f"n_{i}" for i in range(4)], domain, held)
    assert made == sorted(made)
    assert all(one is None or one == value for one, value in zip(held, made, strict=True))
    if held == (None,) * 4:
        assert made == sorted(domain.at(share) for share in shares)


_MIRRORS: list[Mirror] = []


def _mirror() -> Mirror:
    if not _MIRRORS:
        _MIRRORS.append(Mirror(ground(0), ACCURACY, pruned=True))
        with _MIRRORS[0].asked():
            pass
    return _MIRRORS[0]


def test_the_mirror_holds_every_trial_once_with_its_free_choices_and_its_curve() -> None:
    where = ground_of("refined")
    mirror, goal_trials = Mirror(where, ACCURACY, pruned=True), list[Trial]()
    for slot in range(6):
        goal_trials.append(trial_of(where.random(slot), slot, slot))
        mirror.read(goal_trials)
    goal_trials[0] = ended(goal_trials[0], (0.25,))
    goal_trials[1] = replace(ended(goal_trials[1], None, STOPPED), curve={1: 0.5, 3: 0.125})
    goal_trials[2] = ended(goal_trials[2], None, FAILED)
    goal_trials[3] = ended(goal_trials[3], None, LOST)
    goal_trials[4] = ended(goal_trials[4], (math.inf,))
    for _ in range(3):
        mirror.read(goal_trials)
    held = mirror.study.trials
    assert [trial.state.name for trial in held] == ["COMPLETE", "PRUNED", "FAIL", "FAIL", "FAIL", "RUNNING"]
    assert held[0].values == [0.25]
    assert held[1].intermediate_values == {1: 0.5, 3: 0.125}
    names = {"width_1", "depth_1", "depth_2", "depth_3"}
    for trial, mirrored in zip(goal_trials, held, strict=True):
        assert {name.split(" ")[0] for name in mirrored.params} == names | {"bottleneck_1"}
        for name in names:
            assert trial.asked[name].at(mirrored.params[name]) == trial.chosen[name]  # type: ignore[union-attr]
    assert mirror.usable == 2


def test_shares_lead_back_to_every_value() -> None:
    domains: list[Domain] = [whole(8, 1024, 8, True), whole(1, 16, 1, True), whole(12, 28, 1, False), one_of("a", 1, True)]
    for domain in domains:
        assert of_plain(json.loads(json.dumps(plain_domain(domain)))) == domain
        if not hasattr(domain, "values"):
            values = range(domain.low, domain.high + 1, domain.step)  # type: ignore[union-attr]
            assert [domain.at(domain.share(value)) for value in values] == list(values)  # type: ignore[union-attr, arg-type]


def test_nothing_is_logged_and_no_setting_is_left_behind(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity(), list(warnings.filters)
    for name in ("tpe", "nsga2"):
        Study(Table(0), ACCURACY).run(sampler(name, ground(0), ACCURACY), 25)
    assert (optuna.logging.get_verbosity(), list(warnings.filters)) == before
    assert capfd.readouterr().err == ""


def test_tpe_looks_where_the_good_trials_are() -> None:
    """With the accuracy the width of the first stage alone, later designs have wide first stages."""
    trials, one = list[Trial](), TPE(ground(0), ACCURACY)
    for slot in range(40):
        made = one.propose(slot, trials)
        trials.append(ended(trial_of(made, slot, slot), (int(made.chosen["width_1"]) / 40,)))
    first, late = trials[:15], trials[25:]
    assert np.mean([t.value for t in late]) > np.mean([t.value for t in first]) + 0.1
    assert {trial.about["from"] for trial in late} <= {"tpe", "random"}
    assert all(trial.about["from"] == "random" for trial in first)


def test_generations_of_nsga2_follow_each_other_and_workers_agree() -> None:
    """Four workers with mirrors of their own, whose trials end out of order."""
    goal, table = Goal(kind="pareto"), Table(0)
    workers = [NSGA2(ground(0), goal, population=6) for _ in range(4)]
    trials: list[Trial] = []
    for slot in range(40):
        made = workers[slot % 4].propose(slot, trials)
        assert NSGA2(ground(0), goal, population=6).propose(slot, trials).design == made.design
        trials.append(trial_of(made, slot, slot))
        if slot % 4 == 3:
            for number in (slot, slot - 2, slot - 3, slot - 1):
                trial = trials[number]
                trials[number] = ended(
                    trial, goal.values(table.accuracy(trial.chosen), {"macs": trial.macs}), at=slot + number % 3
                )
    generations = [trial.about["attributes"]["FirstFinished:generation"] for trial in trials]
    assert generations == sorted(generations)
    assert [generations.count(i) for i in range(3)] == [8, 8, 8]  # six, and those begun before these had ended
    assert all(trial.about["from"] == "random" for trial in trials[:8])
    assert sum(trial.about["from"] == "nsga2" for trial in trials[8:]) > 25


def test_a_reward_may_be_searched_for_by_all_and_nsga2_takes_one_value() -> None:
    goal = Goal(kind="reward", measure="macs", target=200_000.0)
    for name in ("evolution", "nsga2"):
        made = Study(Table(0), goal).run(sampler(name, ground(0), goal), 60)
        assert np.mean(made.values[40:]) > np.mean(made.values[:20])


@pytest.mark.parametrize("order", [(None, None, None), (2, None, 2), (None, 5, None)])
def test_values_that_fall_are_an_error_for_every_pick(order: tuple[int | None, ...]) -> None:
    domain = whole(1, 8, 1, False)
    names = ["a_1", "a_2", "a_3"]
    from netwright.studies.samplers.controller import WalkPick
    from netwright.studies.samplers.policy import Lesson, Policy, Walk

    picks: list[Pick] = [
        Replay(random.Random(0), {}),
        MirrorPick(_mirror(), Shares([0.9, 0.1, 0.5]), _mirror().trial(0), {}),
        WalkPick(random.Random(0), Walk(Policy(0, Lesson()))),
    ]
    for pick in picks:
        made = pick._draw_rising(names, domain, order)
        assert made == sorted(made)
        assert all(one is None or one == value for one, value in zip(order, made, strict=True))
        with pytest.raises(NetwrightError, match="fall"):
            pick._draw_rising(names, domain, (5, None, 2))
    assert rising(domain, (2, None, 2), [0.0] * 3) == [2, 2, 2]


# ---------------------------------------------------------------- on the table

SEEDS = range(10)


def test_the_table_is_what_it_says() -> None:
    table = Table(3)
    assert table.accuracies.size == 96_000
    assert table.accuracies.mean() == pytest.approx(0.85, abs=1e-3)
    assert table.accuracies.std() == pytest.approx(0.03, rel=0.1)
    pick = Pick(random.Random(0))
    cells(pick)
    assert table.accuracy(pick.chosen) == Table(3).accuracy(pick.chosen) != Table(4).accuracy(pick.chosen)
    low, high = interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)
    assert hypervolume([(0.5, 2.0), (0.75, 3.0), (0.4, 2.5)], (0.25, 4.0)) == pytest.approx(0.25 * 2 + 0.25 * 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evolution", "local"])
def test_searching_beats_random_at_150_evaluations(name: str) -> None:
    """By the best accuracy that was found."""
    differences = []
    for seed in SEEDS:
        table = Table(seed)
        best = [max(Study(table, ACCURACY).run(sampler(one, ground(seed), ACCURACY), 150).values) for one in (name, "random")]
        differences.append(best[0] - best[1])
    assert interval(differences)[0] > 0, differences


@pytest.mark.slow
def test_nsga2s_front_dominates_more_than_randoms() -> None:
    goal, differences = Goal(kind="pareto"), []
    for seed in SEEDS:
        volumes = []
        for one in ("nsga2", "random"):
            made = Study(Table(seed), goal).run(sampler(one, ground(seed), goal), 150)
            points = [(trial.values[0], math.log(trial.values[1])) for trial in made.trials if trial.values]
            volumes.append(hypervolume(points, (0.75, math.log(5e6))))
        differences.append(volumes[0] - volumes[1])
    assert interval(differences)[0] > 0, differences
