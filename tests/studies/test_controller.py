"""The controller against REINFORCE worked out by hand, as a sampler of Optuna's, and on the table."""

from __future__ import annotations

import copy
import math
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase

from netwright.spaces import Pick, space
from netwright.spaces.domains import Real, one_of, whole
from netwright.studies.goals import Goal
from netwright.studies.samplers.controller import Controller, ControllerSampler, WalkPick, written
from netwright.studies.samplers.policy import BINS, Lesson, Policy, Step, Walk, places_of
from netwright.studies.table import Study, Table, ended, ground, interval, trial_of

STEPS = [Step("depth", 3, 2, 0, 2), Step("width", 5, 1, 1, 3), Step("depth", 3, 0, 0, 2)]
optuna.logging.set_verbosity(optuna.logging.WARNING)


def lstm_by_hand(policy: Policy, steps: list[Step]) -> list[np.ndarray]:
    """The chances at each step, in NumPy, from the equations of an LSTM."""

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    weights = {name: value.detach().numpy() for name, value in policy.lstm.named_parameters()}
    units = policy.lesson.units
    hidden, cells = np.zeros((2, units)), np.zeros((2, units))
    value, chances = policy.start.detach().numpy(), []
    for step in steps:
        for layer in range(2):
            gates = weights[f"weight_ih_l{layer}"] @ value + weights[f"bias_ih_l{layer}"]
            gates = gates + weights[f"weight_hh_l{layer}"] @ hidden[layer] + weights[f"bias_hh_l{layer}"]
            i, f, g, o = np.split(gates, 4)
            cells[layer] = sigmoid(f) * cells[layer] + sigmoid(i) * np.tanh(g)
            value = hidden[layer] = sigmoid(o) * np.tanh(cells[layer])
        name = policy.meet(step.key, step.count)
        scores = policy.outputs[name].detach().numpy() @ value + policy.biases[name].detach().numpy()
        odds = np.exp(scores[step.low : step.high + 1])
        chances.append(odds / odds.sum())
        value = policy.embeddings[name].detach().numpy()[step.place]
    return chances


def test_choices_have_the_chances_of_an_lstm() -> None:
    policy = Policy(0, Lesson(rate=0.05))
    for reward in range(4):  # so that they are not all alike
        policy.learn(STEPS, float(reward))
    chances = lstm_by_hand(policy, STEPS)
    for step, expected in zip(range(3), chances, strict=True):
        counts = np.zeros(len(expected))
        for share in (np.arange(100) + 0.5) / 100:
            walk = Walk(policy)
            for before in STEPS[:step]:
                walk.follow(before)
            asked = STEPS[step]
            counts[walk.choose(asked.key, asked.count, share, asked.low, asked.high) - asked.low] += 1
        assert counts / 100 == pytest.approx(expected, abs=0.011)


def test_weights_begin_within_008_from_the_seed_and_the_name() -> None:
    first, second, other = Policy(1, Lesson()), Policy(1, Lesson()), Policy(2, Lesson())
    for policy, keys in ((first, "ab"), (second, "ba"), (other, "ab")):
        for key in keys:
            policy.meet(key, 4)
    kept = dict(first.named_parameters())
    assert all(0.05 < float(value.detach().abs().max()) <= 0.08 for value in kept.values() if value.numel() > 30)
    assert all(torch.equal(value, kept[name]) for name, value in second.named_parameters())
    assert not any(torch.equal(value, kept[name]) for name, value in other.named_parameters())
    assert [layer for layer in ("l0", "l1", "l2") if any(layer in name for name in kept)] == ["l0", "l1"]
    assert first.lstm.hidden_size == 35


