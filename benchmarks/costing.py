"""Random RegNetX designs costed per second on one core: netwright, the design sketch, and fvcore tracing modules.

    python benchmarks/costing.py [--designs 25000] [--rounds 5] [--sketch PATH/core_sketch.py] [--out FILE]

Each round has fresh processes with empty memories of traces, which take turns: one works while the others wait, so that a
busy moment of the machine hits all alike. Medians, best rounds and ratios are printed. All get the same designs, drawn
beforehand from the paper's space (12 to 28 blocks), and the counts are compared. 25,000 is how many designs must be costed
to find 500 RegNets within 360 to 400 M macs (arXiv:2003.13678, Section 4). netwright counts params, macs and acts; the
sketch params and macs; fvcore traces the built module and counts macs (it is given few designs, with and without the time
to build them). The collector runs as it does by default.

Then ResNet-50 alone: its counts with an empty memory of traces, beside fvcore's on the module, which is built first (by
netwright, the fastest of the constructors: see building.md).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netwright as nw
from netwright.graph import making, trace, tracing
from netwright.graph.graph import refuse_clashes, resolve_names
from netwright.spaces import Pick, RegNetSpace
from netwright.zoo import RegNet, network

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("NETWRIGHT_SHARED", ROOT.parent / "shared"))
TURNS = 10  # of a round; fvcore costs one design in each


def draw(count: int, seed: int) -> list[RegNet]:
    """`count` designs of the paper's RegNetX space."""
    source, space = random.Random(seed), RegNetSpace()
    designs: list[RegNet] = []
    while len(designs) < count:
        design = space(Pick(source))
        if design is not None:
            designs.append(design)
    return designs


Turn = Callable[[list[RegNet]], dict[str, Any]]  # the seconds that some designs take, and their counts


def netwright_turn(designs: list[RegNet]) -> dict[str, Any]:
    started = time.perf_counter()
    counts = [trace(design, 224).totals for design in designs]
    return {"seconds": time.perf_counter() - started, "counts": [list(c[:2]) for c in counts]}


def sketch_turn(path: Path) -> Turn:
    spec = importlib.util.spec_from_file_location("core_sketch", path)
    assert spec is not None
    assert spec.loader is not None
    sketch = importlib.util.module_from_spec(spec)
    sys.modules["core_sketch"] = sketch
    spec.loader.exec_module(sketch)

    def turn(designs: list[RegNet]) -> dict[str, Any]:
        made = [SketchRegNet(design, sketch) for design in designs]
        started = time.perf_counter()
        graphs = [sketch.trace(design, (), sketch.Shape(3, 224, 224)) for design in made]
        counts = [[graph.params, graph.macs()] for graph in graphs]
        return {"seconds": time.perf_counter() - started, "counts": counts}

    return turn


@dataclass(frozen=True)
class SketchBlock:
    """RegNet's block in the sketch's words."""

    group_width: int

    def __call__(self, x: Any, width: int, stride: int) -> Any:
        y = x.conv("conv1.conv", width, 1).norm("conv1.bn").relu()
        y = y.conv("conv2.conv", width, 3, stride, width // self.group_width).norm("conv2.bn").relu()
        y = y.conv("conv3.conv", width, 1).norm("conv3.bn")
        if stride != 1 or x.channels != width:
            x = x.conv("downsample.conv", width, 1, stride).norm("downsample.bn")
        return (x + y).relu()


@dataclass(frozen=True)
class SketchRegNet:
    """The same network in the sketch's words."""

    design: RegNet
    sketch: Any

    def __call__(self, x: Any) -> Any:
        x = x.conv("stem.conv", 32, 3, 2).norm("stem.bn").relu()
        for i, (depth, width, group) in enumerate(self.design.stages()):
            x = x.block(f"s{i + 1}", self.sketch.Stage(SketchBlock(group), depth, width, 2))
        return x.mean().linear("head.fc", self.design.classes)


def fvcore_turn(designs: list[RegNet]) -> dict[str, Any]:
    counts, traced, built = [], 0.0, 0.0
    for design in designs:
        started = time.perf_counter()
        model = nw.build(design, 224, seed=0).eval()
        built += time.perf_counter() - started
        started = time.perf_counter()
        macs = fvcore_macs(model)
        traced += time.perf_counter() - started
        counts.append([sum(p.numel() for p in model.parameters()), macs])
    return {"seconds": traced, "whole": traced + built, "counts": counts}


def fvcore_macs(model: Any) -> int:
    import torch
    from fvcore.nn import FlopCountAnalysis

    torch.set_num_threads(1)
    found = FlopCountAnalysis(model, torch.zeros(1, 3, 224, 224)).unsupported_ops_warnings(False).by_operator()
    return int(found["conv"] + found["linear"])


def resnet_turn(designs: list[RegNet]) -> dict[str, Any]:
    net, seconds = network("resnet50"), []
    for _ in range(25):
        for memory in (*MEMORIES, resolve_names, refuse_clashes):
            memory.cache_clear()
        started = time.perf_counter()
        assert trace(net, 224).totals == (25_557_032, 4_089_184_256, 11_114_984)
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds)}


MEMORIES = (tracing._trace, tracing._trace_whole, making.make_conv, making.make_norm, making.make_linear)


