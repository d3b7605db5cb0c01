"""What a machine reaches at best, for each kind of layer: the summary of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netwright.costing.latency import Profile, Sample, predict, works_of
from netwright.costing.workload import Work
from netwright.graph.flat import Row

_BYTES = {"fp32": 4, "bf16": 2}


def ceilings(profile: Profile) -> str:
    """A table: G macs/s and GB/s (10^9 bytes of maps and weights) that the best of the samples reach, and the shortest call.

    The best are the nine tenths' quantile, so that one lucky measurement is no ceiling.
    """
    kinds = _kinds(profile)
    busiest = sorted(kinds.items(), key=lambda item: -_best([s.work.macs / s.seconds for s in item[1]]))
    rows = [("kind", "layers", "G macs/s", "GB/s", "shortest (us)")]
    for kind, samples in busiest:
        macs, moved = _reached(kind, samples, profile)
        least = min(s.seconds for s in samples)
        rows.append((kind, str(len(samples)), f"{macs / 1e9:.1f}" if macs else "", f"{moved / 1e9:.1f}", f"{least * 1e6:.0f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in rows]
    return "\n".join([str(profile), "", lines[0], "-" * len(lines[0]), *lines[1:]])


def roof(profile: Profile) -> tuple[float, float]:
    """The macs and the bytes per second that the best kind of layer reaches: what limits all of them."""
    both = [_reached(kind, samples, profile) for kind, samples in _kinds(profile).items()]
    return max(macs for macs, _ in both), max(moved for _, moved in both)


def reached(rows: Sequence[Row], profile: Profile, batch: int = 1) -> list[dict[str, Any]]:
    """The layers with macs among a graph's rows, as they are predicted: `name`, `kind`, `macs`, `bytes`, `seconds` of a batch."""
    made = []
    for row, works, time in zip(rows, works_of(rows, batch), predict(rows, profile, batch), strict=True):
        some = [work for work in works if work.macs and work.kind not in _LOOKED]
        if some and time:
            amounts = {"macs": sum(work.macs for work in some), "bytes": sum(_moved(work, profile) for work in some)}
            made.append({"name": row.name, "kind": some[0].kind, **amounts, "seconds": time / 1e3})
    return made


def _kinds(profile: Profile) -> dict[str, list[Sample]]:
    kinds: dict[str, list[Sample]] = {}
    for sample in profile.samples:
        kinds.setdefault(sample.work.kind, []).append(sample)
    return kinds


def _reached(kind: str, samples: Sequence[Sample], profile: Profile) -> tuple[float, float]:
    """Macs and bytes per second of the samples of a kind."""
    macs = _best([s.work.macs / s.seconds for s in samples]) if kind not in _LOOKED else 0.0
    return macs, _best([_moved(s.work, profile) / s.seconds for s in samples])


def _moved(work: Work, profile: Profile) -> float:
    """Bytes of maps and weights."""
    return _BYTES.get(profile.precision, 4) * (work.read + work.written + work.weights)


_LOOKED = {"max_pool", "avg_pool", "local_norm"}  # whose values looked at are no multiply-accumulates


def _best(values: list[float]) -> float:
    return sorted(values)[int(0.9 * (len(values) - 1) + 0.5)]
