from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

import netwright as nw
from netwright.data import Pictures
from netwright.errors import FailedError
from netwright.training import Epoch, Evaluation, Machine, Moment, Recipe, Session, evaluate_model, fit
from netwright.training.engine.batches import Batches, Task, Where
from netwright.training.engine.checkpoints import Checkpoints
from netwright.training.engine.choosing import sound_layouts
from netwright.training.engine.ema import Average
from netwright.training.engine.rates import learning_rate
from netwright.training.normalize import Normalize, to_batch
from netwright.training.recipes.recipe import Augmentation, Averaging, Optimizing, Resizing, Schedule
from tests.conftest import make_photos
from tests.training import NET, digits_task, same_weights, timeless


@pytest.fixture(scope="module")
def task() -> Task:
    return digits_task()


def trained(task: Task, recipe: Recipe, **options: object) -> tuple[torch.nn.Module, list[Epoch]]:
    model = nw.build(NET, 8, channels=1, seed=0)
    return model, fit(model, task, recipe, Session(**options))  # type: ignore[arg-type]


def test_it_learns(task: Task) -> None:
    _, history = trained(task, Recipe(epochs=12))
    assert history[-1].validation is not None
    assert history[-1].validation > 0.8
    assert history[-1].loss < history[0].loss


def test_the_same_seed_gives_the_same_weights(task: Task) -> None:
    recipe = Recipe(epochs=2)
    (first, curve), (second, again) = trained(task, recipe), trained(task, recipe)
    assert same_weights(first, second)
    assert timeless(curve) == timeless(again)
    other, _ = trained(task, recipe, seed=1)
    assert not same_weights(first, other)


def test_training_leaves_the_global_generator_alone(task: Task) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained(task, Recipe(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_diverged_training_says_so(task: Task) -> None:
    with pytest.raises(FailedError, match="training diverged in epoch"):
        trained(task, Recipe(epochs=2, optimizer=Optimizing(lr=1e30, clip_norm=0.0), schedule=Schedule(warmup_epochs=0.0)))


def test_a_diverged_training_names_the_last_good_checkpoint(task: Task, tmp_path: Path) -> None:
    """No checkpoint with weights that are no numbers is ever written."""
    recipe = Recipe(epochs=2, optimizer=Optimizing(lr=1e18, clip_norm=0.0))
    with pytest.raises(FailedError, match=r"training diverged .*the last good checkpoint is .*step-"):
        trained(task, recipe, checkpoints=Checkpoints(tmp_path), every=0.0)
    state = Checkpoints(tmp_path).newest()
    assert state is not None
    assert all(bool(value.isfinite().all()) for value in state.tensors.values())


def test_the_learning_rate_by_hand() -> None:
    recipe = Recipe(epochs=10, batch=64, optimizer=Optimizing(lr=0.2), schedule=Schedule(warmup_epochs=2.0))
    assert learning_rate(recipe, 1) == pytest.approx(0.05)
    assert learning_rate(recipe, 2) == pytest.approx(0.1)
    assert learning_rate(recipe, 6) == pytest.approx(0.05)
    assert learning_rate(recipe, 10) == pytest.approx(0, abs=1e-12)
    longer = recipe.replace(schedule=Schedule(warmup_epochs=8.0))
    assert learning_rate(longer, 2.5) == pytest.approx(0.1)  # at most a quarter is warm-up


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule("cosine", 0.0, final=0.1), [1.0, 0.55, 0.1]),
        (Schedule("linear", 0.0), [1.0, 0.5, 0.0]),
        (Schedule("multistep", 0.0, milestones=(4.0, 5.0), factor=0.5), [1.0, 0.25, 0.25]),
        (Schedule("steps", 0.0, every=5.0, factor=0.1), [1.0, 0.1, 0.01]),
        (Schedule("constant", 0.0), [1.0, 1.0, 1.0]),
    ],
)
def test_every_schedule_at_its_beginning_middle_and_end(schedule: Schedule, expected: list[float]) -> None:
    recipe = Recipe(epochs=10, batch=32, optimizer=Optimizing(lr=1.0, lr_batch=0), schedule=schedule)
    assert [learning_rate(recipe, epoch) for epoch in (0, 5, 10)] == pytest.approx(expected)


