"""The result of a bench: rows, the fastest of them, as text, HTML and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from netwright.costing.formats import html_table, text_table


@dataclass(frozen=True)
class Measured:
    """One runtime at one batch size: milliseconds for a batch (median and 95th percentile) over so many repetitions.

    `setup_seconds` is what opening, exporting or compiling took before the first logits of this batch size, `difference`
    how far they were from the eager fp32 model's, relative to the largest logit. What could not be measured has a `failure`.
    """

    runtime: str
    precision: str
    batch: int
    median_ms: float | None = None
    p95_ms: float | None = None
    repeats: int = 0
    setup_seconds: float | None = None
    difference: float | None = None
    failure: str = ""

    @property
    def measured(self) -> bool:
        """Whether there are times."""
        return self.median_ms is not None

    @property
    def images_per_second(self) -> float | None:
        """By the median."""
        return None if self.median_ms is None else 1e3 * self.batch / self.median_ms


@dataclass(frozen=True)
class Bench:
    """What was measured of a network for images of (channels, height, width). Prints as a table; a table in notebooks.

    `predicted_ms` are milliseconds of the eager model by batch size, where the machine was calibrated.
    """

    network: str
    image: tuple[int, int, int]
    device: str
    threads: int
    rows: tuple[Measured, ...]
    predicted_ms: Mapping[int, float] | None = None

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes, in the order measured."""
        return tuple(dict.fromkeys(row.batch for row in self.rows))

    def row(self, runtime: str, batch: int, precision: str = "fp32") -> Measured | None:
        """What was measured of one runtime, or None."""
        same = (row for row in self.rows if (row.runtime, row.batch, row.precision) == (runtime, batch, precision))
        return next((row for row in same if row.measured), None)

    def fastest(self, batch: int) -> Measured | None:
        """The row of the least median at a batch size; None where nothing could be measured."""
        rows = [row for row in self.rows if row.batch == batch and row.measured]
        return min(rows, key=lambda row: row.median_ms or 0.0, default=None)

    def ratio(self, row: Measured) -> float | None:
        """How many times as fast as the eager model in fp32 a row is; None where either was not measured."""
        eager = self.row("eager", row.batch)
        return eager.median_ms / row.median_ms if eager and eager.median_ms and row.median_ms else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; times in the units that the keys name."""
        rows = [
            asdict(row) | {"images_per_second": row.images_per_second, "times_as_fast_as_eager": self.ratio(row)}
            for row in self.rows
        ]
        best = [row for batch in self.batches if (row := self.fastest(batch))]
        return {
            "network": self.network,
            "image": list(self.image),
            "device": self.device,
            "threads": self.threads,
            "rows": rows,
            "fastest": [{"batch": row.batch, "runtime": row.runtime, "precision": row.precision} for row in best],
            "predicted_ms": {str(batch): ms for batch, ms in self.predicted_ms.items()} if self.predicted_ms else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Bench:
        """What `to_json` gave."""
        names = Measured.__dataclass_fields__
        rows = tuple(Measured(**{name: row[name] for name in names}) for row in value["rows"])
        predicted = {int(batch): ms for batch, ms in value["predicted_ms"].items()} if value["predicted_ms"] else None
        channels, height, width = value["image"]
        return cls(value["network"], (channels, height, width), value["device"], value["threads"], rows, predicted)

    def __str__(self) -> str:
        return "\n".join([self._title(), text_table(_HEAD, self._cells(), left=2, units=_UNITS), *self._notes()])

    def _repr_html_(self) -> str:
        head = [f"{name} ({unit})" if unit else name for name, unit in zip(_HEAD, _UNITS, strict=True)]
        return html_table(self._title(), head, self._cells(), notes=self._notes())

    def _title(self) -> str:
        shape = " x ".join(map(str, self.image))
        return f"{self.network} for images of {shape} on {self.device}, {self.threads} thread{'s' * (self.threads > 1)}"

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                row.runtime,
                row.precision,
                f"{row.batch:,}",
                _number(row.median_ms, 2),
                _number(row.p95_ms, 2),
                _number(row.images_per_second, 1),
                _number(self.ratio(row), 2),
                f"{row.repeats:,}",
                _number(row.setup_seconds, 1),
                "" if row.difference is None else f"{row.difference:.1g}",
            )
            for row in self.rows
            if row.measured
        ]

    def _notes(self) -> list[str]:
        """The fastest of each batch size, what was predicted, and what failed."""
        notes = []
        for batch in self.batches:
            best = self.fastest(batch)
            if best is None:
                continue
            ratio = self.ratio(best)
            told = f", {ratio:.2f} x eager" if ratio and best.runtime + best.precision != "eagerfp32" else ""
            cost = f"; bf16 changes the logits by up to {best.difference:.1g} of the largest" if best.precision == "bf16" else ""
            notes.append(f"batch {batch:,}: fastest is {best.runtime}{told}{cost}")
        for batch, ms in (self.predicted_ms or {}).items():
            notes.append(f"batch {batch:,}: eager was predicted to take {ms:.2f} ms")
        failures = dict.fromkeys(f"{row.runtime} was not measured: {row.failure}" for row in self.rows if row.failure)
        return [*notes, *failures]


_HEAD = ("runtime", "precision", "batch", "median", "p95", "speed", "x eager", "repeats", "set-up", "differs by")
_UNITS = ("", "", "images", "ms", "ms", "images/s", "", "", "s", "of largest")


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
