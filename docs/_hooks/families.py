"""A page for each family of the zoo, read off its module, its designs and their graphs."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import prose

import netwright as nw
from netwright.costing.formats import markdown_table
from netwright.graph import own_image, trace
from netwright.graph.initial import Draw, Initial
from netwright.runtime.naming import namings
from netwright.runtime.published import table
from netwright.zoo import name_of

FANS = {"": "", "in": "fan-in", "out": "fan-out", "groups": "fan-out of a group"}
LAWS = {"normal": "normal", "truncated": "normal, cut at two deviations"}
Networks = dict[str, nw.Design]


def pages() -> dict[str, str]:
    """The families and the drawings on them, by their place on the site; an index of all comes first."""
    made: dict[str, str] = {"zoo/index.md": ""}
    cards = []
    for module, kinds in _families().items():
        family = module.__name__.rpartition(".")[2]
        made[f"zoo/{family}.md"] = _page(module, kinds)
        for networks in kinds.values():
            made[f"zoo/{_shown(networks)}.svg"] = nw.draw(_shown(networks)).svg
        every = {name: design for networks in kinds.values() for name, design in networks.items()}
        cards.append(_card(module, family, every, _shown(next(iter(kinds.values())))))
    made["zoo/index.md"] = _INDEX.format(count=len(nw.networks()), cards="\n".join(cards))
    return made


_INDEX = """---
title: Families
---

# The families of the zoo

{count} networks, each family read off its one definition: the drawing, the counts and the cost table are the graph's.
[The zoo](../zoo.md) says how to take one, with which weights and in which form.

<div class="grid cards" markdown>

