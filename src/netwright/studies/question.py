"""What a study asks: a space under limits, a goal, and how a design is evaluated. All its workers work on the same question."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.costing.latency import Profile
from netwright.costing.profiles import from_json as read_profile
from netwright.costing.profiles import to_json as plain_profile
from netwright.errors import NetwrightError
from netwright.files import FILES, run_file
from netwright.graph import Value, to_json
from netwright.graph.values import value_from_json
from netwright.scaling.budget import Limit, Use
from netwright.spaces.base import OwnSpace, RefinedSpace, Space
from netwright.spaces.budgets import ANY, COUNTED, Budget
from netwright.spaces.named import read_space
from netwright.spaces.triples import ScalingSpace
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground
from netwright.studies.limits import Limits
from netwright.studies.liveness import BEAT


@dataclass(frozen=True)
class Question:
    """A study's settings: two studies with equal ones may share their trials.

    `evaluation` says how designs are evaluated, in plain values: the pictures and the recipe, or a user's function. `image` is in
    px; None: each design is for its own resolution, which is then one of the things that are searched for. `halving` ends
    trials early (None: none), `beat` is the time between a worker's signs of life in seconds.
    """

    space: Space
    limits: Limits
    goal: Goal
    sampler: str
    evaluation: Mapping[str, Any]
    image: int | None
    channels: int = 3
    seed: int = 0
    halving: Value | None = None
    beat: float = BEAT

    @property
    def ground(self) -> Ground:
        """Where designs are looked for."""
        return Ground(self.space, self.limits, self.image, self.channels, self.seed)

    def to_json(self) -> dict[str, Any]:
        """As plain values. Raises NetwrightError for a space that other processes cannot make."""
        profile = self.limits.use.profile
        plain = {
            "space": plain_space(self.space),
            "limits": self.limits.to_json(),
            "memory_counts": {"inference": _plain_use(self.limits.use), "training": _plain_use(self.limits.training)},
            "profile": plain_profile(profile) if profile is not None else None,
            "goal": _plain(self.goal),
            "sampler": self.sampler,
            "halving": _plain(self.halving) if self.halving is not None else None,
            "evaluation": dict(self.evaluation),
            "image": self.image,
            "channels": self.channels,
            "seed": self.seed,
            "beat": self.beat,
        }
        return dict(json.loads(json.dumps(plain)))  # as a storage gives it back: lists for tuples

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], *, run_files: bool = True) -> Question:
        """The question that `to_json` gave. Raises NetwrightError for a space whose file is not there or has changed.

        Without `run_files` a user's own space is there by name only, and nothing of its file is run.
        """
        profile = read_profile(plain["profile"], "the study") if plain["profile"] else None
        goal = _value(plain["goal"])
        assert isinstance(goal, Goal)
        return cls(
            read_plain_space(plain["space"], run_files=run_files),
            _limits(plain, profile),
            goal,
            plain["sampler"],
            plain["evaluation"],
            plain["image"],
            plain["channels"],
            plain["seed"],
            _value(plain["halving"]) if plain["halving"] else None,
            plain["beat"],
        )


def _plain(value: Value) -> Any:
    return json.loads(to_json(value, None))


def _value(plain: Any) -> Value:
    return value_from_json(json.dumps(plain))


def _plain_use(use: Use | None) -> dict[str, Any] | None:
    """What bytes and milliseconds are counted for; channels and profile stand elsewhere."""
    return None if use is None else {"batch": use.batch, "precision": use.precision, "optimizer": use.optimizer}


def _limits(question: Mapping[str, Any], profile: Profile | None) -> Limits:
    plain, counts = question["limits"], question["memory_counts"]
    use = Use(channels=question["channels"], profile=profile, **counts["inference"])
    training = Use(channels=question["channels"], **counts["training"]) if counts["training"] else None
    given = {name: plain[name] for name in COUNTED if name in plain}
    spans = {name: (low, ANY[1] if high is None else high) for name, (low, high) in given.items()}
    more = tuple([Limit(name, most) for name, most in plain.items() if name not in COUNTED])
    return Limits(Budget(**spans), more, use, training)


def plain_space(space: Space) -> dict[str, Any]:
    """A space as plain values; one of a user by its file, word and the file's SHA-256."""
    if isinstance(space, RefinedSpace):
        rules = {"fixed": dict(space.values), "shared": list(space.stems), "called": space.called}
        return {"refined": plain_space(space.space), **rules}
    if isinstance(space, ScalingSpace):
        return {"space": _plain(space), **_defined(type(space.net))}
    if not isinstance(space, OwnSpace):
        return {"space": _plain(space)}
    if not space.file:
        return {"function": space.name, "classes": space.classes, "image": space.image}
    made = {"file": str(Path(space.file).resolve()), "word": space.word, "sha256": digest(Path(space.file))}
    return made | {"classes": space.classes, "image": space.image}


