"""Designs are inert values: frozen, checked, equal, hashable, and the same after a trip through JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, dataclass_transform

from netwright.errors import DesignError, NetwrightError, did_you_mean
from netwright.files import FILES
from netwright.graph.resizing import Resizing, Rounding

SCHEMA = 1  # of the JSON form; raised when an old file would be read wrongly


@dataclasses.dataclass(frozen=True)
class AtLeast:
    """A bound that a field's annotation carries: `Annotated[int, AtLeast(1)]`."""

    least: float
    most: float = math.inf

    def __str__(self) -> str:
        return f"at least {self.least:g}" if self.most == math.inf else f"from {self.least:g} to {self.most:g}"


Count = Annotated[int, AtLeast(1)]
Size = Annotated[int, AtLeast(0)]
Fraction = Annotated[float, AtLeast(0, 1)]
Positive = Annotated[float, AtLeast(1e-12)]


@dataclass_transform(frozen_default=True)
class Value:
    """Base of designs, recipes and spaces: subclass it with annotated fields and it is a frozen, checked dataclass.

    Values are stored as they were given (never rounded); a wrong one raises DesignError, which names
    the field, the value and what was expected. Subclasses are final: wrap one in a field, do not
    inherit from it.
    """

    registry: ClassVar[dict[str, type[Value]]] = {}
    libraries: ClassVar[list[Callable[[], Any]]] = []  # each imports designs that are not imported before they are needed
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        parent = cls.__mro__[1]
        if parent in Value.registry.values():
            raise TypeError(f"{cls.__name__} inherits from {parent.__name__}, which is final: wrap it in a field instead")
        Value.registry[type_name(cls)] = cls
        # eq: what the dataclass would write takes 1 for True and 1.0, and hashes all fields at every look-up
        dataclasses.dataclass(frozen=True, eq=False)(cls)

    def __post_init__(self) -> None:
        values = self.__dict__
        cls: Any = type(self)
        for name, check in _checks(cls):
            wrong = _wrong(cls, name, values[name], check)
            if wrong:
                raise DesignError(wrong)
        self.check()

    def check(self) -> None:
        """What no single field can tell: raise DesignError where fields contradict one another."""

    def __hash__(self) -> int:
        cached: int | None = self.__dict__.get("_hash")
        if cached is None:
            cached = self.__dict__["_hash"] = hash(self._key())
        return cached

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Value) and self._key() == other._key())

    def _key(self) -> tuple[Any, ...]:
        values = self.__dict__
        return (type(self), *[_typed(values[name]) for name in _names_of(self)])

    def __getstate__(self) -> dict[str, Any]:
        # hashes of strings differ from process to process: never pickle one
        return self.fields()

    def fields(self) -> dict[str, Any]:
        """Field names and values, in the order of their definition."""
        return {name: self.__dict__[name] for name in _names_of(self)}

    def replace(self, **changes: Any) -> Self:
        """The same design with some fields changed; an unknown field is an error that names the nearest ones."""
        _check_names(type(self), changes)
        return dataclasses.replace(self, **changes)


class Design(Value, abstract=True):
    """A network or block: a value that is called on a feature map and writes itself there, layer by layer.

    >>> class Tiny(Design):
    ...     width: Count = 8
    ...     def __call__(self, x):
    ...         return x.conv("conv", self.width, 3).relu().global_pool().linear("fc", 10)
    >>> Tiny(width=16)
    Tiny(width=16)
    """

    def __call__(self, *maps_and_arguments: Any) -> Any:
        """Write the layers on the first argument's tape; returns a feature map, or a tuple of them."""
        raise DesignError(f"{type(self).__name__} has no __call__: it cannot be traced")

    def scaled(self, *, width: float = 1.0, depth: float = 1.0, rounding: Rounding = "up") -> Design:
        """A design of the same family (an AnyNet for a RegNet), `width` times as wide and `depth` times as deep.

        `Resizing` says how that is rounded.

        Raises NetwrightError for a factor or rounding that cannot be, DesignError where the family has no such numbers.
        """
        by = Resizing(width, depth, rounding)
        return self if width == depth == 1 else self.resized(by)

    def resized(self, by: Resizing) -> Design:
        """What a family that scales defines: itself, with `by.width(...)` and `by.depth(...)` of its widths and depths.

        Raises DesignError for a design that does not define it.
        """
        raise DesignError(
            f"{type(self).__name__} has no widths and depths to scale: only its resolution can be (rule resolution)"
        )


