"""Random RegNetX designs costed per second on one core: netwright, the design sketch, and fvcore tracing modules.

    python benchmarks/costing.py [--designs 25000] [--rounds 5] [--sketch PATH/core_sketch.py] [--out FILE]

Each round is a fresh process with an empty memory of traces; the three alternate, medians and ratios are printed. All
get the same designs, drawn beforehand from the paper's space (12 to 28 blocks), and the counts are compared. 25,000 is
how many designs must be costed to find 500 RegNets within 360 to 400 M macs (arXiv:2003.13678, Section 4). netwright
counts params, macs and acts; the sketch params and macs; fvcore traces the built module and counts macs (it is given
few designs, with and without the time to build them). The collector runs as it does by default.

Then ResNet-50 alone, in fresh processes too: its counts with an empty memory of traces, beside fvcore's on the module,
which is built first (by netwright, the fastest of the constructors: see building.md).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.graph import making, trace, tracing
from netwright.graph.graph import resolve_names
from netwright.spaces import Pick, RegNetSpace
from netwright.zoo import RegNet, network

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("NETWRIGHT_SHARED", ROOT.parent / "shared"))
PEER_DESIGNS = 10


def draw(count: int, seed: int) -> list[RegNet]:
    """`count` designs of the paper's RegNetX space."""
    source, space = random.Random(seed), RegNetSpace()
    designs: list[RegNet] = []
    while len(designs) < count:
        design = space(Pick(source))
        if design is not None:
            designs.append(design)
    return designs


def netwright_rate(designs: list[RegNet]) -> tuple[float, list[list[int]]]:
    started = time.perf_counter()
    counts = [trace(design, 224).totals for design in designs]
    return len(designs) / (time.perf_counter() - started), [list(c[:2]) for c in counts]


def sketch_rate(designs: list[RegNet], path: Path) -> tuple[float, list[list[int]]]:
    spec = importlib.util.spec_from_file_location("core_sketch", path)
    assert spec is not None
    assert spec.loader is not None
    sketch = importlib.util.module_from_spec(spec)
    sys.modules["core_sketch"] = sketch
    spec.loader.exec_module(sketch)
    made = [SketchRegNet(design, sketch) for design in designs]
    started = time.perf_counter()
    counts = []
    for design in made:
        graph = sketch.trace(design, (), sketch.Shape(3, 224, 224))
        counts.append([graph.params, graph.macs()])
    return len(designs) / (time.perf_counter() - started), counts


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


def fvcore_rate(designs: list[RegNet]) -> tuple[float, float, list[list[int]]]:
    import torch
    from fvcore.nn import FlopCountAnalysis

    import netwright as nw

    torch.set_num_threads(1)
    counts, traced, built = [], 0.0, 0.0
    image = torch.zeros(1, 3, 224, 224)
    for design in designs:
        started = time.perf_counter()
        model = nw.build(design, 224, seed=0).eval()
        built += time.perf_counter() - started
        started = time.perf_counter()
        found = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).by_operator()
        traced += time.perf_counter() - started
        counts.append([sum(p.numel() for p in model.parameters()), int(found["conv"] + found["linear"])])
    return len(designs) / traced, len(designs) / (traced + built), counts


def resnet_seconds() -> float:
    net, seconds = network("resnet50"), []
    for _ in range(25):
        for memory in (
            tracing._trace,
            tracing._trace_whole,
            making.make_conv,
            making.make_norm,
            making.make_linear,
            resolve_names,
        ):
            memory.cache_clear()
        started = time.perf_counter()
        assert trace(net, 224).totals == (25_557_032, 4_089_184_256, 11_114_984)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def resnet_peer_seconds() -> float:
    import torch
    from fvcore.nn import FlopCountAnalysis

    import netwright as nw

    torch.set_num_threads(1)
    image, seconds = torch.zeros(1, 3, 224, 224), []
    for _ in range(3):
        started = time.perf_counter()
        model = nw.build("resnet50", 224, seed=0).eval()
        found = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).by_operator()
        seconds.append(time.perf_counter() - started)
        assert found["conv"] + found["linear"] == 4_089_184_256
    return statistics.median(seconds)


def worker(name: str, count: int, seed: int, sketch: Path) -> None:
    if name in ("resnet50", "resnet50 by fvcore"):
        print(json.dumps({"seconds": resnet_seconds() if name == "resnet50" else resnet_peer_seconds()}))
        return
    designs = draw(count, seed)
    if name == "fvcore":
        rate, whole, counts = fvcore_rate(designs)
    else:
        rate, counts = netwright_rate(designs) if name == "netwright" else sketch_rate(designs, sketch)
        whole = rate
    print(json.dumps({"rate": rate, "whole": whole, "counts": counts[:PEER_DESIGNS], "checksum": sum(map(sum, counts))}))


def run_worker(name: str, count: int, seed: int, sketch: Path) -> dict[str, Any]:
    words = [sys.executable, __file__, "--worker", name, "--designs", str(count), "--seed", str(seed), "--sketch", str(sketch)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(designs: int, rounds: int, sketch: Path) -> str:
    names = ["netwright", *(["sketch"] if sketch.is_file() else [])]
    if importlib.util.find_spec("fvcore") is not None:
        names.append("fvcore")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(rounds):
        for name in names:
            count = PEER_DESIGNS if name == "fvcore" else designs
            results[name].append(run_worker(name, count, seed, sketch))
        for name in names[1:]:
            assert results[name][-1]["counts"] == results["netwright"][-1]["counts"], f"{name} counts otherwise"
        if "sketch" in names:
            assert results["sketch"][-1]["checksum"] == results["netwright"][-1]["checksum"]
    text = table(results, designs, rounds, sketch)
    return f"{text}\n\n{resnet_table(rounds, sketch)}" if "fvcore" in names else text


def resnet_table(rounds: int, sketch: Path) -> str:
    names = ["resnet50", "resnet50 by fvcore"]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(rounds):
        for name in names:
            seconds[name].append(run_worker(name, 1, seed, sketch)["seconds"])
    ours, peers = (1000 * statistics.median(seconds[name]) for name in names)
    lines = ["| ResNet-50 counted by | ms | netwright is |", "|---|---:|---:|", f"| netwright | {ours:.2f} | 1 x |"]
    return "\n".join([*lines, f"| fvcore, building included | {peers:.0f} | {peers / ours:,.0f} x |"])


def table(results: dict[str, list[dict[str, Any]]], designs: int, rounds: int, sketch: Path) -> str:
    rates = {name: statistics.median(r["rate"] for r in rows) for name, rows in results.items()}
    if "fvcore" in results:
        rates["fvcore, building included"] = statistics.median(r["whole"] for r in results["fvcore"])
    lines = ["| counted by | designs per second | netwright is |", "|---|---:|---:|"]
    lines += [f"| {name} | {rate:,.1f} | {rates['netwright'] / rate:,.2f} x |" for name, rate in rates.items()]
    lines += ["", f"Median of {rounds} rounds of {designs:,} designs ({PEER_DESIGNS} for fvcore), one core; counts agree."]
    ratios = [a["rate"] / b["rate"] for a, b in zip(results["netwright"], results.get("sketch", []), strict=False)]
    if ratios:
        lines.append(f"Ratio to the sketch by round: {', '.join(f'{r:.2f}' for r in ratios)}.")
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
