"""Losses against torch's own and against numpy's arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.errors import NetwrightError
from netwright.training.engine.distilling import distilled
from netwright.training.engine.losses import per_picture, weights
from netwright.training.recipes.recipe import Loss, Teacher


def case(n: int = 6, classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels, and mixed targets."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(n, classes, generator=generator)
    labels = torch.randint(classes, (n,), generator=generator)
    soft = torch.rand(n, classes, generator=generator)
    return logits, labels, soft / soft.sum(1, keepdim=True)


def log_softmax(logits: Any) -> Any:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


@given(smoothing=st.floats(0, 1), classes=st.integers(2, 20), mixed=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_cross_entropy_is_numpys(smoothing: float, classes: int, mixed: bool, seed: int) -> None:
    logits, labels, soft = case(7, classes, seed)
    targets = soft if mixed else labels
    made = per_picture(logits, targets, Loss(label_smoothing=smoothing))
    wanted = soft.double().numpy() if mixed else np.eye(classes)[labels.numpy()]
    wanted = wanted * (1 - smoothing) + smoothing / classes
    assert made.shape == (7,)
    assert np.allclose(made, -(wanted * log_softmax(logits.double().numpy())).sum(1), atol=1e-4)


@given(smoothing=st.floats(0, 1), classes=st.integers(2, 20), mixed=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_binary_cross_entropy_is_numpys(smoothing: float, classes: int, mixed: bool, seed: int) -> None:
    logits, labels, soft = case(7, classes, seed)
    made = per_picture(logits, soft if mixed else labels, Loss(kind="bce", label_smoothing=smoothing))
    wanted = soft.double().numpy() if mixed else np.eye(classes)[labels.numpy()]
    wanted = wanted * (1 - smoothing) + smoothing / classes
    x = logits.double().numpy()
    each = wanted * np.logaddexp(0, -x) + (1 - wanted) * np.logaddexp(0, x)
    assert np.allclose(made, each.mean(1), atol=1e-5)


def test_the_mean_is_torchs() -> None:
    logits, labels, soft = case()
    for targets in (labels, soft):
        ours = per_picture(logits, targets, Loss(label_smoothing=0.1)).mean()
        assert torch.allclose(ours, nn.CrossEntropyLoss(label_smoothing=0.1)(logits, targets))


@pytest.mark.parametrize("kind", ["ce", "bce"])
def test_losses_are_float32_and_have_gradients(kind: Any) -> None:
    logits, labels, soft = case()
    for targets in (labels, soft):
        x = logits.bfloat16().requires_grad_()
        made = per_picture(x, targets, Loss(kind=kind))
        assert made.dtype == torch.float32
        made.sum().backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
    huge = per_picture(torch.tensor([[1e4, -1e4]]), torch.tensor([1]), Loss(kind=kind, label_smoothing=0))
    assert float(huge) == pytest.approx(2e4 if kind == "ce" else 1e4)


# ---------------------------------------------------------------- classes that count differently


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_balanced_weights_are_scikit_learns(labels: list[int]) -> None:
    made = weights(torch.tensor(labels), 7, Loss(class_weights="balanced"))
    assert made is not None
    present = np.unique(labels)
    assert np.allclose(made[present], compute_class_weight("balanced", classes=present, y=labels))
    assert float(made[torch.tensor(labels)].mean()) == pytest.approx(1, abs=1e-5)
    assert made.shape == (7,)
    assert torch.isfinite(made).all()


def test_weights_are_none_where_all_count_the_same() -> None:
    assert weights(torch.tensor([0, 0, 1]), 2, Loss()) is None


# ---------------------------------------------------------------- distillation


@pytest.mark.parametrize("temperature", [1.0, 2.5, 8.0])
def test_soft_distillation_is_the_divergence(temperature: float) -> None:
    student, _, _ = case(seed=1)
    said, _, _ = case(seed=2)
    made = distilled(student, said, Teacher(temperature=temperature))
    t, p = (log_softmax(value.double().numpy() / temperature) for value in (said, student))
    assert np.allclose(made, temperature**2 * (np.exp(t) * (t - p)).sum(1), atol=1e-4)
    assert torch.allclose(distilled(said, said, Teacher(temperature=temperature)), torch.zeros(6), atol=1e-6)


def test_hard_distillation_takes_the_decision() -> None:
    student, said = case(seed=1)[0], case(seed=2)[0]
    assert torch.allclose(
        distilled(student, said, Teacher(kind="hard")), F.cross_entropy(student, said.argmax(1), reduction="none")
    )


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_teacher_learns_nothing(kind: Any) -> None:
    student, said = case(seed=1)[0].requires_grad_(), case(seed=2)[0].requires_grad_()
    distilled(student, said, Teacher(kind=kind)).sum().backward()
    assert student.grad is not None
    assert said.grad is None


def test_gradients_keep_their_size_at_any_temperature() -> None:
    """Hinton et al. 2015, Section 2.1: at high temperatures those of logits, whatever the temperature."""
    norms = []
    for temperature in (50.0, 200.0):
        student, said = 0.1 * case(seed=1)[0], 0.1 * case(seed=2)[0]
        student.requires_grad_()
        distilled(student, said, Teacher(temperature=temperature)).sum().backward()
        assert student.grad is not None
        norms.append(float(student.grad.norm()))
    assert norms[0] == pytest.approx(norms[1], rel=0.02)


def test_a_teacher_of_other_classes_is_refused() -> None:
    with pytest.raises(NetwrightError, match="the teacher answers with 7 classes, the network has 5"):
        distilled(case()[0], case(classes=7)[0], Teacher())


def test_a_perfect_answer_costs_nothing_but_smoothing() -> None:
    sure = torch.tensor([[60.0, 0, 0]])
    assert float(per_picture(sure, torch.tensor([0]), Loss(label_smoothing=0))) == pytest.approx(0, abs=1e-6)
    assert float(per_picture(torch.zeros(1, 8), torch.tensor([0]), Loss())) == pytest.approx(math.log(8))