@functools.cache
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def _names_of(value: Value) -> tuple[str, ...]:
    cls: Any = type(value)
    return _field_names(cls)


def _typed(value: Any) -> Any:
    """A key that tells 1 from True and from 1.0, at any depth."""
    kind = type(value)
    return (kind, value) if kind is not tuple else (kind, *map(_typed, value))


def type_name(cls: type[Value]) -> str:
    """What JSON calls a type: netwright's own by their name, a user's with the file's, whether imported or run by a command."""
    return cls.__name__ if cls.__module__.startswith("netwright.") else f"{cls.__module__.removeprefix(FILES)}.{cls.__name__}"


def same_length(design: Value, *names: str) -> None:
    """Raise DesignError unless the tuples in these fields are equally long."""
    lengths = {name: len(getattr(design, name)) for name in names}
    if len(set(lengths.values())) > 1:
        told = " but ".join(f"{length} {name}" for name, length in lengths.items())
        raise DesignError(f"{type(design).__name__}: {told}, expected one of each per stage")


def _check_names(cls: type[Value], names: typing.Iterable[str]) -> None:
    for name in names:
        known = [field.name for field in dataclasses.fields(cls)]
        if name not in known:
            near = did_you_mean(name, known)
            raise DesignError(f"{cls.__name__} has no field {name!r}{near or '; it has ' + ', '.join(known)}")


# ---------------------------------------------------------------- checking a field by its annotation

Check = Callable[[Any], str]  # '' when the value fits, else what was expected


def wrong_with(cls: Any, name: str, value: Any) -> str:
    """What is wrong with a value for a field, in the words of the error that making the design would raise; '' for nothing."""
    try:
        _check_names(cls, [name])
    except DesignError as error:
        return str(error)
    return _wrong(cls, name, value, dict(_checks(cls))[name])


def _wrong(cls: Any, name: str, value: Any, check: Check) -> str:
    expected = check(value)
    return f"{cls.__name__}: {name} is {value!r}, expected {expected}" if expected else ""


