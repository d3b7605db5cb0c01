"""Networks with fresh weights made per second: netwright, timm and torchvision, alternating in one process.

    PYTHONPATH=.venv/peers python benchmarks/building.py [--networks inception_v3 resnet50] [--rounds 11] [--out FILE]

Each round makes every network once with each library, in turn, and drops it before the next one; a round of warming up
is not counted. torchvision's Inception v3 is made without auxiliary classifiers, as the other two are, once with the
truncated normal weights that are its default and once with those that torch gives to any layer. `make compat` puts timm
and torchvision into `.venv/peers`.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from peers import timm, torchvision
from torch import nn

import netwright as nw

Times = dict[tuple[str, str], list[float]]  # seconds by network and library


def makers(name: str) -> dict[str, Callable[[], nn.Module]]:
    """What makes a network, by the name of the library."""
    peer = partial(torchvision.models.get_model, name)
    made: dict[str, Callable[[], nn.Module]] = {"netwright": partial(nw.build, name), "timm": partial(timm.create_model, name)}
    if name == "inception_v3":
        made["torchvision"] = partial(peer, aux_logits=False, init_weights=True)
        made["torchvision, init_weights=False"] = partial(peer, aux_logits=False, init_weights=False)
    else:
        made["torchvision"] = peer
    return made


def measure(networks: list[str], rounds: int) -> Times:
    times: Times = defaultdict(list)
    for number in range(rounds + 1):
        for name in networks:
            sizes = set()
            for library, make in makers(name).items():
                gc.collect()
                started = time.perf_counter()
                model = make()
                taken = time.perf_counter() - started
                sizes.add(sum(value.numel() for value in model.parameters()))
                del model
                if number:
                    times[name, library].append(taken)
            assert len(sizes) == 1, f"{name} is not the same network everywhere: {sizes}"
    return times


def table(times: Times, rounds: int) -> str:
    lines = ["| network | made by | ms | netwright takes | in the rounds |", "|---|---|---:|---:|---|"]
    for (name, library), taken in times.items():
        ratios = [ours / theirs for ours, theirs in zip(times[name, "netwright"], taken, strict=True)]
        median = statistics.median(taken)
        ratio = statistics.median(times[name, "netwright"]) / median
        lines.append(f"| {name} | {library} | {median * 1e3:,.0f} | {ratio:.2f} x | {min(ratios):.2f} to {max(ratios):.2f} |")
    versions = f"torch {torch.__version__}, timm {timm.__version__}, torchvision {torchvision.__version__}"
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines += ["", f"Medians of {rounds} rounds; the ratio within each round at the right. {versions}.", f"{machine}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["inception_v3", "resnet50"])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, help="also write the table here, with the command")
    chosen = parser.parse_args()
    text = table(measure(chosen.networks, chosen.rounds), chosen.rounds)
    print(text)
    if chosen.out:
        command = f"PYTHONPATH=.venv/peers python benchmarks/building.py --rounds {chosen.rounds}"
        chosen.out.write_text(f"# Making networks with fresh weights\n\n    {command}\n\n{text}\n")


if __name__ == "__main__":
    main()
