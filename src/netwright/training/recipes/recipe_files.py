"""Recipes as text: TOML files, whose tables are a recipe's parts, and single settings such as `optimizer.lr=0.1`."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from netwright.errors import NetwrightError, did_you_mean
from netwright.files import write_text
from netwright.graph import Value
from netwright.training.recipes.presets import PRESETS
from netwright.training.recipes.recipe import Recipe

FILE = "recipe.toml"  # what a run's folder calls its own
MOST = 1 << 20  # bytes; what is longer is something else
LONGEST = 300  # characters of a message

V = TypeVar("V", bound=Value)


def to_toml(recipe: Recipe) -> str:
    """A recipe as the text of a TOML file; what is None is left out.

    >>> print(to_toml(Recipe(epochs=10)))   # doctest: +ELLIPSIS
    epochs = 10
    batch = 64
    ...
    """
    return tomli_w.dumps(plain(recipe))


def write_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Write a recipe file, whole or not at all. Raises NetwrightError for a path that cannot be written."""
    write_text(Path(path), to_toml(recipe))


def read_recipe(what: str | os.PathLike[str]) -> Recipe:
    """The recipe of a preset's name, of a TOML file, or of a run's folder. Keys that a file leaves out have their defaults.

    Raises NetwrightError, naming file and key, for a file that cannot be read, an unknown key or a value that cannot be.

    >>> read_recipe("cifar").optimizer.weight_decay
    0.0005
    """
    name = os.fspath(what)
    if name in PRESETS:
        return PRESETS[name].recipe
    path = Path(name)
    if os.path.isdir(name):  # noqa: PTH112
        path = path / FILE
    elif path.suffix != ".toml" and not os.path.exists(name):  # noqa: PTH110
        way_out = did_you_mean(name, PRESETS) or f": it is none of {', '.join(PRESETS)}, and there is no such file"
        raise NetwrightError(f"there is no recipe {name!r}{way_out}")
    try:
        table = tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise NetwrightError(f"{path} is not TOML: {error}") from None
    try:
        return _read(Recipe, table)
    except NetwrightError as error:
        raise NetwrightError(f"{path}: {error}") from None


def changed(recipe: V, settings: Iterable[str]) -> V:
    """A recipe (or machine) with some keys set, such as "epochs=10", "optimizer.lr=0.1" or "freeze=conv1,layer1.*".

    Values are written as in TOML; a bare word is a string, "none" leaves a key to its default of none, and items of a list are
    separated by commas. Raises NetwrightError for an unknown key, for a value that cannot be, and for a key set twice.

    >>> changed(Recipe(), ["optimizer.name=adamw", "optimizer.lr=1e-3"]).optimizer.lr
    0.001
    """
    cls = type(recipe)
    table, leaves = plain(recipe), _leaves(cls)
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not name:
            raise NetwrightError(f"{setting!r} is no setting: write KEY=VALUE, such as optimizer.lr=0.1")
        if name not in leaves:
            raise NetwrightError(_unknown(cls, name))
        if name in given:
            raise NetwrightError(f"{name} is given twice ({given[name]} and {text}): give it once")
        given[name] = text
        part, _, key = name.rpartition(".")
        place = table[part] if part else table
        value = _value(text, leaves[name])
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return _read(cls, table)


def plain(value: Any) -> Any:
    """A recipe (or any value) as dictionaries and lists, for TOML and JSON; what is None is left out."""
    if isinstance(value, Value):
        return {name: plain(item) for name, item in value.fields().items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
        if len(content) > MOST:
            raise NetwrightError(f"{path} is longer than {MOST:,} bytes: this is no recipe")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise NetwrightError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise NetwrightError(f"{path} is no UTF-8 text ({error.reason} at byte {error.start:,}): save it as UTF-8") from None


# ---------------------------------------------------------------- from tables to a recipe


def _defaults(cls: type[Value]) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(cls)}


def _leaves(cls: type[Value]) -> dict[str, Any]:
    """All keys by their full names, with their defaults."""
    found: dict[str, Any] = {}
    for name, default in _defaults(cls).items():
        if isinstance(default, Value):
            found |= {f"{name}.{key}": value for key, value in _defaults(type(default)).items()}
        else:
            found[name] = default
    return found


def _read(cls: type[V], table: dict[str, Any]) -> V:
    fields: dict[str, Any] = {}
    for name, default in _defaults(cls).items():
        if name in table and isinstance(default, Value):
            fields[name] = _part(cls, name, type(default), table[name])
        elif name in table:
            fields[name] = _tuples(table[name])
    for name in table:
        if name not in fields:
            raise NetwrightError(_unknown(cls, name))
    return _made(cls, "", fields)


def _part(cls: type[Value], part: str, kind: type[Value], table: Any) -> Value:
    known = _defaults(kind)
    if not isinstance(table, dict):
        raise NetwrightError(_short(f"{part} is {table!r}, expected a table [{part}] with {', '.join(known)}"))
    for name in table:
        if name not in known:
            raise NetwrightError(_unknown(cls, f"{part}.{name}"))
    return _made(kind, part, {name: _tuples(value) for name, value in table.items()})


def _made(cls: type[V], part: str, fields: dict[str, Any]) -> V:
    try:
        return cls(**fields)
    except NetwrightError as error:
        message, own = str(error), f"{cls.__name__}: "
        if not message.startswith(own):  # of what a check asked
            raise NetwrightError(_short(f"{part}: {message}" if part else message)) from None
        fact, expected, wanted = message.removeprefix(own).rpartition(", expected ")
        for python, toml in (("a tuple", "a list"), ("a bool", "true or false"), ("a str", "text"), ("None", "nothing")):
            wanted = wanted.replace(python, toml)
        raise NetwrightError(_short(f"{part}." * bool(part) + fact + expected + wanted)) from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _short(message: str) -> str:
    """The ends of a message that holds somebody's novel."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 :]}"


def _unknown(cls: type[Value], name: str) -> str:
    """What to say of a key that is not there."""
    leaves = _leaves(cls)
    parts = [part for part, default in _defaults(cls).items() if isinstance(default, Value)]
    if name in parts:
        return f"{name} is a table: set one of its keys, such as {next(leaf for leaf in leaves if leaf.startswith(f'{name}.'))}"
    part, _, key = name.rpartition(".")
    same = [leaf for leaf in leaves if leaf.rpartition(".")[2] == key]
    near = f"; did you mean {' or '.join(same)}?" if same else did_you_mean(name, leaves if part else [*leaves, *parts])
    inside = [leaf for leaf in leaves if leaf.startswith(f"{part}.")] if part in parts else [*_defaults(cls)]
    return _short(f"there is no key {name!r}{near or '; there are ' + ', '.join(inside)}")


# ---------------------------------------------------------------- settings


def _value(text: str, default: Any) -> Any:
    """The value of a setting, by what its default is; None for one that is not to be set."""
    if default is None and text.lower() == "none":
        return None
    if isinstance(default, tuple) and not text.startswith("["):
        return [_word(item.strip()) for item in text.split(",") if item.strip()]
    value = _word(text)
    return text if isinstance(default, str) and not isinstance(value, str) else value


def _word(text: str) -> Any:
    """What a text means in TOML, else the text itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if list(table) == ["value"] else text
