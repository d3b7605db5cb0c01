"""The controller of Zoph & Le (2017, arXiv:1611.01578): an LSTM that writes choices one after the other, trained by REINFORCE."""

from __future__ import annotations

import functools
import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from netwright.spaces.domains import Choice, Domain, Options, Real

Array = npt.NDArray[np.float64]
BINS = 16  # of an ordered choice with more values
SPREAD = 0.08  # weights start uniform between - and + this


@dataclass(frozen=True)
class Lesson:
    """What the controller learns by.

    `units` of each of the two layers, Adam's `rate` and weights that start between -0.08 and 0.08 are the paper's (Section
    4.1). `decay` is that of the moving average which is the baseline (the paper gives none), `entropy` the weight of a bonus
    that keeps the policy from settling (the paper has none: 0).
    """

    units: int = 35
    rate: float = 6e-4
    decay: float = 0.9
    entropy: float = 0.0


@dataclass(frozen=True)
class Step:
    """One choice: which one it is, how many places it has, the place that was taken, and from which to which it could be."""

    key: str
    count: int
    place: int
    low: int
    high: int


class Policy(nn.Module):
    """The network, with an output and an embedding for every choice that it meets, and its training.

    A choice's place is drawn from the softmax of its output; its embedding is the next step's input. Weights of
    a choice depend on the seed and its name, not on when it was first met. Nothing here touches torch's own generator.
    """

    def __init__(self, seed: int, lesson: Lesson) -> None:
        super().__init__()
        units, self.seed, self.lesson = lesson.units, seed, lesson
        self.lstm = nn.LSTM(units, units, 2, dtype=torch.float64, device="meta").to_empty(device="cpu")
        self.start = nn.Parameter(torch.empty(units, dtype=torch.float64))
        self.embeddings, self.outputs, self.biases = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        self._fill("", [self.start, *self.lstm.parameters()])
        self._optimizer = torch.optim.Adam(self.parameters(), lr=lesson.rate)
        self.baseline: float | None = None

    def _fill(self, key: str, parameters: Sequence[Tensor]) -> None:
        digest = hashlib.sha256(f"{self.seed} {key}".encode()).digest()
        source = torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))
        with torch.no_grad():
            for parameter in parameters:
                parameter.uniform_(-SPREAD, SPREAD, generator=source)

    def meet(self, key: str, count: int) -> str:
        """The name under which the weights of a choice are kept; they are made when it is met for the first time."""
        name = hashlib.sha256(f"{key} {count}".encode()).hexdigest()[:16]  # a module's names may hold no dots
        if name not in self.outputs:
            made = [nn.Parameter(torch.empty(count, self.lesson.units, dtype=torch.float64)) for _ in range(2)]
            made.append(nn.Parameter(torch.empty(count, dtype=torch.float64)))
            self._fill(name, made)
            self.embeddings[name], self.outputs[name], self.biases[name] = made
            self._optimizer.add_param_group({"params": made})
        return name

    def scores(self, name: str, hidden: Tensor, low: int, high: int) -> Tensor:
        """Logarithms of the chances of the places from low to high."""
        wide = self.outputs[name] @ hidden + self.biases[name]
        return torch.log_softmax(wide[low : high + 1], dim=0)

    def learn(self, steps: Sequence[Step], reward: float) -> None:
        """One step of REINFORCE: what was rewarded above the baseline becomes likelier."""
        before, self.baseline = self.baseline, reward if self.baseline is None else self._averaged(reward)
        if before is None or not steps:
            return
        names = [self.meet(step.key, step.count) for step in steps]
        taken = [self.embeddings[name][step.place] for name, step in zip(names[:-1], steps, strict=False)]
        hidden, _ = self.lstm(torch.stack([self.start, *taken]))
        scores = [self.scores(name, h, s.low, s.high) for name, h, s in zip(names, hidden, steps, strict=True)]
        likely = torch.stack([score[step.place - step.low] for score, step in zip(scores, steps, strict=True)]).sum()
        loss = -(reward - before) * likely
        if self.lesson.entropy:
            loss = loss + self.lesson.entropy * torch.stack([(score.exp() * score).sum() for score in scores]).sum()
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimizer.step()

    def _averaged(self, reward: float) -> float:
        assert self.baseline is not None
        return self.lesson.decay * self.baseline + (1 - self.lesson.decay) * reward


