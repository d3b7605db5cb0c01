"""The Design room's answers: the zoo, the fields of a design, what it costs, its layers and diagram, several side by side."""

from __future__ import annotations

import functools
from functools import lru_cache
from typing import Any

from starlette.routing import Route

from netwright.costing.latency import Profile
from netwright.costing.memory import PRECISIONS
from netwright.costing.states import STATES
from netwright.costing.table import GROUPINGS, Line, groups
from netwright.errors import NetwrightError
from netwright.graph import forget, own_image, trace
from netwright.graph.describing import described
from netwright.graph.values import plain_value, type_named
from netwright.scaling.rules import COMPOUND
from netwright.web.calibrated import own_profile
from netwright.web.designs import Asked, FaultyError, asked_of, command_of, python_of
from netwright.web.exchange import Plain, Workbench, asking, reading
from netwright.zoo import network, networks

MOST_COMPARED = 4
MOST_REMEMBERED = 4096  # blocks: those of some hundred networks


def routes(workbench: Workbench) -> list[Route]:
    """Below /api/design."""
    return [
        reading("/choices", lambda asked: choices()),
        reading("/networks", lambda asked: {"networks": listed()}),
        asking("/form", form),
        asking("/cost", costed, quick=True),
        asking("/table", table),
        asking("/compare", compared),
    ]


def choices() -> Plain:
    """What can be chosen besides the network; how long anything takes is known on a calibrated machine only."""
    profile = own_profile()
    rule = {name: getattr(COMPOUND, name) for name in ("depth", "width", "resolution")}
    about = {"profile": str(profile) if profile else None, "profile_precision": profile.precision if profile else None}
    return {"precisions": list(PRECISIONS), "optimizers": list(STATES), "groupings": list(GROUPINGS), "rule": rule} | about


@functools.cache
def listed() -> list[Plain]:
    """The zoo: names with params and macs at their own resolution."""
    found = []
    for name in networks():
        graph, image = trace(network(name)), own_image(network(name))
        found.append({"name": name, "params": graph.params, "macs": graph.macs, "image": image})
    return found


def form(asked: Plain) -> Plain:
    """The fields of a network and of every class that may stand in them, and its values."""
    try:
        design = asked_of({name: asked.get(name) for name in ("net", "design", "changes")}).design
    except FaultyError as faulty:
        return faulty.to_json()
    return {"faults": [], "design": plain_value(design), "types": _types(plain_value(design)["type"])}


def _types(first: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting = [first]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found[kind] = described(type_named(kind))
            waiting += [other for field in found[kind] for other in _named_in(field["form"])]
    return found


def _named_in(form: Plain) -> list[str]:
    inner = form["of"] if form["kind"] == "either" else [form["of"]] if form["kind"] == "several" else []
    return [*form.get("types", []), *[name for one in inner for name in _named_in(one)]]


def costed(plain: Plain) -> Plain:
    """What a network costs, and the same before it is scaled; or what is wrong with it."""
    try:
        asked = asked_of(plain)
        profile = own_profile()
        row, before = asked.row(profile), asked.unscaled.row(profile)
        forget(MOST_REMEMBERED)
    except FaultyError as faulty:
        return faulty.to_json()
    texts = {"python": python_of(asked), "command": command_of(asked)}
    return {"faults": [], "name": asked.name, "design": plain_value(asked.scaled[0]), "cost": row, "unscaled": before} | texts


def table(plain: Plain) -> Plain:
    """The lines of the cost table, each with the places of its layers, and the diagram, whose boxes name such places."""
    by = plain.get("by", "layer")
    if by not in GROUPINGS:
        raise NetwrightError(f"cannot group by {by!r}: choose one of {', '.join(GROUPINGS)}")
    try:
        return _table(asked_of(plain), by, own_profile())
    except FaultyError as faulty:
        return faulty.to_json()


@lru_cache(maxsize=16)
def _table(asked: Asked, by: Any, profile: Profile | None) -> Plain:
    from dataclasses import replace

    from netwright.report.diagram.draw import to_svg
    from netwright.report.diagram.page import picture_of

    made = replace(asked.cost(profile), by=by)
    places = [rows for _, rows in groups(made.flat, by)]
    lines = [_line(line, rows) for line, rows in zip(made.lines, places, strict=True)]
    picture = picture_of(made.graph, made.network)
    return {"faults": [], "lines": lines, "svg": to_svg(picture, linked=True), "told": picture.told}


def _line(line: Line, rows: list[int]) -> Plain:
    return {
        "name": line.name,
        "kind": line.kind,
        "shape": line.shape,
        "params": line.params,
        "macs": line.macs,
        "acts": line.acts,
        "share": line.share,
        "field": line.field,
        "saved": line.saved_bytes,
        "milliseconds": line.milliseconds,
        "rows": rows,
    }


def compared(plain: Plain) -> Plain:
    """Up to four networks side by side: their totals, each also as a multiple of the first one's."""
    from netwright.costing.comparing import Comparison

    several = plain.get("networks")
    if not isinstance(several, list) or not 1 <= len(several) <= MOST_COMPARED or not all(isinstance(x, dict) for x in several):
        raise NetwrightError(f"compare one to {MOST_COMPARED} networks")
    try:
        profile = own_profile()
        return {"faults": [], "rows": Comparison(tuple([asked_of(one).cost(profile) for one in several])).rows()}
    except FaultyError as faulty:
        return faulty.to_json()