def resnet_fvcore_turn(designs: list[RegNet]) -> dict[str, Any]:
    started = time.perf_counter()
    assert fvcore_macs(nw.build("resnet50", 224, seed=0).eval()) == 4_089_184_256
    return {"seconds": time.perf_counter() - started}


RESNET, RESNET_FVCORE = "resnet50", "resnet50 by fvcore"


def worker(name: str, count: int, seed: int, sketch: Path) -> None:
    """Take a turn for each line that is read, with the next of the designs."""
    turns = {"netwright": netwright_turn, "fvcore": fvcore_turn, RESNET: resnet_turn, RESNET_FVCORE: resnet_fvcore_turn}
    turn = sketch_turn(sketch) if name == "sketch" else turns[name]
    if "fvcore" in name:
        importlib.import_module("fvcore.nn")
    designs = draw(count, seed)
    for i in range(TURNS):
        sys.stdin.readline()
        print(json.dumps(turn(designs[count * i // TURNS : count * (i + 1) // TURNS])), flush=True)


def take_turns(counts: dict[str, int], seed: int, sketch: Path) -> dict[str, list[dict[str, Any]]]:
    """A fresh process for each name; one works while the others wait, so that a busy moment hits all alike."""
    words = [sys.executable, __file__, "--seed", str(seed), "--sketch", str(sketch), "--worker"]
    pipe = subprocess.PIPE
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(subprocess.Popen([*words, name, "--designs", str(n)], stdin=pipe, stdout=pipe, text=True))
            for name, n in counts.items()
        }
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in counts}
        for _ in range(TURNS):
            for name, process in running.items():
                assert process.stdin is not None
                assert process.stdout is not None
                print(file=process.stdin, flush=True)
                taken[name].append(json.loads(process.stdout.readline()))
    return taken


def measure(designs: int, rounds: int, sketch: Path) -> str:
    counts = {"netwright": designs, **({"sketch": designs} if sketch.is_file() else {})}
    peer = importlib.util.find_spec("fvcore") is not None
    if peer:
        counts["fvcore"] = TURNS
    rates: dict[str, list[float]] = {}
    for seed in range(rounds):
        taken = take_turns(counts, seed, sketch)
        for name, turns in taken.items():
            for own, ours in zip(turns, taken["netwright"], strict=True):  # fvcore has the first designs only
                assert name == "fvcore" or own["counts"] == ours["counts"], f"{name} counts otherwise"
            rates.setdefault(name, []).append(counts[name] / sum(turn["seconds"] for turn in turns))
        if peer:
            found = [one for turn in taken["fvcore"] for one in turn["counts"]]
            assert found == [one for turn in taken["netwright"] for one in turn["counts"]][:TURNS], "fvcore counts otherwise"
            rates.setdefault("fvcore, building included", []).append(TURNS / sum(t["whole"] for t in taken["fvcore"]))
    text = table(rates, designs, rounds, sketch)
    return f"{text}\n\n{resnet_table(rounds, sketch)}" if peer else text


def resnet_table(rounds: int, sketch: Path) -> str:
    taken: dict[str, list[float]] = {RESNET: [], RESNET_FVCORE: []}
    for seed in range(rounds):
        for name, turns in take_turns(dict.fromkeys(taken, 0), seed, sketch).items():
            taken[name] += [turn["seconds"] for turn in turns]
    ratio = statistics.median(peer / ours for ours, peer in zip(*taken.values(), strict=True))
    cells = [" | ".join(f"{1000 * of(seconds):.2f}" for of in (statistics.median, min)) for seconds in taken.values()]
    return "\n".join(
        [
            "| ResNet-50 counted by | ms, median | ms, best | netwright is |",
            "|---|---:|---:|---:|",
            f"| netwright | {cells[0]} | 1 x |",
            f"| fvcore, building included | {cells[1]} | {ratio:,.0f} x |",
        ]
    )


def table(rates: dict[str, list[float]], designs: int, rounds: int, sketch: Path) -> str:
    ratios = {name: [a / b for a, b in zip(rates["netwright"], rate, strict=True)] for name, rate in rates.items()}
    lines = ["| counted by | designs per second, median | best round | netwright is |", "|---|---:|---:|---:|"]
    for name, rate in rates.items():
        lines.append(f"| {name} | {statistics.median(rate):,.1f} | {max(rate):,.1f} | {statistics.median(ratios[name]):,.2f} x |")
    lines += [
        "",
        f"{rounds} rounds of {designs:,} designs ({TURNS} for fvcore), one core; counts agree. Ratios are medians over rounds.",
    ]
    if "sketch" in ratios:
        lines.append(f"Ratio to the sketch by round: {', '.join(f'{r:.2f}' for r in ratios['sketch'])}.")
    else:
        lines.append(f"The sketch is not at {sketch}: left out.")
    lines.append(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=25_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sketch", type=Path, default=SHARED / "design" / "core_sketch.py")
    parser.add_argument("--out", type=Path, help="also write the table here, with the command")
    parser.add_argument("--worker")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(chosen.worker, chosen.designs, chosen.seed, chosen.sketch)
        return
    text = measure(chosen.designs, chosen.rounds, chosen.sketch)
    print(text)
    if chosen.out:
        command = f"python benchmarks/costing.py --designs {chosen.designs} --rounds {chosen.rounds}"
        chosen.out.write_text(f"# Costing random RegNetX designs\n\n    {command}\n\n{text}\n")


if __name__ == "__main__":
    main()
