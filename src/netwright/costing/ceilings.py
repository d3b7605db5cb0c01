"""What a machine reaches at best, for each kind of layer: the summary of a profile."""

from __future__ import annotations

from netwright.costing.latency import Profile, Sample

_BYTES = {"fp32": 4, "bf16": 2}


def ceilings(profile: Profile) -> str:
    """A table: G macs/s and GB/s (10^9 bytes of maps and weights) that the best of the samples reach, and the shortest call.

    The best are the nine tenths' quantile, so that one lucky measurement is no ceiling.
    """
    kinds: dict[str, list[Sample]] = {}
    for sample in profile.samples:
        kinds.setdefault(sample.work.kind, []).append(sample)
    busiest = sorted(kinds.items(), key=lambda item: -_best([s.work.macs / s.seconds for s in item[1]]))
    size = _BYTES.get(profile.precision, 4)
    rows = [("kind", "layers", "G macs/s", "GB/s", "shortest (us)")]
    for kind, samples in busiest:
        macs = _best([s.work.macs / s.seconds for s in samples]) if kind not in _LOOKED else 0.0
        moved = _best([size * (s.work.read + s.work.written + s.work.weights) / s.seconds for s in samples])
        least = min(s.seconds for s in samples)
        rows.append((kind, str(len(samples)), f"{macs / 1e9:.1f}" if macs else "", f"{moved / 1e9:.1f}", f"{least * 1e6:.0f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in rows]
    return "\n".join([str(profile), "", lines[0], "-" * len(lines[0]), *lines[1:]])


_LOOKED = {"max_pool", "avg_pool", "local_norm"}  # whose values looked at are no multiply-accumulates


def _best(values: list[float]) -> float:
    return sorted(values)[int(0.9 * (len(values) - 1) + 0.5)]