def test_torchs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    policy = Policy(0, Lesson())
    policy.learn(STEPS, 0.5)
    policy.learn(STEPS, 0.75)
    Walk(policy).choose("depth", 3, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


def log_chance(policy: Policy, steps: list[Step]) -> float:
    chances = lstm_by_hand(policy, steps)
    return sum(math.log(chance[step.place - step.low]) for chance, step in zip(chances, steps, strict=True))


def entropies(policy: Policy, steps: list[Step]) -> float:
    return sum(float(-(chance * np.log(chance)).sum()) for chance in lstm_by_hand(policy, steps))


@pytest.mark.parametrize("entropy", [0.0, 0.5])
def test_the_gradient_is_reinforces(entropy: float) -> None:
    """Of -(reward - baseline) log p - weight x entropy, by finite differences."""
    policy = Policy(0, Lesson(entropy=entropy))
    policy.learn(STEPS, 0.5)
    for step in STEPS:
        policy.meet(step.key, step.count)
    before = copy.deepcopy(policy.state_dict())
    policy.learn(STEPS, 0.8)
    slopes = {name: value.grad for name, value in policy.named_parameters()}
    policy.load_state_dict(before)
    name = policy.meet("width", 5)

    def loss() -> float:
        return -(0.8 - 0.5) * log_chance(policy, STEPS) - entropy * entropies(policy, STEPS)

    some = {f"outputs.{name}": (2, 3), f"embeddings.{name}": (1, 0), "start": (4,), "lstm.weight_hh_l0": (7, 2)}
    for key, place in some.items():
        value, ends = dict(policy.named_parameters())[key], []
        for change in (1e-5, -2e-5):
            with torch.no_grad():
                value[place] += change
            ends.append(loss())
        slope = slopes[key]
        assert slope is not None
        assert float(slope[place]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-9)
        with torch.no_grad():
            value[place] += 1e-5


def test_the_baseline_is_a_moving_average_and_the_first_reward_changes_nothing() -> None:
    policy = Policy(0, Lesson(decay=0.75))
    before = log_chance(policy, STEPS)
    policy.learn(STEPS, 0.5)
    assert (policy.baseline, log_chance(policy, STEPS)) == (0.5, before)
    policy.learn(STEPS, 0.9)
    assert policy.baseline == pytest.approx(0.75 * 0.5 + 0.25 * 0.9)
    better = log_chance(policy, STEPS)
    assert better > before
    for _ in range(5):
        policy.learn(STEPS, 0.1)
    assert log_chance(policy, STEPS) < better


def test_heat_flattens() -> None:
    policy = Policy(0, Lesson(rate=0.05))
    for i in range(5):
        policy.learn([Step("a", 4, 1, 0, 3)], float(i))
    shares = (np.arange(400) + 0.5) / 400
    often = [sum(Walk(policy, heat).choose("a", 4, share) == 1 for share in shares) for heat in (1.0, 2.0, 100.0)]
    assert 200 < often[0] < 400
    assert often[0] > often[1] > often[2]
    assert often[2] == pytest.approx(100, abs=10)


# ---------------------------------------------------------------- places


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 400), st.integers(1, 16), st.booleans())
def test_every_value_has_one_place_and_places_hold_about_equal_chances(low: int, count: int, step: int, log: bool) -> None:
    domain = whole(low, low + step * (count - 1), step, log)
    places = places_of(domain)
    found = [places.of(value) for value in range(domain.low, domain.high + 1, step)]
    assert found == sorted(found)
    assert set(found) == set(range(places.count))
    assert places.count == count if count <= BINS else places.count <= BINS
    for place in range(places.count):
        mine = [domain.low + step * i for i, one in enumerate(found) if one == place]
        drawn = {places.value(place, share / 331) for share in range(331)}
        assert drawn <= set(mine)
        assert len(mine) > 100 or drawn == set(mine)
    if not log and count > 64:
        assert max(map(found.count, set(found))) <= 2 * min(map(found.count, set(found)))


def test_places_of_real_numbers_and_options() -> None:
    real = places_of(Real(2.0, 3.0, log=True))
    assert (real.count, real.of(2.0), real.of(3.0)) == (16, 0, 15)
    assert all(real.of(real.value(place, 0.5)) == place for place in range(16))
    options = places_of(one_of("a", 1, True))
    assert [options.of(options.value(place, 0.9)) for place in range(3)] == [0, 1, 2]
    assert places_of(whole(1, 10**9, 1, False)).count == 16


@pytest.mark.parametrize("name", ["anynetx_a", "anynetx_d", "anynetx_e", "mbconv", "regnetx"])
def test_what_was_written_is_read_back_step_by_step(name: str) -> None:
    where, policy = space(name), Policy(0, Lesson())
    for seed in range(8):
        walk = Walk(policy)
        pick = WalkPick(random.Random(seed), walk)
        where(pick)
        assert written(where, pick.chosen) == walk.steps
        assert all(step.low <= step.place <= step.high for step in walk.steps)


# ---------------------------------------------------------------- our sampler