def read_plain_space(plain: Mapping[str, Any], *, run_files: bool = True) -> Space:
    """The space of plain values. Raises NetwrightError for one that was a function of a program, or whose file is another now.

    Without `run_files` these are spaces that have a name, but draw nothing.
    """
    if "refined" in plain:
        inner = read_plain_space(plain["refined"], run_files=run_files)
        return RefinedSpace(inner, tuple(plain["fixed"].items()), tuple(plain["shared"]), plain["called"])
    if "space" in plain:
        if "defined_in" in plain:
            kind = plain["space"]["net"]["type"]
            if not run_files and kind not in Value.registry:
                return OwnSpace(_not_run, plain["defined_in"], kind)
            _define(kind, plain)
        space = _value(plain["space"])
        assert isinstance(space, Space)
        return space
    if not run_files:
        return OwnSpace(_not_run, str(plain.get("file", "")), str(plain.get("word", plain.get("function", ""))))
    if "function" in plain:
        alone = f"the space {plain['function']} is a function of the program that made the study, and only there"
        raise NetwrightError(f"{alone}: name a space as file.py:name to share it")
    file = Path(plain["file"])
    space = read_space(f"{file}:{plain['word']}")
    if digest(file) != plain["sha256"]:
        raise NetwrightError(f"{file} has changed since the study was made: the space is another one; start another study")
    return space.replace(classes=plain["classes"], image=plain["image"]) if isinstance(space, OwnSpace) else space


def _defined(kind: type[Value]) -> dict[str, str]:
    """Where a user's class of designs is defined: in a file with a SHA-256, or ("") in a program; nothing for the zoo's."""
    if kind.__module__.startswith("netwright."):
        return {}
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None or not kind.__module__.startswith(FILES):
        return {"defined_in": ""}
    return {"defined_in": str(Path(file).resolve()), "sha256": digest(Path(file))}


def _define(kind: str, plain: Mapping[str, Any]) -> None:
    """Have a user's class of designs defined in this process. Raises NetwrightError where its file is not here or has changed."""
    if not plain["defined_in"]:
        if kind not in Value.registry:
            alone = f"{kind} is a design of the program that made the study, and only there"
            raise NetwrightError(f"{alone}: name the network as file.py:name to share it")
        return
    file = Path(plain["defined_in"])
    if not file.is_file():
        raise NetwrightError(f"there is no file {file}, which defines the network of the study")
    if digest(file) != plain["sha256"]:
        raise NetwrightError(f"{file} has changed since the study was made: the network is another one; start another study")
    if kind not in Value.registry:
        run_file(file)


def file_of(space: Space) -> str:
    """The start of the SHA-256 of the file that a space is written in, '' for netwright's own and those of a program."""
    inner = space.space if isinstance(space, RefinedSpace) else space
    return digest(Path(inner.file)) if isinstance(inner, OwnSpace) and inner.file else ""


def _not_run(pick: Any) -> None:
    raise NetwrightError("the study was read without running its space's file")


def digest(file: Path) -> str:
    """The start of a file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