class Walk:
    """The policy in the middle of a design: what was chosen so far, and the state after it. `heat` above 1 flattens chances.

    The same network in NumPy, on the same weights: torch takes several times as long for a single step.
    """

    def __init__(self, policy: Policy, heat: float = 1.0) -> None:
        self._policy, self._heat = policy, heat
        self._hidden, self._cells = np.zeros((2, policy.lesson.units)), np.zeros((2, policy.lesson.units))
        self._layers = [[_read(weights) for weights in layer] for layer in policy.lstm.all_weights]
        self._input = _read(policy.start)
        self.steps: list[Step] = []

    def choose(self, key: str, count: int, share: float, low: int = 0, high: int | None = None) -> int:
        """The place below which that share of the chance lies, among those from low to high."""
        high = count - 1 if high is None else high
        name, policy = self._policy.meet(key, count), self._policy
        scores = _read(policy.outputs[name]) @ self._next() + _read(policy.biases[name])
        open_ones = scores[low : high + 1] / self._heat
        reached = np.exp(open_ones - open_ones.max()).cumsum()
        place = low + min(int(np.searchsorted(reached, share * reached[-1], side="right")), high - low)
        self._take(name, Step(key, count, place, low, high))
        return place

    def follow(self, step: Step) -> None:
        """The same for a place that is known."""
        self._next()
        self._take(self._policy.meet(step.key, step.count), step)

    def _next(self) -> Array:
        """What the second layer puts out: an LSTM's equations, in torch's order of the gates."""
        value = self._input
        for layer, (inner, outer, first, second) in enumerate(self._layers):
            enter, keep, new, leave = (inner @ value + first + outer @ self._hidden[layer] + second).reshape(4, -1)
            self._cells[layer] = _sigmoid(keep) * self._cells[layer] + _sigmoid(enter) * np.tanh(new)
            value = self._hidden[layer] = _sigmoid(leave) * np.tanh(self._cells[layer])
        return value

    def _take(self, name: str, step: Step) -> None:
        self._input = _read(self._policy.embeddings[name])[step.place]
        self.steps.append(step)


def _read(weights: Tensor) -> Array:
    array: Array = weights.detach().numpy()
    return array


def _sigmoid(values: Array) -> Array:
    made: Array = (1 + np.tanh(values / 2)) / 2
    return made


@dataclass(frozen=True)
class Places:
    """The places of a domain: its options or values, or for ordered domains with more than 16 values at most 16 ranges of them.

    The ranges are about equally likely to be drawn blindly; a value within one is drawn as if each were as likely.
    """

    domain: Domain

    @functools.cached_property
    def starts(self) -> list[int]:
        """For whole numbers the index of the first value of each place, and at the end the number of values."""
        assert not isinstance(self.domain, (Options, Real))
        domain, size = self.domain, self.domain.size
        if size <= BINS:
            return [*range(size + 1)]
        values = range(domain.low, domain.high + 1, domain.step)
        first = {bisect_left(values, place / BINS, key=domain.share) for place in range(BINS)}
        return [*sorted(first - {size}), size]

    @property
    def count(self) -> int:
        """How many places there are."""
        if isinstance(self.domain, Options):
            return len(self.domain.values)
        return BINS if isinstance(self.domain, Real) else len(self.starts) - 1

    def of(self, value: Choice) -> int:
        """The place of a value."""
        domain = self.domain
        if isinstance(domain, Options):
            return domain.place(value)
        if isinstance(domain, Real):
            return min(max(int(domain.share(float(value)) * BINS), 0), BINS - 1)
        index = (int(value) - domain.low) // domain.step
        return next(place for place in range(self.count) if index < self.starts[place + 1])

    def value(self, place: int, share: float) -> Choice:
        """A value of a place; `share` says which of them."""
        domain = self.domain
        if isinstance(domain, Options):
            return domain.values[place]
        if isinstance(domain, Real):
            return domain.at((place + share) / BINS)
        low, high = self.starts[place : place + 2]
        return domain.low + domain.step * min(low + int(share * (high - low)), high - 1)


@functools.lru_cache(maxsize=1 << 10, typed=True)
def places_of(domain: Domain) -> Places:
    """The places of a domain, found once."""
    return Places(domain)