@functools.cache
def _checks(cls: Any) -> tuple[tuple[str, Check], ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple((name, _check_of(hints[name])) for name in _field_names(cls))


def _check_of(hint: Any) -> Check:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _bounded(_check_of(args[0]), [a for a in args[1:] if isinstance(a, AtLeast)])
    if origin is tuple:
        return _tuple_of(args)
    if origin is Literal:
        return lambda value: "" if _is_one_of(value, args) else f"one of {', '.join(map(repr, args))}"
    if origin in (typing.Union, types.UnionType):
        return _any_of([_check_of(a) for a in args])
    if hint is int:
        return lambda value: "" if type(value) is int else "a whole number"
    if hint is float:
        return lambda value: "" if type(value) in (int, float) and math.isfinite(value) else "a number"
    if hint in (None, type(None)):
        return lambda value: "" if value is None else "None"
    if isinstance(hint, type):
        return lambda value: "" if isinstance(value, hint) else f"a {hint.__name__}"
    raise TypeError(f"a design cannot hold a field of type {hint!r}")


def _is_one_of(value: Any, choices: tuple[Any, ...]) -> bool:
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _bounded(check: Check, bounds: list[AtLeast]) -> Check:
    expected = " and ".join([check(object()), *map(str, bounds)]).replace(" and ", " ", 1)

    def checked(value: Any) -> str:
        fits = not check(value) and all(bound.least <= value <= bound.most for bound in bounds)
        return "" if fits else expected

    return checked


def _tuple_of(args: tuple[Any, ...]) -> Check:
    anylong = len(args) == 2 and args[1] is Ellipsis
    checks = [_check_of(a) for a in (args[:1] if anylong else args)]

    def checked(value: Any) -> str:
        if not isinstance(value, tuple):
            return "a tuple"
        if not anylong and len(value) != len(checks):
            return f"a tuple of {len(checks)} values"
        for i, item in enumerate(value):
            wrong = checks[0 if anylong else i](item)
            if wrong:
                return f"a tuple whose item {i} is {wrong}"
        return ""

    return checked


def _any_of(checks: list[Check]) -> Check:
    def checked(value: Any) -> str:
        wrongs = [check(value) for check in checks]
        return "" if "" in wrongs else " or ".join(dict.fromkeys(wrongs))

    return checked


# ---------------------------------------------------------------- JSON


def to_json(design: Value, indent: int | None = 2) -> str:
    """The design as JSON text: `schema`, then `type` and the fields of every design in it.

    >>> from netwright.graph.values import from_json, to_json
    >>> from netwright.zoo import network
    >>> from_json(to_json(network("resnet18"))) == network("resnet18")
    True
    """
    return json.dumps({"schema": SCHEMA, **plain_value(design)}, indent=indent)


def plain_value(value: Any) -> Any:
    """A value as JSON has it: designs with their `type`, tuples as lists."""
    if isinstance(value, Value):
        return {"type": type_name(type(value))} | {name: plain_value(item) for name, item in value.fields().items()}
    return [plain_value(item) for item in value] if isinstance(value, tuple) else value


def from_json(text: str) -> Design:
    """The design that `to_json` wrote; types come from the registry of designs only, never from an import path.

    Raises DesignError for text that is not a design, an unknown type or field, or a newer schema.

    >>> nw.from_json(nw.to_json(nw.network("resnet18", classes=10))).classes
    10
    """
    design = value_from_json(text)
    if not isinstance(design, Design):
        raise DesignError(f"not a design: it holds a {type(design).__name__}")
    return design


def value_from_json(text: str) -> Value:
    """The value that `to_json` wrote, as `from_json`, also one that is no design: a recipe, a space."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DesignError(f"not a design: {error}") from None
    if not isinstance(plain, dict) or not isinstance(plain.get("type"), str):
        raise DesignError("not a design: expected a JSON object with 'schema' and 'type'")
    schema = plain.pop("schema", None)
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise DesignError(f"a design of schema {schema!r}; this version of netwright reads up to {SCHEMA}")
    value: Value = _value(plain)
    return value


def read_design(path: Path) -> Design:
    """The design of a JSON file. Raises NetwrightError, which names the file, where it cannot be read or holds none."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetwrightError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise NetwrightError(f"{path} is not text: {error}") from None
    except NetwrightError as error:
        raise NetwrightError(f"{path}: {error}") from None


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    fields = {name: _value(item) for name, item in plain.items() if name != "type"}
    kind = plain.get("type")
    cls = type_named(kind)
    _check_names(cls, fields)
    try:
        return cls(**fields)
    except TypeError as error:
        raise DesignError(f"{kind}: {error}") from None


def type_named(kind: Any) -> type[Value]:
    """The class that JSON calls so. Raises DesignError for one that is not known."""
    if not isinstance(kind, str) or kind not in Value.registry:
        for imports in Value.libraries:
            imports()
    cls = Value.registry.get(kind) if isinstance(kind, str) else None
    if cls is None:
        module, _, name = str(kind).partition(".")
        file = "file.py" if module == "__main__" or not name or "." in name else f"{module}.py"
        way_out = f"import the file that defines it first (in a command write {file}:FOLDER in place of FOLDER)"
        raise DesignError(f"unknown design {kind!r}: {way_out}{did_you_mean(str(kind), Value.registry)}")
    return cls
