"""What is minimized, picture by picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.training.recipes.recipe import Loss


def per_picture(logits: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """(n, classes) logits and targets, (n,) int64 or (n, classes) shares, -> (n,) float32 losses in nats.

    Label smoothing (Szegedy et al. 2016, Section 7) takes its share off the targets and deals it out to all classes; it does
    so to mixed targets as well. "bce" is the mean over classes (Wightman et al. 2021, Section 2.1; the sum would need
    another learning rate for every number of classes).

    >>> per_picture(torch.zeros(1, 4), torch.tensor([2]), Loss())
    tensor([1.3863])
    """
    logits = logits.float()
    if loss.kind == "ce":
        return F.cross_entropy(logits, targets, label_smoothing=loss.label_smoothing, reduction="none")
    classes = logits.shape[1]
    wanted = F.one_hot(targets, classes).float() if targets.ndim == 1 else targets
    wanted = wanted * (1 - loss.label_smoothing) + loss.label_smoothing / classes
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1)


def weights(labels: Tensor, classes: int, loss: Loss) -> Tensor | None:
    """What the pictures of each class count: (classes,) float32, or None where all count the same.

    "balanced" is the inverse of how often a class is among the `labels` of training; the mean over these pictures is 1. A
    class without pictures has 0.

    >>> weights(torch.tensor([0, 0, 0, 1]), 3, Loss(class_weights="balanced"))
    tensor([0.6667, 2.0000, 0.0000])
    """
    if loss.class_weights == "none":
        return None
    counts = torch.bincount(labels, minlength=classes)
    present = counts > 0
    made = len(labels) / (int(present.sum()) * counts.clamp(min=1).double())
    return (made * present).float()
