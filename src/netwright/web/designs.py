"""What the Design room asks, read and answered: a network, changed and scaled, and what that costs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from netwright.costing import cost
from netwright.costing.comparing import Comparison
from netwright.costing.latency import Profile
from netwright.costing.memory import PRECISIONS
from netwright.costing.states import STATES
from netwright.costing.table import Cost
from netwright.errors import DesignError, NetwrightError
from netwright.graph import Design, Graph, Value, own_image, to_json, trace
from netwright.graph.describing import Fault, Plain, changed, read_form
from netwright.scaling.rules import COMPOUND, MOST, Factors
from netwright.zoo import network

MOST_LAYERS = 20_000  # a page is no place for more
MOST_BLOCKS = 2_000  # of a stage, or groups of a block: what is written one by one
MOST_BATCH = 1_000_000
AS_IT_IS = Factors(1.0, 1.0, 1.0)
_WRITTEN = ("depth", "depths", "groups")


class FaultyError(Exception):
    """What was asked cannot be; with everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.told for fault in faults))
        self.faults = tuple(faults)

    def to_json(self) -> Plain:
        """Where each fault is, as the page names its fields, and the library's own line."""
        return {"faults": [{"at": ".".join(map(str, one.path)), "told": one.told[:400]} for one in self.faults]}


@dataclass(frozen=True)
class Asked:
    """A network of the page: `base` as it was chosen, `design` with its fields changed, and how it is scaled and used.

    `times` are multiples of depth, width and resolution on top of compound scaling by `phi`.
    """

    base: Design
    net: str  # the name of the base in the zoo, or ''
    design: Design
    times: Factors
    phi: float
    batch: int
    precision: Any
    optimizer: str

    @cached_property
    def scaled(self) -> tuple[Design, int]:
        """The scaled design and its image. Raises FaultyError where it cannot be scaled so."""
        side = own_image(self.design)
        if self.phi == 0 and self.times == AS_IT_IS:
            return self.design, side
        try:
            rule = COMPOUND.factors(self.phi)
            factors = Factors(*[a * b for a, b in zip(rule, self.times, strict=True)])
            if max(factors) > MOST or min(factors) < 1 / MOST:
                raise NetwrightError(f"that is more than {MOST:g} times as large, or as small, as the original")
            design, image = COMPOUND.rounded(self.design, side, factors)
        except NetwrightError as error:
            raise FaultyError([Fault(("scaling",), _plainly(error))]) from None
        wrong = too_large(design)
        if wrong:
            raise FaultyError([Fault(("scaling",), fault.told) for fault in wrong])
        return design, image

    @property
    def name(self) -> str:
        """What it is called."""
        words = [self.net or type(self.base).__name__]
        words += ["changed"] if self.design != self.base else []
        words += ["scaled"] if self.scaled[0] != self.design else []
        return ", ".join(words)

    def cost(self, profile: Profile | None) -> Cost:
        """What it costs, with times where there is a profile of this precision. Raises FaultyError for what cannot be traced."""
        design, image = self.scaled
        profile = profile if profile is not None and profile.precision == self.precision else None
        try:
            check_size(trace(design, image))
            return cost(
                design,
                image,
                name=self.name,
                batch=self.batch,
                precision=self.precision,
                optimizer=self.optimizer,
                profile=profile,
            )
        except NetwrightError as error:
            raise FaultyError([Fault(("design",), str(error))]) from None

    @property
    def unscaled(self) -> Asked:
        """The same before it is scaled: equal wherever the sliders are."""
        return Asked(self.design, self.net, self.design, AS_IT_IS, 0.0, self.batch, self.precision, self.optimizer)

    def row(self, profile: Profile | None) -> Plain:
        """The totals: counts for one image, bytes and milliseconds for the batch, bytes by what they are for."""
        moved = (self.times, self.phi) != (AS_IT_IS, 0.0)  # sliders give many of these, and would crowd out the others
        return (_scaled_row if moved else _row)(self, profile)


@lru_cache(maxsize=1024)
def _scaled_row(asked: Asked, profile: Profile | None) -> Plain:
    return _row.__wrapped__(asked, profile)


@lru_cache(maxsize=256)
def _row(asked: Asked, profile: Profile | None) -> Plain:
    made = asked.cost(profile)
    row: Plain = Comparison((made,)).rows()[0]
    parts = ("parameters", "gradients", "state", "saved", "weights", "maps")
    return row | {"memory": {part: getattr(made.memory, part) for part in parts}, "layers": len(made.flat.rows) - 1}


def _plainly(error: NetwrightError) -> str:
    return str(error).removeprefix(f"not by the rule {COMPOUND.name}: ")


# ---------------------------------------------------------------- reading


def asked_of(plain: Plain) -> Asked:
    """What the page asks: `net` (a name) or `design` (plain values), `changes` of its fields, `width`, `depth`, `resolution`,
    `phi`, `batch`, `precision` and `optimizer`. Raises FaultyError with all that is wrong.
    """
    base, design, faults = _design_of(plain)
    width, depth, resolution = [_number(plain, name, 1 / MOST, MOST, 1.0, faults) for name in ("width", "depth", "resolution")]
    phi = _number(plain, "phi", -COMPOUND.most, COMPOUND.most, 0.0, faults)
    batch = _number(plain, "batch", 1, MOST_BATCH, 1, faults)
    precision = _word(plain, "precision", PRECISIONS, "fp32", faults)
    optimizer = _word(plain, "optimizer", tuple(STATES), "momentum", faults)
    if type(batch) is not int:
        faults.append(Fault(("batch",), f"batch is {batch!r}, expected a whole number"))
    if faults or base is None or design is None:
        raise FaultyError(faults)
    net = plain["net"] if isinstance(plain.get("net"), str) else ""
    return Asked(base, net, design, Factors(depth, width, resolution), phi, int(batch), precision, optimizer)


