"""What a form for a design is made of: fields as their annotations have them, and what is wrong with values, field by field."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Annotated, Any, Literal, NamedTuple

from netwright.errors import DesignError
from netwright.graph.values import AtLeast, Value, plain_value, type_named, wrong_with

Plain = dict[str, Any]
MOST_NESTED = 12  # values in one another


class Fault(NamedTuple):
    """What is wrong, and where: the names of fields and places in tuples that lead there."""

    path: tuple[str | int, ...]
    told: str


def described(cls: Any) -> list[Plain]:
    """The fields of a class in their order: `name`, `form`, and `default` where there is one.

    A form has a `kind`: whole, number, yes_no, text, none; word (with `choices`); several (`of` a form, `length` or None);
    either (`of` forms); value (`types`, names of classes). Bounds are `least` and `most`.

    >>> from netwright.blocks import MBConv
    >>> described(MBConv)[1]
    {'name': 'kernel', 'form': {'kind': 'whole', 'least': 1}, 'default': 3}
    """
    hints = _hints(cls)
    fields = []
    for field in dataclasses.fields(cls):
        told: Plain = {"name": field.name, "form": _form(hints[field.name])}
        has_default = field.default is not dataclasses.MISSING
        fields.append(told | ({"default": plain_value(field.default)} if has_default else {}))
    return fields


@functools.cache
def _hints(cls: Any) -> Plain:
    return typing.get_type_hints(cls, include_extras=True)


_KINDS = {int: "whole", float: "number", bool: "yes_no", str: "text", type(None): "none"}


def _form(hint: Any) -> Plain:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = [bound for bound in args[1:] if isinstance(bound, AtLeast)]
        least = {"least": max(bound.least for bound in bounds)} if bounds else {}
        most = min([bound.most for bound in bounds], default=float("inf"))
        return _form(args[0]) | least | ({"most": most} if most < float("inf") else {})
    if origin is tuple:
        anylong = len(args) == 2 and args[1] is Ellipsis
        return {"kind": "several", "of": _form(args[0]), "length": None if anylong else len(args)}
    if origin is Literal:
        return {"kind": "word", "choices": list(args)}
    if origin in (typing.Union, types.UnionType):
        return _either([_form(one) for one in args])
    if hint in _KINDS:
        return {"kind": _KINDS[hint]}
    return {"kind": "value", "types": [name for name, known in Value.registry.items() if issubclass(known, hint)]}


def _either(forms: list[Plain]) -> Plain:
    """Several classes are one form, that is chosen from."""
    values = [name for form in forms if form["kind"] == "value" for name in form["types"]]
    others = [form for form in forms if form["kind"] != "value"]
    forms = ([{"kind": "value", "types": values}] if values else []) + others
    return forms[0] if len(forms) == 1 else {"kind": "either", "of": forms}


# ---------------------------------------------------------------- reading what a form holds


def read_form(plain: Any) -> tuple[Any, tuple[Fault, ...]]:
    """The value of plain values (JSON's), and everything that is wrong with it, field by field; None where anything is.

    JSON does not tell 1 from 1.0: a number is read as its field wants it.

    >>> read_form({"type": "MBConv", "kernel": 0, "eps": "x"})[1][0]
    Fault(path=('kernel',), told='MBConv: kernel is 0, expected a whole number at least 1')
    """
    faults: list[Fault] = []
    value = _read(plain, (), faults)
    return (None if faults else value), tuple(faults)


def changed(value: Value, changes: Plain) -> tuple[Value | None, tuple[Fault, ...]]:
    """A value with some fields changed to plain values, as `read_form` reads them; None where anything is wrong."""
    faults: list[Fault] = []
    fields = _fields(type(value), changes, (), faults)
    if not faults:
        try:
            return (value.replace(**fields) if fields else value), ()
        except DesignError as error:
            faults.append(Fault((), str(error)))
    return None, tuple(faults)


def _read(plain: Any, path: tuple[str | int, ...], faults: list[Fault]) -> Any:
    if len(path) > MOST_NESTED:
        faults.append(Fault(path, f"nested deeper than {MOST_NESTED}"))
        return None
    if isinstance(plain, list):
        return tuple([_read(item, (*path, i), faults) for i, item in enumerate(plain)])
    if not isinstance(plain, dict):
        return plain
    before = len(faults)
    try:
        cls = type_named(plain.get("type"))
        fields = _fields(cls, {name: item for name, item in plain.items() if name not in ("type", "schema")}, path, faults)
        return cls(**fields) if len(faults) == before else None
    except (DesignError, TypeError) as error:  # an unknown class; fields that contradict one another; one that is missing
        faults.append(Fault(path, str(error)))
        return None


def _fields(cls: Any, plain: Plain, path: tuple[str | int, ...], faults: list[Fault]) -> Plain:
    hints = _hints(cls)
    fields: Plain = {}
    for name, item in plain.items():
        before = len(faults)
        value = _read(item, (*path, name), faults)
        fields[name] = _as_wanted(value, hints.get(name))
        wrong = wrong_with(cls, name, value)
        if wrong and len(faults) == before:  # what holds a wrong value is wrong because of it alone
            faults.append(Fault((*path, name), wrong))
    return fields


def _as_wanted(value: Any, hint: Any) -> Any:
    """A whole number as 1.0 where a field is of numbers."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _as_wanted(value, args[0])
    if type(value) is int and hint is float and abs(value) < 2**53:
        return float(value)
    if isinstance(value, tuple) and origin is tuple:
        kinds = args[:1] * len(value) if args[-1] is Ellipsis else args
        return tuple(map(_as_wanted, value, kinds)) if len(kinds) == len(value) else value
    return value
