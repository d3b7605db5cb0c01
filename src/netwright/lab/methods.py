"""The optimizers of the lab: those that train networks, with settings that are checked by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from netwright import optim
from netwright.errors import NetwrightError, did_you_mean

Settings = Mapping[str, Any]
SECOND_ORDER = ("newton", "newtoncg")
NAMES = (*optim.OPTIMIZERS, *SECOND_ORDER)
_NOT_SETTINGS = ("self", "params", "foreach", "fused", "capturable", "differentiable")


@dataclass(frozen=True)
class Method:
    """An optimizer's name and the settings in which it differs from its class's defaults.

    Raises NetwrightError for an unknown name or setting.

    >>> Method("momentum", {"lr": 0.1}).settings
    {'momentum': 0.9, 'lr': 0.1}
    """

    name: str
    settings: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise NetwrightError(
                f"there is no optimizer {self.name!r}{did_you_mean(self.name, NAMES)} (known: {', '.join(NAMES)})"
            )
        made, fixed = self._class()
        known = _known(made)
        for setting in self.settings:
            if setting not in known:
                near = did_you_mean(setting, known) or f" (known: {', '.join(known)})"
                raise NetwrightError(f"{self.name} has no setting {setting!r}{near}")
        object.__setattr__(self, "settings", {**fixed, **self.settings})

    def _class(self) -> tuple[Any, dict[str, Any]]:
        second: dict[str, Any] = {"newton": optim.Newton, "newtoncg": optim.NewtonCG}
        return (second[self.name], {}) if self.name in second else optim.named(self.name)

    @property
    def lr(self) -> float:
        """The learning rate: as set, else the class's default."""
        return float(self.settings.get("lr", _known(self._class()[0])["lr"]))

    @property
    def second_order(self) -> bool:
        """Whether a step needs the loss itself, to differentiate it twice."""
        return self.name in SECOND_ORDER

    def all_settings(self) -> dict[str, Any]:
        """Every setting: as set, else the class's default."""
        return {**_known(self._class()[0]), **self.settings}

    def takes(self, setting: str) -> bool:
        """Whether the optimizer has that setting."""
        return setting in _known(self._class()[0])

    def having(self, settings: Settings) -> Method:
        """The same optimizer with some settings changed."""
        return Method(self.name, {**self.settings, **settings})

    def make(self, theta: Tensor) -> torch.optim.Optimizer:
        """The optimizer of one parameter. Raises NetwrightError for a value that it refuses."""
        return self.make_groups([{"params": [theta]}])

    def make_groups(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer of several groups, which may have settings of their own. Raises NetwrightError as `make` does."""
        try:
            made: torch.optim.Optimizer = self._class()[0](groups, **self.settings)
        except (TypeError, ValueError) as error:
            raise NetwrightError(f"{self.name} does not take {self}: {error}") from None
        return made

    def told(self) -> str:
        """The settings in a few words: `lr 0.1, momentum 0.9`."""
        settings = {"lr": self.lr, **self.settings}
        return ", ".join(f"{name} {_worded(value)}" for name, value in settings.items() if value is not True) + "".join(
            f", {name}" for name, value in settings.items() if value is True and name != self.name
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.told()})"


def _known(made: Any) -> dict[str, Any]:
    parameters = inspect.signature(made).parameters
    return {name: p.default for name, p in parameters.items() if name not in _NOT_SETTINGS and p.kind is not p.VAR_KEYWORD}


def _worded(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_worded, value)) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_setting(text: str) -> Any:
    """A setting's value as it is typed: a number, true, false, none, several numbers with commas, or a word.

    >>> read_setting("0.1"), read_setting("0.9,0.99"), read_setting("true"), read_setting("notes")
    (0.1, (0.9, 0.99), True, 'notes')
    """
    if "," in text:
        if not all(part.strip() for part in text.split(",")):
            raise NetwrightError(f"{text!r} has an empty place between commas, expected values such as 0.9,0.99")
        return tuple(read_setting(part) for part in text.split(","))
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