def _design_of(plain: Plain) -> tuple[Design | None, Design | None, list[Fault]]:
    """The base, the changed design, and what is wrong with them."""
    net, given, changes = plain.get("net"), plain.get("design"), plain.get("changes") or {}
    if not isinstance(changes, dict):
        return None, None, [Fault(("changes",), "expected fields and their values")]
    try:
        base, faults = (network(net), ()) if isinstance(net, str) and net else read_form(given)
    except NetwrightError as error:
        return None, None, [Fault(("net",), str(error))]
    if faults:
        return None, None, [one._replace(path=("design", *one.path)) for one in faults]
    if not isinstance(base, Design):
        return None, None, [Fault(("net",), "choose a network")]
    made, faults = changed(base, changes)
    wrong = [*faults, *too_large(base if made is None else made)]
    return base, made if isinstance(made, Design) else None, [one._replace(path=("design", *one.path)) for one in wrong]


def _number(plain: Plain, name: str, least: float, most: float, default: float, faults: list[Fault]) -> float:
    value = plain.get(name, default)
    if type(value) not in (int, float) or not least <= value <= most:
        faults.append(Fault((name,), f"{name} is {value!r}, expected a number from {least:g} to {most:g}"))
        return default
    return value if type(default) is int else float(value)


def _word(plain: Plain, name: str, known: Sequence[str], default: str, faults: list[Fault]) -> str:
    value = plain.get(name, default)
    if value not in known:
        faults.append(Fault((name,), f"{name} is {value!r}, expected one of {', '.join(known)}"))
        return default
    return str(value)


def too_large(value: Any, path: tuple[str | int, ...] = ()) -> list[Fault]:
    """Numbers of a design that would have its layers written until memory is gone, before one could count them."""
    if isinstance(value, tuple):
        return [fault for i, item in enumerate(value) for fault in too_large(item, (*path, i))]
    if isinstance(value, Value):
        return [fault for name, item in value.fields().items() for fault in too_large(item, (*path, name))]
    words = [word for word in path if isinstance(word, str)]
    most = MOST if isinstance(value, float) else MOST_BLOCKS  # a number multiplies the depths of stages
    if words and words[-1] in _WRITTEN and isinstance(value, (int, float)) and value > most:
        return [Fault(path, f"{words[-1]} is {value!r}: the page goes up to {most:,.0f}")]
    return []


def check_size(graph: Graph) -> None:
    """Raises DesignError for more layers than a page can show."""
    layers = _layers(graph)
    if layers > MOST_LAYERS:
        raise DesignError(f"{layers:,} layers: the page shows up to {MOST_LAYERS:,}")


@lru_cache(maxsize=512)
def _layers(graph: Graph) -> int:
    blocks = [node.layer for node in graph.nodes if isinstance(node.layer, Graph)]
    return len(graph.nodes) - len(blocks) + sum(map(_layers, blocks))


# ---------------------------------------------------------------- to take along


def python_of(asked: Asked) -> str:
    """The network as Python that makes the same design."""
    design, image = asked.scaled
    lines = ["import netwright as nw"]
    if asked.net and type(design) is type(asked.base):
        fields, before = design.fields(), asked.base.fields()
        changes = [f"{name}={value!r}" for name, value in fields.items() if value != before[name]]
        lines += _imports([value for name, value in fields.items() if value != before[name]])
        lines.append(f"\nnet = nw.network({', '.join([repr(asked.net), *changes])})")
    else:
        lines += [*_imports([design]), f"\nnet = {design!r}"]
    use = "" if asked.batch == 1 else f", batch={asked.batch}"
    use += "" if asked.precision == "fp32" else f", precision={asked.precision!r}"
    use += "" if asked.optimizer == "momentum" else f", optimizer={asked.optimizer!r}"
    return "\n".join([*lines, f"print(nw.cost(net, image={image}{use}))", ""])


def _imports(values: Sequence[Any]) -> list[str]:
    found: dict[str, set[str]] = {}
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple):
            waiting += value
        elif isinstance(value, Value):
            found.setdefault(type(value).__module__, set()).add(type(value).__name__)
            waiting += value.fields().values()
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(found.items())]


def command_of(asked: Asked) -> str:
    """The network's cost as a command; a design that has no name is written to a file first."""
    design, image = asked.scaled
    use = [] if asked.batch == 1 else ["--batch", str(asked.batch)]
    use += [] if asked.precision == "fp32" else ["--precision", asked.precision]
    use += [] if asked.optimizer == "momentum" else ["--optimizer", asked.optimizer]
    if asked.net and asked.design == asked.base and asked.times == AS_IT_IS:
        if asked.phi == 0:
            return shlex.join(["netwright", "cost", asked.net, *use])
        return shlex.join(["netwright", "scale", asked.net, "--phi", f"{asked.phi:g}", *use])
    if asked.net and _only_resolution(asked, design):
        return shlex.join(["netwright", "cost", asked.net, "--image", str(image), *use])
    file = f"printf '%s\\n' {shlex.quote(to_json(design, indent=None))} > net.json"
    return f"{file} && {shlex.join(['netwright', 'cost', 'net.json', *use])}"


def _only_resolution(asked: Asked, design: Design) -> bool:
    """Whether nothing but the resolution differs from the network of the zoo."""
    return (
        type(design) is type(asked.base)
        and "resolution" in asked.base.fields()
        and (design.replace(resolution=own_image(asked.base)) == asked.base)
    )
