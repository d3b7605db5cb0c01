"""What the page asks the lab for, checked: a landscape, optimizers and starts, within what a page may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.lab.landscapes import Landscape, Point, landscape
from netwright.lab.many import can_share
from netwright.lab.methods import Method
from netwright.lab.tracks import around
from netwright.lab.trajectory import check_start
from netwright.report.charts import Window
from netwright.web.exchange import Plain

LANDSCAPE_SETTINGS = ("rotate", "condition", "batch", "wide", "narrow")
SETTINGS = ("lr", "momentum", "alpha", "betas", "form")  # of optimizers
LARGEST = 1e9
MOST = {"budget": 1000, "starts": 40, "optimizers": 13, "races": 4}


@dataclass(frozen=True)
class Asked:
    """One race as the page asks for it; `follow` is the optimizer whose formulas are shown."""

    landscape: Landscape
    methods: tuple[Method, ...]
    starts: tuple[Point, ...]
    budget: int
    seed: int
    noise: float
    follow: str

    @classmethod
    def of(cls, question: Plain) -> Asked:
        """Raises NetwrightError, saying what is wrong, for a question that cannot be."""
        settings = _known(question, "settings", LANDSCAPE_SETTINGS)
        for name, value in settings.items():
            number(value, name)
        place = landscape(text(question.get("landscape"), "landscape"), settings)
        methods = _listed(question, "optimizers", MOST["optimizers"])
        count = whole(question.get("starts", 1), "starts", 1, MOST["starts"])
        radius = number(question.get("spread", 0.0), "spread")
        start = question.get("start")
        return cls(
            landscape=place,
            methods=tuple(_method(one) for one in methods),
            starts=around(check_start(place, None if start is None else point(start)), count, radius),
            budget=whole(question.get("budget", 100), "budget", 1, MOST["budget"]),
            seed=whole(question.get("seed", 0), "seed", 0, 2**31),
            noise=number(question.get("noise", 0.0), "noise"),
            follow=text(question.get("follow", ""), "follow"),
        )

    @property
    def steps(self) -> int:
        """Steps of optimizers until all is walked: once for all starts, unless a method cannot share its optimizer."""
        return self.budget * sum(1 if can_share(method) else len(self.starts) for method in self.methods)


def many_asked(question: Plain) -> list[Asked]:
    """The races of an export."""
    made = [Asked.of(one) for one in _listed(question, "races", MOST["races"])]
    if not made or not all(one.methods for one in made):
        raise NetwrightError("there is nothing to export: choose an optimizer")
    return made


def asked_window(question: Plain) -> Window | None:
    """The part of the plane that is asked for, where one is."""
    given = question.get("window")
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 4:
        raise NetwrightError(f"the window is {given!r}, expected four numbers: x from, x to, y from, y to")
    x0, x1, y0, y1 = (number(value, "window") for value in given)
    if not (x0 < x1 and y0 < y1 and max(map(abs, (x0, x1, y0, y1))) <= 1e6 and min(x1 - x0, y1 - y0) >= 1e-6):
        raise NetwrightError(f"the window is {given!r}, expected x from below x to, y from below y to, within a million")
    return x0, x1, y0, y1


def defaults_of(method: Method) -> Plain:
    """The settings of an optimizer that the page offers, as they are by default; SGD with momentum is `momentum`."""
    left = ("momentum",) if method.name == "sgd" else ()
    return {name: value for name, value in method.all_settings().items() if name in SETTINGS and name not in left}


def number(value: Any, name: str) -> float:
    """A number of a size that can be computed with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        raise NetwrightError(f"{name} is {value!r}, expected a number")
    return float(value)


def whole(value: Any, name: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise NetwrightError(f"{name} is {value!r}, expected a whole number from {least} to {most}")
    return value


def text(value: Any, name: str) -> str:
    """Some text."""
    if not isinstance(value, str):
        raise NetwrightError(f"{name} is {value!r}, expected text")
    return value


def word(question: Plain, name: str, known: tuple[str, ...]) -> str:
    """One of the known words."""
    given = text(question.get(name), name)
    if given not in known:
        raise NetwrightError(f"{name} is {given!r}{did_you_mean(given, known)} (known: {', '.join(known)})")
    return given


def point(value: Any) -> Point:
    """A place in the plane: two numbers."""
    if not isinstance(value, list) or len(value) != 2:
        raise NetwrightError(f"the start is {value!r}, expected two numbers")
    return number(value[0], "start"), number(value[1], "start")


def _listed(question: Plain, name: str, most: int) -> list[Plain]:
    given = question.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise NetwrightError(f"{name} are {given!r}, expected a list of objects")
    if len(given) > most:
        raise NetwrightError(f"{len(given)} {name}, expected at most {most}")
    return given


def _method(given: Plain) -> Method:
    settings = _known(given, "settings", SETTINGS)
    return Method(text(given.get("name"), "optimizer"), {name: _setting(value, name) for name, value in settings.items()})


def _setting(value: Any, name: str) -> Any:
    if name == "form":
        return text(value, name)
    return tuple(number(one, name) for one in value) if isinstance(value, list) else number(value, name)


def _known(given: Plain, name: str, known: tuple[str, ...]) -> Plain:
    """Settings, of which the page sets these only."""
    settings = given.get(name, {})
    if not isinstance(settings, dict):
        raise NetwrightError(f"{name} are {settings!r}, expected an object")
    for key in settings:
        if key not in known:
            raise NetwrightError(f"the page does not set {key!r}{did_you_mean(str(key), known)} (known: {', '.join(known)})")
    return settings