@example(n=4, classes=2, seed=1)  # all right: rounding once left the accuracy outside its interval
@given(st.integers(1, 40), st.integers(2, 12), st.integers(0, 2**31))
def test_an_evaluation_is_scikit_learns(n: int, classes: int, seed: int) -> None:
    source = np.random.default_rng(seed)
    probabilities = source.dirichlet(np.ones(classes), n)
    labels = source.integers(0, classes, n)
    made = Evaluation(torch.from_numpy(probabilities), torch.from_numpy(labels))
    assert made.accuracy == pytest.approx(accuracy_score(labels, probabilities.argmax(1)))
    assert made.loss == pytest.approx(log_loss(labels, probabilities, labels=range(classes)), rel=1e-6)
    low, high = made.interval
    assert 0 <= low <= made.accuracy <= high <= 1
    if classes > 5:
        expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(classes))
        assert made.top5 == pytest.approx(expected)
    else:
        assert made.top5 == 1
    for label, share in enumerate(made.per_class()):
        mine = labels == label
        assert share is None if not mine.any() else share == pytest.approx((probabilities.argmax(1) == label)[mine].mean())


def test_the_interval_is_wilsons() -> None:
    """81 of 263 (Newcombe 1998, Table I): 0.2553 to 0.3662."""
    probabilities = torch.zeros(263, 2).index_put((torch.arange(263), (torch.arange(263) >= 81).long()), torch.tensor(1.0))
    low, high = Evaluation(probabilities, torch.zeros(263, dtype=torch.long)).interval
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_evaluation_does_not_change_the_model(task: Task) -> None:
    model = nw.build(NET, 8, channels=1, seed=0).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert task.validation is not None
    evaluate_model(model, task.validation, task.normalize)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@given(st.integers(1, 60), st.sampled_from([1, 3]))
def test_normalize_is_numpys_mean_and_deviation(n: int, channels: int) -> None:
    pixels = np.random.default_rng(n).integers(0, 256, (n, 5, 5, channels), dtype=np.uint8)
    normalize = Normalize.of(pixels)
    shown = normalize(to_batch(pixels)).double()
    assert float(shown.mean((0, 2, 3)).abs().max()) < 1e-4
    assert float((shown.std((0, 2, 3), correction=0) - 1).abs().max()) < 1e-3


def test_one_colour_pictures_do_not_divide_by_zero() -> None:
    assert all(math.isfinite(x) and x > 0 for x in Normalize.of(np.zeros((3, 4, 4, 3), np.uint8)).std)


@pytest.mark.parametrize(("pictures", "batch"), [(65, 64), (5, 1), (2, 64), (3, 2)])
def test_no_batch_has_a_single_picture(task: Task, pictures: int, batch: int) -> None:
    """Batch statistics of one-pixel maps need more than one picture: 65 in batches of 64 become 33 and 32."""
    some = Pictures(task.train.pixels[:pictures], task.train.labels[:pictures], task.train.names[:pictures])
    tiny = Task(some, task.normalize, 8, False, 10)
    net = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=2, classes=10)
    fit(nw.build(net, 8, channels=1, seed=0), tiny, Recipe(epochs=1, batch=batch))


def test_a_narrow_strided_projection_does_not_corrupt_memory(tmp_path: Path) -> None:
    """oneDNN 3.12 aborts the process here in channels-last layout (AVX-512, two threads or more, an odd batch)."""
    narrow = nw.zoo.RegNet(depth=5, w_0=8, w_a=12.02, w_m=2.92, group_width=16, stem=24, classes=3)
    assert sound_layouts(nw.trace(narrow, 48)) == ("contiguous",)
    assert sound_layouts(nw.trace(narrow.replace(w_0=16), 48)) == ("channels_last", "contiguous")
    photos = make_photos(tmp_path / "photos", each=53, side=48)  # 126 of them to train on
    recipe = "nw.Recipe(epochs=15, batch=63)"
    program = f"import netwright as nw; nw.train(nw.zoo.{narrow!r}, {str(photos)!r}, image=48, recipe={recipe})"
    threads = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=threads)
    assert done.returncode == 0, done.stderr


