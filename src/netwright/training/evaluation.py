"""How good a model is on pictures it was not trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from netwright.data import Pictures
from netwright.errors import NetwrightError
from netwright.inference.onnx_files import OnnxNetwork
from netwright.training.batches import Normalize, to_batch


@dataclass(frozen=True)
class Evaluation:
    """Predictions on n pictures: `probabilities` (n, classes) and `labels` (n,), with what follows from them."""

    probabilities: Tensor
    labels: Tensor

    @property
    def correct(self) -> int:
        """Pictures whose most probable class is the right one."""
        return int((self.probabilities.argmax(1) == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures whose most probable class is the right one (top-1)."""
        return self.correct / len(self.labels)

    @property
    def top5(self) -> float:
        """Share of pictures whose class is among the five most probable."""
        most = min(5, self.probabilities.shape[1])
        best = self.probabilities.topk(most, dim=1).indices
        return float((best == self.labels[:, None]).any(1).double().mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson 1927)."""
        n, z, p = len(self.labels), 1.959964, self.accuracy
        centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
        return max(0.0, min(low, p)), min(1.0, max(high, p))  # rounding must not leave an accuracy of 0 or 1 outside

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats."""
        right = self.probabilities[torch.arange(len(self.labels)), self.labels]
        return float(-right.clamp_min(1e-12).log().mean())

    def per_class(self) -> list[float | None]:
        """Accuracy on the pictures of each class; None where there is none."""
        hits = self.probabilities.argmax(1) == self.labels
        shares = []
        for label in range(self.probabilities.shape[1]):
            mine = hits[self.labels == label]
            shares.append(float(mine.double().mean()) if len(mine) else None)
        return shares


@torch.no_grad()
def evaluate_model(model: nn.Module, pictures: Pictures, normalize: Normalize, batch: int = 256) -> Evaluation:
    """Run a model in evaluation mode over all pictures, in order."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    parts = []
    for start in range(0, len(pictures), batch):
        x = normalize(to_batch(pictures.pixels[start : start + batch]).to(device))
        made = model(x)
        logits = made[0] if isinstance(made, tuple) else made  # auxiliary classifiers serve in training only
        parts.append(logits.float().softmax(1).cpu())
    model.train(was_training)
    return Evaluation(torch.cat(parts), torch.from_numpy(pictures.labels))


def evaluate_onnx(network: OnnxNetwork, pictures: Pictures, batch: int = 64) -> Evaluation:
    """Run an ONNX file over all pictures, in order; they are normalized as it wants them.

    Raises NetwrightError for pictures of another size or number of channels than the file's.
    """
    shown = network.preprocessing
    wanted = (shown.image, shown.image, network.channels)
    if pictures.pixels.shape[1:] != wanted:
        raise NetwrightError(f"the pictures are {pictures.pixels.shape[1:]}, {network.path} takes {wanted}")
    normalize = Normalize(shown.mean, shown.std)
    parts = []
    for start in range(0, len(pictures), batch):
        x = normalize(to_batch(pictures.pixels[start : start + batch])).contiguous()
        parts.append(torch.from_numpy(network(x.numpy())).softmax(1))
    return Evaluation(torch.cat(parts), torch.from_numpy(pictures.labels))
