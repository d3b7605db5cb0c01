"""S12: how fast a shallow network of parallel streams answers, beside a deep one of as many macs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netwright.claims.claim import FAILS, HOLDS, LONG, UNDECIDED, Claim, Evidence, Numbers, Terms, Verdict
from netwright.errors import FailedError

if TYPE_CHECKING:
    from netwright.graph import Design, Graph
    from netwright.measuring.bench_table import Measured

_SIDE, _ROUNDS, _SECONDS = 128, 6, 6.0


def _networks() -> dict[str, Design]:
    """ParNet-S as it is deployed, and ResNet-101 narrowed to as many macs."""
    from netwright.graph import trace
    from netwright.scaling import scale
    from netwright.zoo import network

    parnet = network("parnet_s").replace(deploy=True)
    macs = trace(parnet, _SIDE).macs
    return {"parnet": parnet, "resnet": scale("resnet101", macs=macs, rule="width", image=_SIDE).design}


def steps_of(graph: Graph) -> int:
    """The largest number of convolutions and linear layers one behind the other, from the image to an output."""
    from netwright.graph.flat import flatten
    from netwright.graph.layers import Conv, Linear

    reached: list[int] = []
    for row in flatten(graph).rows:
        before = max((reached[place] for place in row.inputs), default=0)
        reached.append(before + isinstance(row.layer, (Conv, Linear)))
    return max(reached)


def _experiment(terms: Terms) -> Evidence:
    from netwright.graph import trace
    from netwright.measuring.bench import bench
    from netwright.training.seeds import spread

    networks = _networks()
    rounds, seconds = (2, 0.5) if terms.tiny else (_ROUNDS, _SECONDS)
    times: dict[str, list[float]] = {name: [] for name in networks}
    with terms.progress.bar("timing") as step:
        for number in range(rounds):
            step(number, rounds, "")
            for name, design in networks.items():
                row = bench(design, _SIDE, runtimes=("eager",), seconds=seconds, name=name).row("eager", 1)
                times[name].append(_median(row, name))
    made = spread([ours / theirs for ours, theirs in zip(times["parnet"], times["resnet"], strict=True)])
    numbers: dict[str, Any] = {}
    for name, design in networks.items():
        graph = trace(design, _SIDE)
        numbers |= {f"{name}_macs": graph.macs, f"{name}_params": graph.params, f"{name}_steps_in_sequence": steps_of(graph)}
        numbers[f"{name}_milliseconds"] = times[name]
    numbers |= {"time_over_resnets": made.mean, "interval_95": list(made.interval or (made.mean, made.mean))}
    rows: list[dict[str, Any]] = [{"label": name, "x": one} for name, found in times.items() for one in found]
    about = f"one image of {_SIDE} px at a time, eager torch on this machine, medians of {rounds} rounds in turn"
    return Evidence(numbers, rows, about)


def _median(row: Measured | None, name: str) -> float:
    if row is None or row.median_ms is None:
        raise FailedError(f"{name} could not be measured")
    return row.median_ms


def _judge(found: Numbers) -> Verdict:
    low, high = found["interval_95"]
    word = HOLDS if high < 1 else FAILS if low >= 1 else UNDECIDED
    parts = [
        f"{name} with {found[f'{key}_steps_in_sequence']} layers in sequence and {found[f'{key}_macs'] / 1e6:,.0f} M macs "
        f"{sum(found[f'{key}_milliseconds']) / len(found[f'{key}_milliseconds']):.1f} ms"
        for key, name in (("parnet", "ParNet-S"), ("resnet", "the ResNet"))
    ]
    told = f"{found['time_over_resnets']:.2f} times as long (95 % interval {low:.2f} to {high:.2f})"
    return Verdict(word, f"{parts[0]} and {parts[1]}: the shallow network took {told}")


def _draw(found: Evidence) -> Any:
    from netwright.report.charts.plain import dots_chart

    return dots_chart(list(found.rows), "milliseconds for an image")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "s12-parnet-latency",
        LONG,
        "A shallow network with parallel streams answers sooner than a deep one of as many macs, having fewer steps in sequence.",
        "Architectures, ParNet",
        _experiment,
        _judge,
        _draw,
    ),
)
