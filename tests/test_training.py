from __future__ import annotations

import math
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
from netwright.data import Pictures, open_source
from netwright.errors import FailedError
from netwright.preprocessing import whole
from netwright.training import Epoch, Evaluation, Recipe, evaluate_model, fit
from netwright.training.augment import augment
from netwright.training.batches import Normalize, to_batch
from netwright.training.loop import Task, learning_rate, training_layout
from tests.conftest import make_photos

NET = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=10, resolution=8)


@pytest.fixture(scope="module")
def task() -> Task:
    source = open_source("digits")
    data = source.split(seed=0)
    train, test = source.read(data.train, whole(8), None), source.read(data.test, whole(8), None)
    return Task(train, Normalize.of(train.pixels), 8, mirror=False, validation=test)


def trained(task: Task, recipe: Recipe, **options: object) -> tuple[torch.nn.Module, list[Epoch]]:
    model = nw.build(NET, 8, channels=1, seed=0)
    return model, fit(model, task, recipe, **options)  # type: ignore[arg-type]


def timeless(history: list[Epoch]) -> list[tuple[object, ...]]:
    return [(e.epoch, e.loss, e.accuracy, e.validation) for e in history]


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


class StopError(Exception):
    """Stands for whatever ends a training."""


@pytest.mark.parametrize("after", [1, 2, 3])
def test_going_on_is_the_same_as_not_stopping(task: Task, tmp_path: Path, after: int) -> None:
    recipe = Recipe(epochs=4)
    whole, curve = trained(task, recipe)

    def stop(done: int, total: int, epoch: Epoch | None) -> None:
        if epoch is None and done > after * total / 4 + 5:
            raise StopError

    with pytest.raises(StopError):
        trained(task, recipe, checkpoint=tmp_path / "c.pt", watch=stop)
    again, history = trained(task, recipe, checkpoint=tmp_path / "c.pt")
    assert same_weights(whole, again)
    assert timeless(history) == timeless(curve)


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "other"])
def test_a_damaged_checkpoint_is_told_and_training_starts_again(task: Task, tmp_path: Path, damage: str) -> None:
    recipe, path = Recipe(epochs=2), tmp_path / "c.pt"
    whole, _ = trained(task, recipe, checkpoint=path)
    sound = path.read_bytes()
    middle = len(sound) // 2
    flipped = sound[:middle] + bytes(b ^ 255 for b in sound[middle : middle + 64]) + sound[middle + 64 :]
    path.write_bytes({"empty": b"", "half": sound[:middle], "flipped": flipped, "other": b"not a checkpoint"}[damage])
    with pytest.warns(UserWarning, match=r"c\.pt is damaged .*: this training starts again"):
        again, _ = trained(task, recipe, checkpoint=path)
    assert same_weights(whole, again)


def test_training_leaves_the_global_generator_alone(task: Task) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained(task, Recipe(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_diverged_training_says_so(task: Task) -> None:
    with pytest.raises(FailedError, match="training diverged in epoch"):
        trained(task, Recipe(epochs=2, lr=1e30, warmup_epochs=0))


def test_the_learning_rate_by_hand() -> None:
    recipe = Recipe(epochs=10, batch=64, lr=0.2, warmup_epochs=2)
    assert learning_rate(recipe, 1) == pytest.approx(0.05)
    assert learning_rate(recipe, 2) == pytest.approx(0.1)
    assert learning_rate(recipe, 6) == pytest.approx(0.05)
    assert learning_rate(recipe, 10) == pytest.approx(0, abs=1e-12)
    assert learning_rate(recipe.replace(warmup_epochs=8), 2.5) == pytest.approx(0.1)  # at most a quarter is warm-up


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


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_whole_crop_without_mirror_is_the_picture() -> None:
    batch = torch.rand(4, 3, 40, 40)
    seen = [augment(batch, 40, 1.0, False, generator(seed)) for seed in range(3)]
    assert all(view.shape == batch.shape for view in seen)
    flat = torch.full((8, 1, 40, 40), 0.25)
    torch.testing.assert_close(augment(flat, 32, 0.3, True, generator()), torch.full((8, 1, 32, 32), 0.25))


def test_mirror_images_are_exact_and_half_of_them() -> None:
    batch = torch.rand(400, 1, 8, 8)
    still = augment(batch, 8, 1.0, False, generator(3))
    turned = augment(batch, 8, 1.0, True, generator(3))
    plain = [bool(torch.allclose(a, b, atol=1e-5)) for a, b in zip(still, turned, strict=True)]
    assert 150 < sum(plain) < 250


@given(st.integers(0, 1000))
def test_small_pictures_are_shifted_by_at_most_an_eighth(seed: int) -> None:
    batch = torch.zeros(1, 1, 16, 16)
    batch[0, 0, 8, 8] = 1
    seen = augment(batch, 16, 0.1, False, generator(seed))[0, 0]
    where = (seen > 0).nonzero()
    assert 5 <= int(where.min()) <= int(where.max()) <= 11
    assert float(seen.sum()) == pytest.approx(1, abs=1e-4)


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
    tiny = Task(some, task.normalize, 8, mirror=False)
    net = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=2, classes=10)
    fit(nw.build(net, 8, channels=1, seed=0), tiny, Recipe(epochs=1, batch=batch))


def test_a_narrow_strided_projection_does_not_corrupt_memory(tmp_path: Path) -> None:
    """oneDNN 3.12 aborts the process here in channels-last layout (AVX-512, two threads or more, an odd batch)."""
    narrow = nw.zoo.RegNet(depth=5, w_0=8, w_a=12.02, w_m=2.92, group_width=16, stem=24, classes=3)
    assert training_layout(narrow, 48, 3) is torch.contiguous_format
    assert training_layout(narrow.replace(w_0=16), 48, 3) is torch.channels_last
    photos = make_photos(tmp_path / "photos", each=53, side=48)  # 126 of them to train on
    recipe = "nw.Recipe(epochs=15, batch=63)"
    program = f"import netwright as nw; nw.train(nw.zoo.{narrow!r}, {str(photos)!r}, image=48, recipe={recipe})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
