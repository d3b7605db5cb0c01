"""Networks side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netwright.costing.formats import csv_table, html_table, markdown_table, pair_text, text_table
from netwright.costing.table import Cost, cost
from netwright.errors import NetwrightError
from netwright.graph import Design, Graph
from netwright.graph.layers import Pair
from netwright.units import parse_bytes, short_amount, short_bytes
from netwright.zoo import name_of, network

if TYPE_CHECKING:
    from netwright.costing.latency import Profile
    from netwright.costing.memory import Precision

_RATIOS = ("params", "macs", "acts", "training_bytes", "inference_bytes")


@dataclass(frozen=True)
class Comparison:
    """The totals of several networks, each also as a multiple of the first one's. Prints as a table.

    `limit` are the bytes for which each one's largest training batch is worked out, or None.

    >>> rows = nw.compare("resnet50", "efficientnet_b0", image=224).rows()
    >>> [round(row["macs_ratio"], 3) for row in rows]
    [1.0, 0.094]
    """

    costs: tuple[Cost, ...]
    limit: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        """A row for each network: counts for one image, bytes and milliseconds for the batch; ratios to the first network.

        `largest_batch` is None where no limit was given, and 0 where not one image fits into it.
        """
        found = [_totals(made) for made in self.costs]
        first = found[0]
        for row, made in zip(found, self.costs, strict=True):
            for name in _RATIOS:
                row[f"{name}_ratio"] = row[name] / first[name] if first[name] else None
            row["largest_batch"] = None if self.limit is None else _largest(made, self.limit)
        return found

    def to_json(self) -> dict[str, Any]:
        """The rows as plain values, with the limit in bytes."""
        return {"limit_bytes": self.limit, "networks": self.rows()}

    def to_csv(self) -> str:
        """The rows as CSV with a header; an image is written as 3x224x224."""
        return csv_table([row | {"image": "x".join(map(str, row["image"]))} for row in self.rows()])

    def to_markdown(self) -> str:
        """The table and the units below it, as Markdown."""
        return f"{markdown_table(*self._cells())}\n\n{self._units()}\n"

    def __str__(self) -> str:
        return f"{text_table(*self._cells())}\n\n{self._units()}"

    def _repr_html_(self) -> str:
        return html_table("Networks side by side", *self._cells(), notes=[self._units()])

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        shown = list(_COLUMNS)
        if not self._alike():
            shown.append(("bytes for", _use))
        if any(made.times is not None for made in self.costs):
            shown.append(("ms", lambda row: "-" if row["milliseconds"] is None else f"{row['milliseconds']:,.2f}"))
        if self.limit is not None:
            shown.append(("largest batch", lambda row: f"{row['largest_batch']:,}"))
        return [head for head, _ in shown], [[cell(row) for _, cell in shown] for row in self.rows()]

    def _alike(self) -> bool:
        """Whether all bytes are for the same batch, precision, optimizer and form."""
        return len({(made.batch, made.precision, made.optimizer, made.deploy) for made in self.costs}) == 1

    def _units(self) -> str:
        first = self.costs[0]
        told = "Counts are for one image; x: a multiple of the first row's."
        if self._alike():
            told += f"\nBytes are for batch {_use(_totals(first))}."
        timed = dict.fromkeys(str(made.profile) for made in self.costs if made.profile is not None)
        told += f"\nMilliseconds are predicted for the batch on {', '.join(timed)}." if timed else ""
        if self.limit is not None:
            told += f" The largest batch trains within {short_bytes(self.limit)}."
        return told


def _totals(made: Cost) -> dict[str, Any]:
    return {
        "network": made.network,
        "image": list(made.image),
        "params": made.params,
        "macs": made.macs,
        "flops": made.flops,
        "acts": made.acts,
        "batch": made.batch,
        "precision": made.precision,
        "optimizer": made.optimizer,
        "deploy": made.deploy,
        "training_bytes": made.memory.training,
        "inference_bytes": made.memory.inference,
        "milliseconds": made.milliseconds,
        "profile": None if made.profile is None else str(made.profile),
    }


def _largest(made: Cost, limit: int) -> int:
    """0 where not one image fits."""
    return made.largest_batch(limit) if made.memory_at(1).training <= limit else 0


def _image(row: dict[str, Any]) -> str:
    channels, *sides = row["image"]
    size = pair_text(tuple(sides)) if len(sides) == 2 else "x".join(map(str, sides)) or "flat"
    return size if channels == 3 else f"{size}, {channels} channels"


def _ratio(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: "-" if row[f"{name}_ratio"] is None else f"{row[f'{name}_ratio']:.2f}"


def _use(row: dict[str, Any]) -> str:
    return f"{row['batch']}, {row['precision']}, {row['optimizer']}{', deployed' if row['deploy'] else ''}"


def _training(row: dict[str, Any]) -> str:
    return "-" if row["deploy"] else short_bytes(row["training_bytes"])


_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("network", lambda row: str(row["network"])),
    ("image (px)", _image),
    ("params", lambda row: short_amount(row["params"])),
    ("x", _ratio("params")),
    ("macs", lambda row: short_amount(row["macs"])),
    ("x", _ratio("macs")),
    ("flops", lambda row: short_amount(row["flops"])),
    ("acts", lambda row: short_amount(row["acts"])),
    ("x", _ratio("acts")),
    ("training", _training),
    ("x", lambda row: "-" if row["deploy"] else _ratio("training_bytes")(row)),
    ("inference", lambda row: short_bytes(row["inference_bytes"])),
    ("x", _ratio("inference_bytes")),
)


def compare(
    *nets: str | Design | Callable[..., Any] | Graph | Cost,
    image: int | Pair | None = None,
    channels: int = 3,
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
    deploy: bool = False,
    profile: Profile | str | os.PathLike[str] | None = None,
    fit: int | str | None = None,
) -> Comparison:
    """Networks side by side: names of the zoo, designs, traced graphs, or costs made before (which stay as they are).

    Each is costed at `image` pixels, or at its own resolution; a graph at that of its trace. The other arguments are those
    of `cost`; `fit` (bytes, or '24GB') adds the largest batch that trains in so much. Raises NetwrightError where there is
    nothing to compare, and what `cost` raises.

    >>> [row["params_ratio"] for row in compare("vgg16", "vgg16", image=64).rows()]
    [1.0, 1.0]
    """
    if not nets:
        raise NetwrightError("nothing to compare: give at least one network")
    limit = None if fit is None else parse_bytes(fit)
    if deploy and limit is not None:
        raise NetwrightError("what is deployed is not trained: ask for the largest batch (fit) or the deployed form (deploy)")
    costs = []
    for net in nets:
        if isinstance(net, Cost):
            costs.append(net)
            continue
        design = network(net) if isinstance(net, str) else net
        size = None if isinstance(design, Graph) else image
        made = cost(
            design,
            size,
            channels=channels,
            name=_called(net),
            batch=batch,
            precision=precision,
            optimizer=optimizer,
            deploy=deploy,
            profile=profile,
        )
        costs.append(made)
    return Comparison(tuple(costs), limit)


def _called(net: Any) -> str:
    if isinstance(net, str):
        return net
    return (name_of(net) or "") if isinstance(net, Design) else ""
