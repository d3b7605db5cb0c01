"""Which distribution the weights of a family are first drawn from, as its paper says (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Law = Literal["normal", "truncated", "uniform"]
Fan = Literal["", "in", "out", "groups"]


@dataclass(frozen=True)
class Draw:
    """Zero mean and variance `gain` / fan. A truncated normal is cut at two deviations.

    The fan of a weight is what one output reads ("in": inputs per group x kernel area), what a
    convolution's outputs weigh ("out": outputs x kernel area; of a linear layer its outputs), the same
    per group ("groups"), or 1 ("").
    """

    law: Law
    fan: Fan
    gain: float


def normal(deviation: float) -> Draw:
    """Normal with a fixed deviation."""
    return Draw("normal", "", deviation**2)


def truncated(deviation: float) -> Draw:
    """TensorFlow's truncated normal: drawn again beyond two deviations."""
    return Draw("truncated", "", deviation**2)


def he(fan: Fan = "out") -> Draw:
    """He et al. 2015 (arXiv:1502.01852), equation 10 ("in") or 14 ("out")."""
    return Draw("normal", fan, 2.0)


UNIFORM = Draw("uniform", "in", 1 / 3)  # between -1 / sqrt(fan) and 1 / sqrt(fan): what torch.nn does unasked


@dataclass(frozen=True)
class Initial:
    """How a network starts: convolutions, linear layers, the classifier (`head`) and constant biases.

    `bias` None draws biases from UNIFORM with their weight's fan. `identity`: the last norm of a
    residual branch starts at scale zero, so that every block starts as its shortcut (Goyal et al.
    2017, Section 5.1). The default suits any network with norms and rectifiers.
    """

    conv: Draw = Draw("normal", "groups", 2.0)
    linear: Draw = Draw("normal", "in", 2.0)
    head: Draw = Draw("normal", "", 1e-4)
    bias: float | None = 0.0
    identity: bool = True