def test_it_learns_in_the_order_of_finishing_whoever_asks() -> None:
    lesson = Lesson(rate=0.05)
    goal_table, trials = Table(0), []
    lasting = Controller(ground(0), lesson)
    for slot in range(12):
        made = lasting.propose(slot, trials)
        trials.append(ended(trial_of(made, slot, slot), (goal_table.accuracy(made.chosen),)))
    late = Controller(ground(0), lesson)
    assert late.propose(12, trials).design == lasting.propose(12, trials).design
    assert late.policy.baseline == lasting.policy.baseline
    other = Controller(ground(0), lesson)
    other.propose(12, [ended(trial, trial.values, at=99.0 - trial.number) for trial in trials])
    assert other.policy.baseline != late.policy.baseline


def test_one_that_has_settled_still_proposes_new_designs() -> None:
    one = Controller(ground(0), Lesson(rate=0.5))
    made = Study(Table(0), Goal()).run(one, 16)
    assert len({trial.plain_design for trial in made.trials}) == 16


@pytest.mark.slow
def test_its_late_designs_are_better_than_random_ones_on_the_table() -> None:
    """The mean reward of the last 50 of 150 trials, over 10 seeds, paired."""
    from netwright.studies.samplers import sampler

    differences = []
    for seed in range(10):
        means = []
        for name in ("controller", "random"):
            made = Study(Table(seed), Goal()).run(sampler(name, ground(seed), Goal()), 150)
            means.append(float(np.mean(made.values[100:])))
        differences.append(means[0] - means[1])
    assert interval(differences)[0] > 0, differences


# ---------------------------------------------------------------- as a sampler of Optuna's


class TestInOptuna(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's own contract for samplers."""

    @pytest.fixture
    def sampler(self) -> Callable[[], optuna.samplers.BaseSampler]:
        return lambda: ControllerSampler(seed=0)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_int("x", 0, 9)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    step = trial.suggest_float("step", 0.0, 1.0, step=0.25)
    extra = trial.suggest_int("many", 1, 10**9, log=True) if kind == "a" else 1
    return x / 9 + (kind == "b") + rate + step - 0 * extra


def values_of(study: optuna.Study) -> list[float]:
    return [trial.values[0] for trial in study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_it_improves_a_plain_objective_both_ways(direction: str) -> None:
    study = optuna.create_study(direction=direction, sampler=ControllerSampler(seed=1, lesson=Lesson(rate=0.01)))
    study.optimize(objective, n_trials=150)
    values = values_of(study)
    change = float(np.mean(values[100:]) - np.mean(values[:30]))
    assert change > 0.3 if direction == "maximize" else change < -0.3


def test_the_same_seed_gives_the_same_study_and_another_another() -> None:
    runs = []
    for seed in (3, 3, 4):
        study = optuna.create_study(sampler=ControllerSampler(seed=seed))
        study.optimize(objective, n_trials=12)
        runs.append(values_of(study))
    assert runs[0] == runs[1] != runs[2]


def test_a_study_that_goes_on_is_learnt_from() -> None:
    study = optuna.create_study(direction="maximize", sampler=ControllerSampler(seed=0))
    study.optimize(objective, n_trials=20)
    later = ControllerSampler(seed=0)
    study.sampler = later
    study.optimize(objective, n_trials=1)
    earlier = ControllerSampler(seed=0)
    fresh = optuna.create_study(direction="maximize", sampler=earlier)
    fresh.optimize(objective, n_trials=1)
    assert later._policy.baseline != earlier._policy.baseline
    assert len(later._learnt) == 20


def test_it_survives_pickling_enqueued_trials_and_failures() -> None:
    study = optuna.create_study(direction="maximize", sampler=pickle.loads(pickle.dumps(ControllerSampler(seed=0))))
    study.enqueue_trial({"x": 7, "rate": 0.5})

    def fails(trial: optuna.Trial) -> float:
        value = objective(trial)
        if trial.number == 3:
            raise optuna.TrialPruned
        return value

    study.optimize(fails, n_trials=6)
    assert study.trials[0].params["x"] == 7
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials].count("COMPLETE") == 7


def test_threads_may_share_it() -> None:
    study = optuna.create_study(direction="maximize", sampler=ControllerSampler(seed=0))
    study.optimize(objective, n_trials=24, n_jobs=4)
    assert len(values_of(study)) == 24


def test_pick_of_a_space_with_nothing_to_choose_learns_nothing() -> None:
    def one(pick: Pick) -> Any:
        from netwright.zoo.regnet import AnyNet

        pick.integer("depth", 2, 2)
        return AnyNet(classes=10, resolution=32)

    assert written(space(one), {"depth": 2}) == []
    policy = Policy(0, Lesson())
    policy.learn([], 0.5)
    policy.learn([], 0.7)
    assert policy.baseline == pytest.approx(0.52)