def test_the_average_is_the_formula(task: Task) -> None:
    """In NumPy, over the weights after each step: decay (1 + t) / (10 + t) at first, then 0.9."""
    model = nw.build(NET, 8, channels=1, seed=0)
    name = "stem.0.weight" if "stem.0.weight" in model.state_dict() else next(iter(model.state_dict()))
    seen = [model.state_dict()[name].numpy().copy()]
    average = Average(model, 0.9)
    for step in range(1, 120):
        with torch.no_grad():
            model.state_dict()[name].add_(0.1 * step)
        seen.append(model.state_dict()[name].numpy().copy())
        average.update(model, torch.tensor(average.share_at(step)))
    expected = seen[0].astype(np.float64)
    for step, value in enumerate(seen[1:], 1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    np.testing.assert_allclose(average.values[name].numpy(), expected, rtol=1e-4)


def test_what_is_kept_is_the_average(task: Task) -> None:
    last, _ = trained(task, Recipe(epochs=1))
    mean, history = trained(task, Recipe(epochs=1, ema=Averaging(decay=0.99)))
    assert not same_weights(last, mean)
    assert task.validation is not None
    assert evaluate_model(mean, task.validation, task.normalize).accuracy == history[-1].validation


def test_an_average_of_the_last_step_alone_is_no_average(task: Task) -> None:
    last, _ = trained(task, Recipe(epochs=1))
    mean, _ = trained(task, Recipe(epochs=1, ema=Averaging(decay=1e-9)))
    for name, value in last.state_dict().items():
        torch.testing.assert_close(mean.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_gradients_of_parts_add_up_to_those_of_the_batch(task: Task) -> None:
    """Without batch norm, whose statistics are those of a part."""
    net = nw.zoo.SqueezeNet(classes=10, dropout=0.0)
    large = Task(task.train, task.normalize, 40, False, 10)
    weights = []
    for micro in (0, 5, 7):
        model = nw.build(net, 40, channels=1, seed=0)
        batches = Batches(large, Recipe(batch=16), 0, Where(torch.device("cpu"), torch.contiguous_format))
        batch = next(iter(batches.of(0)))
        from netwright.training.engine.step import Stepper

        machine = Machine(micro_batch=micro, layout="contiguous")
        stepper = Stepper(model, Recipe(batch=16), machine, Where(torch.device("cpu"), torch.contiguous_format))
        stepper(batch, 0.01, 0, 0)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(weights[0], weights[2], rtol=1e-5, atol=1e-7)


class Greedy(torch.nn.Module):
    """A network that takes no more than so many pictures at once, as a GPU would say it."""

    def __init__(self, inner: torch.nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.inner(x)  # norms have seen the batch when the memory is gone
        if self.training and len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return made


def test_an_evaluation_that_memory_does_not_suffice_for_goes_on_in_halves(task: Task) -> None:
    from netwright.training import evaluate_model

    class Tight(torch.nn.Module):
        """As `Greedy`, in evaluation."""

        def __init__(self, inner: torch.nn.Module, most: int) -> None:
            super().__init__()
            self.inner, self.most, self.seen = inner, most, list[int]()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            self.seen.append(len(x))
            made: torch.Tensor = self.inner(x)
            return made

    model = nw.build(NET, 8, channels=1, seed=0)
    whole, tight = evaluate_model(model, task.train, task.normalize, 100), Tight(model, 30)
    parts = evaluate_model(tight, task.train, task.normalize, 100)
    torch.testing.assert_close(parts.probabilities, whole.probabilities, rtol=1e-5, atol=1e-6)
    assert max(tight.seen) == 25
    assert sum(tight.seen) == len(task.train)
    with pytest.raises(torch.OutOfMemoryError):
        evaluate_model(Tight(model, 0), task.train, task.normalize)


def test_where_memory_does_not_suffice_smaller_parts_are_taken(task: Task) -> None:
    said: list[str] = []
    model = nw.build(NET, 8, channels=1, seed=0)
    small = nw.build(NET, 8, channels=1, seed=0)
    greedy = fit(Greedy(model, 20), task, Recipe(epochs=1), Session(say=said.append))
    assert len(said) == 2
    assert "32 are computed at a time" in said[0]
    assert "16 are computed at a time" in said[1]
    expected = fit(small, task, Recipe(epochs=1), Session(machine=Machine(micro_batch=16)))
    assert same_weights(model, small)
    assert timeless(greedy) == timeless(expected)


def test_memory_for_one_picture_only_is_an_error(task: Task) -> None:
    with pytest.raises(FailedError, match="memory does not suffice for two pictures"):
        fit(Greedy(nw.build(NET, 8, channels=1, seed=0), 1), task, Recipe(epochs=1), Session())


def test_images_grow_in_the_steps_of_the_recipe(task: Task) -> None:
    grow = Recipe(epochs=10, resize=Resizing(start=0.5, until=0.5, multiple=2))
    made = Batches(Task(task.train, task.normalize, 8, False, 10), grow, 0, Where(torch.device("cpu"), torch.contiguous_format))
    assert [made.image_at(epoch) for epoch in range(10)] == [4, 4, 6, 6, 8, 8, 8, 8, 8, 8]
    assert next(iter(made.of(0))).x.shape[-2:] == (4, 4)
    assert next(iter(made.of(9))).x.shape[-2:] == (8, 8)


def test_repeated_augmentation_shows_each_picture_so_many_times(task: Task) -> None:
    recipe = Recipe(batch=60, augment=Augmentation(repeats=3))
    made = Batches(task, recipe, 0, Where(torch.device("cpu"), torch.contiguous_format))
    for part in made.order(0):
        numbers, counts = part.unique(return_counts=True)
        assert set(counts.tolist()) == {3}
        assert len(numbers) <= 20
    assert made.steps == Batches(task, Recipe(batch=60), 0, made.where).steps


def test_an_epoch_shows_every_picture_once_in_a_new_order(task: Task) -> None:
    made = Batches(task, Recipe(), 3, Where(torch.device("cpu"), torch.contiguous_format))
    first, second = (torch.cat(made.order(epoch)) for epoch in (0, 1))
    assert sorted(first.tolist()) == list(range(len(task.train)))
    assert sorted(second.tolist()) == list(range(len(task.train)))
    assert not torch.equal(first, second)


def test_balanced_classes_weigh_the_same(task: Task) -> None:
    from netwright.training.recipes.recipe import Loss

    few = np.flatnonzero((task.train.labels == 3) | (np.arange(len(task.train)) % 7 == 0))
    some = Pictures(task.train.pixels[few], task.train.labels[few], tuple(task.train.names[i] for i in few))
    recipe = Recipe(batch=len(few), loss=Loss(class_weights="balanced"))
    made = Batches(Task(some, task.normalize, 8, False, 10), recipe, 0, Where(torch.device("cpu"), torch.contiguous_format))
    batch = next(iter(made.of(0)))
    assert float(batch.share.sum()) == pytest.approx(1, abs=1e-5)
    each = [float(batch.share[batch.labels == label].sum()) for label in range(10)]
    assert each == pytest.approx([0.1] * 10, abs=1e-4)


def test_watchers_are_told_every_step_and_the_end_of_every_epoch(task: Task) -> None:
    seen: list[Moment] = []
    _, history = trained(task, Recipe(epochs=2), watch=seen.append)
    assert [moment.done for moment in seen] == list(range(1, seen[0].total + 1))
    assert [moment.ended for moment in seen if moment.ended] == history
    assert all(math.isfinite(moment.loss) and moment.lr > 0 for moment in seen)
