"""What a study is after: accuracy, a reward of accuracy and cost, or the front of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from netwright.errors import DesignError
from netwright.graph import Value
from netwright.graph.values import AtLeast

Measure = Literal["macs", "params", "acts", "memory", "inference_memory", "latency"]


class Goal(Value):
    """What is maximized: "accuracy" alone, MnasNet's "reward", or the "pareto" front of accuracy and a cost.

    The reward is accuracy x (cost / target) ^ exponent (Tan et al. 2019, equation 2; alpha and beta are `exponent`, -0.07 there);
    `measure` names the cost and `target` is in its unit (bytes, ms, or a count). A front has two values, accuracy and the cost.

    >>> round(Goal(kind="reward", measure="latency", target=80.0).values(0.75, {"latency": 160.0})[0], 4)
    0.7145
    """

    kind: Literal["accuracy", "reward", "pareto"] = "accuracy"
    measure: Measure = "macs"
    target: Annotated[float, AtLeast(0)] = 0.0
    exponent: Annotated[float, AtLeast(-10, 0)] = -0.07

    def check(self) -> None:
        if self.kind == "reward" and not self.target:
            raise DesignError("Goal: a reward needs a target for the cost; give one")
        if self.kind != "reward" and self.target:
            raise DesignError(f"Goal: a target is for a reward, not for {self.kind}")

    @property
    def directions(self) -> tuple[str, ...]:
        """Optuna's words for the values: whether more or less is better."""
        return ("maximize", "minimize") if self.kind == "pareto" else ("maximize",)

    @property
    def measured(self) -> str:
        """The cost that the goal reads, '' for none."""
        return "" if self.kind == "accuracy" else self.measure

    def values(self, accuracy: float, costs: Mapping[str, float]) -> tuple[float, ...]:
        """What is compared between trials; `costs` has the goal's measure for one image."""
        if self.kind == "accuracy":
            return (accuracy,)
        cost = float(costs[self.measure])
        if self.kind == "pareto":
            return (accuracy, cost)
        return (accuracy * (cost / self.target) ** self.exponent,)

    def __str__(self) -> str:
        if self.kind == "reward":
            return f"accuracy x ({self.measure} / {self.target:g}) ^ {self.exponent:g}"
        return "accuracy" if self.kind == "accuracy" else f"accuracy against {self.measure}"