{cards}
</div>
"""


def _families() -> dict[ModuleType, dict[type, Networks]]:
    """The designs of the zoo by their module (a paper) and their class."""
    found: dict[ModuleType, dict[type, Networks]] = {}
    for name in nw.networks():
        design = nw.network(name)
        kinds = found.setdefault(importlib.import_module(type(design).__module__), {})
        kinds.setdefault(type(design), {})[name] = design
    return found


def _title(module: ModuleType) -> str:
    return re.split(r"[:(;]", module.__doc__ or "")[0].strip()


def _shown(networks: Networks) -> str:
    """The network that stands for its class: the one that the class makes unasked, else the first."""
    plain = name_of(type(next(iter(networks.values())))())
    return plain if plain in networks else next(iter(networks))


def _card(module: ModuleType, family: str, networks: Networks, shown: str) -> str:
    names = f"{len(networks)} networks" if len(networks) > 1 else f"`{shown}`"
    return (
        f"-   [![{shown} as netwright draws it]({shown}.svg)]({family}.md)\n\n    **[{_title(module)}]({family}.md)**, {names}\n"
    )


def _page(module: ModuleType, kinds: dict[type, Networks]) -> str:
    parts = [f"# {_title(module)}", prose(module.__doc__ or "")]
    for kind, networks in kinds.items():
        shown, (level, of) = _shown(networks), ("###", f" of {kind.__name__}") if len(kinds) > 1 else ("##", "")
        parts += [f"## {kind.__name__}"] if of else []
        parts += [prose(inspect.getdoc(kind) or ""), f"[![{shown} as netwright draws it]({shown}.svg)]({shown}.svg)"]
        parts += [_counts(networks), f"{level} Cost by stage{of}", _cost(shown)]
        parts += [f"{level} First weights{of}", _start(networks[shown])]
        parts += [f"{level} Checkpoints{of}", _checkpoints(networks, shown)]
    return "\n\n".join([*parts, "## The parts", _parts(module, kinds), "## The definition", _definition(module)]) + "\n"


def _counts(networks: Networks) -> str:
    """Every network at its own resolution."""
    rows = []
    for name, design in networks.items():
        graph = trace(design)
        rows.append([f"`{name}`", *(f"{count:,}" for count in (own_image(design), graph.params, graph.macs, graph.acts))])
    return markdown_table(["network", "image (px)", "params", "macs", "acts"], rows)


def _cost(name: str) -> str:
    made = nw.cost(nw.network(name), by="stage", name=name)
    return f"    netwright cost {name} --by stage\n\n{_numbers(made.to_markdown())}"


def _numbers(table: str) -> str:
    """A table whose cells keep to one line."""
    return f'<div class="numbers" markdown>\n\n{table}\n</div>'


# ---------------------------------------------------------------- weights


def _start(design: nw.Design) -> str:
    """The distributions that the design draws its first weights from."""
    initial: Initial = getattr(design, "initial", Initial())
    roles = {row.layer.role for row in trace(design).rows() if hasattr(row.layer, "role")}
    told = {"convolutions": _law(initial.conv), "linear layers": _law(initial.linear), "the classifier": _law(initial.head)}
    told["biases"] = "uniform in ± √(1 / fan-in)" if initial.bias is None else f"{initial.bias:g}"
    if "bias-one" in roles:
        told["biases"] += "; 1 where a ReLU is to be fed"
    if initial.identity and "residual-last" in roles:
        told["last norm of a residual branch"] = "scale 0: every block starts as its shortcut"
    return markdown_table(["weights", "start"], [[what, how] for what, how in told.items()], left=2)


def _law(draw: Draw) -> str:
    fan, normal = FANS[draw.fan], draw.law != "uniform"
    if not fan:
        return f"{LAWS[draw.law]}, deviation {math.sqrt(draw.gain):.3g}"
    return f"{LAWS[draw.law]}, variance {draw.gain:.3g} / {fan}" if normal else f"uniform in ± √({3 * draw.gain:.3g} / {fan})"


def _checkpoints(networks: Networks, shown: str) -> str:
    """Whose parameter names are read and written, what others call ours, and the weights that torchvision publishes."""
    whose: dict[str, list[str]] = {}
    for name, design in networks.items():
        whose.setdefault(", ".join(naming.source for naming in namings(design)), []).append(f"`{name}`")
    of = [f" of {', '.join(names)}" if len(whose) > 1 else "" for names in whose.values()]
    parts = [f"Parameter names{names} that are read and written: {sources}." for names, sources in zip(of, whose, strict=True)]
    parts += ["`--weights timm/NAME.TAG` fetches timm's from the hub."] if any("timm" in sources for sources in whose) else []
    return "\n\n".join([*parts, *_renamed(networks[shown]), *_published(networks)])


def _renamed(design: nw.Design) -> list[str]:
    """A few of our names beside those of the sources that have others."""
    names = [f"{row.name}.weight" for row in trace(design).rows() if row.counts[0]]
    others = [naming for naming in namings(design) if [naming.of(name) for name in names] != names]
    some = [names[0], names[len(names) // 2], names[-1]]
    rows = [[f"`{name}`", *(f"`{naming.of(name)}`" for naming in others)] for name in some]
    return [markdown_table(["ours", *(naming.source for naming in others)], rows, left=1 + len(others))] if others else []


def _published(networks: Networks) -> list[str]:
    rows: list[list[str]] = []
    for row in table():
        if row.network in networks:
            seen = row.preprocessing
            label = f"`{row.label}`" + " (default)" * row.default
            rows.append([f"`{row.network}`", label, f"{seen.resize} px, centre {seen.image} px, {seen.filter}", f"`{row.file}`"])
    told = "Published by torchvision; `--weights` takes a label or `DEFAULT`:"
    return [told, _numbers(markdown_table(["network", "weights", "pictures", "file"], rows, left=4))] if rows else []


# ---------------------------------------------------------------- the code


def _parts(module: ModuleType, kinds: dict[type, Networks]) -> str:
    """What the networks are written with, in the order of the file."""
    found = [(name, part) for name, part in vars(module).items() if not name.startswith("_") and _written(module, part)]
    return "\n".join(f"`{name}`\n:   {_first(part)}\n" for name, part in found if part not in kinds)


def _written(module: ModuleType, part: Any) -> bool:
    return (inspect.isroutine(part) or inspect.isclass(part)) and part.__module__ == module.__name__


def _first(part: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(prose((inspect.getdoc(part) or "").partition("\n\n")[0]).split())


def _definition(module: ModuleType) -> str:
    path = Path(inspect.getfile(module))
    code = "".join(f"    {line}" if line.strip() else line for line in path.read_text(encoding="utf-8").splitlines(keepends=True))
    return f'??? abstract "src/netwright/zoo/{path.name}"\n    ```python\n{code}    ```'
