"""The API reference: which modules are public, and the lines that mkdocstrings fills in from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from docstrings import prose

import netwright

FOLDER = "reference/api"
# beside the packages that say in __all__ what is theirs: modules that the guides import from
MODULES = (
    "netwright.blocks",
    "netwright.costing.memory",
    "netwright.errors",
    "netwright.graph.folding",
    "netwright.graph.initial",
    "netwright.graph.resizing",
    "netwright.optim.schedules",
    "netwright.preprocessing",
    "netwright.report.charts",
    "netwright.report.population_page",
    "netwright.spaces.comparing",
    "netwright.spaces.population",
    "netwright.spaces.statistics",
    "netwright.spaces.trends",
    "netwright.spaces.width_fit",
    "netwright.studies.samplers.controller",
    "netwright.units",
)


def pages() -> dict[str, str]:
    """`netwright` first, then its public packages and modules by their names; what stands on the first page is linked to."""
    root = {id(getattr(netwright, name)): f"netwright.{name}" for name in netwright.__all__}
    made = {f"{FOLDER}/index.md": _root()}
    for name in sorted([*_packages(), *MODULES]):
        made[f"{FOLDER}/{name.removeprefix('netwright.')}.md"] = _page(name, root)
    return made


def _packages() -> list[str]:
    names = [f"netwright.{info.name}" for info in pkgutil.iter_modules(netwright.__path__) if info.ispkg]
    return [name for name in names if getattr(importlib.import_module(name), "__all__", ())]


def _root() -> str:
    """What `import netwright as nw` gives: functions, then classes."""
    names = sorted(netwright.__all__, key=lambda name: (inspect.isclass(getattr(netwright, name)), name))
    blocks = "\n\n".join(_block(f"netwright.{name}", getattr(netwright, name)) for name in names)
    return f"# netwright\n\n    import netwright as nw\n\n{blocks}\n"


def _page(name: str, root: dict[int, str]) -> str:
    """A module: functions and classes in full, other values by name and type, what stands on the first page by a link."""
    module: Any = importlib.import_module(name)
    members = {member: getattr(module, member) for member in getattr(module, "__all__", ()) or _own(module)}
    parts = [f"# {name}", prose(inspect.getdoc(module) or "")]
    there = [f"[`{member}`][{root[id(value)]}]" for member, value in members.items() if id(value) in root]
    parts += [f"Also here: {', '.join(there)}."] if there else []
    values = [f"`{member}` ({type(value).__name__})" for member, value in members.items() if not _documented(value)]
    parts += [f"Values: {', '.join(values)}."] if values else []
    shown = {member: value for member, value in members.items() if _documented(value) and id(value) not in root}
    parts += [_block(f"{name}.{member}", value) for member, value in shown.items()]
    return "\n\n".join(parts) + "\n"


def _block(path: str, value: Any) -> str:
    """What mkdocstrings fills in. Where a function's module bears its name, griffe takes one for the other: it is told which."""
    name = path.rpartition(".")[2]
    if not value.__module__.endswith(f".{name}"):
        return f"::: {path}"
    told = f"options: {{heading: {path}, toc_label: {name}}}"
    return f"[](){{#{path}}}\n\n::: {value.__module__}.{name}\n    {told}"


def _documented(value: Any) -> bool:
    return (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith("netwright.")


def _own(module: Any) -> list[str]:
    """The public functions and classes that a module defines."""
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return [name for name, value in own.items() if not name.startswith("_") and _documented(value)]
