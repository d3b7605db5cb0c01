"""The largest batch that trains in a given memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netwright.costing.formats import csv_table, html_table, markdown_table
from netwright.costing.table import Cost
from netwright.units import parse_bytes, short_bytes


@dataclass(frozen=True)
class Fit:
    """The largest batch that trains within `limit` bytes, the bytes that it needs, and those of one image more."""

    network: str
    precision: str
    optimizer: str
    limit: int
    batch: int
    needs: int
    next_needs: int

    def __str__(self) -> str:
        return (
            f"{self.network} trains with a batch of at most {self.batch:,} in {short_bytes(self.limit)} "
            f"({self.precision}, {self.optimizer})\n"
            f"batch {self.batch:,} needs {short_bytes(self.needs)} ({self.needs:,} bytes), "
            f"batch {self.batch + 1:,} {short_bytes(self.next_needs)} ({self.next_needs:,} bytes)"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values, in bytes."""
        return {
            "network": self.network,
            "precision": self.precision,
            "optimizer": self.optimizer,
            "limit_bytes": self.limit,
            "batch": self.batch,
            "training_bytes": self.needs,
            "next_training_bytes": self.next_needs,
        }

    def to_csv(self) -> str:
        """One row with a header."""
        return csv_table([self.to_json()])

    def to_markdown(self) -> str:
        """One row with a header, as Markdown."""
        return markdown_table(*self._cells()) + "\n"

    def _repr_html_(self) -> str:
        return html_table("The largest batch that trains", *self._cells())

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        row = self.to_json()
        return list(row), [[f"{value:,}" if isinstance(value, int) else value for value in row.values()]]


def fit(cost: Cost, limit: int | str) -> Fit:
    """The largest batch of a costed network, at its precision and with its optimizer.

    `limit` is a number of bytes, or such as '24GB'. Raises NetwrightError where not even one image fits.
    """
    most = parse_bytes(limit)
    batch = cost.largest_batch(most)
    needs, more = cost.memory_at(batch).training, cost.memory_at(batch + 1).training
    return Fit(cost.network, cost.precision, cost.optimizer, most, batch, needs, more)
