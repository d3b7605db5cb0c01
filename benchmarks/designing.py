"""The main job on real pictures, beside two networks of the zoo trained as long: accuracy on held-out pictures, and who won.

    python benchmarks/designing.py DATA[@IMAGE[@MACS]] ... [--minutes 4] [--max-macs 15M] [--seed 0] [--out FILE]

For each data set `netwright design DATA --minutes T --baselines` runs as a user would run it; baselines come on top of the
minutes, each as long as the winner's final training. DATA is a folder or `digits`; with `@64` pictures are shown at 64 px, with
`@64@30M` under another budget. Three data sets at 4 minutes take about 25 minutes:

    python benchmarks/designing.py digits@8@1M fashion-mnist@28@15M imagenette224@64@30M
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from netwright.costing.profiles import describe_processor

HEAD = [
    "| data, limit | network | macs | params | seconds | epochs | held-out accuracy, % | 95 % interval | better (McNemar's p) |",
    "|---|---|---:|---:|---:|---:|---:|---:|---|",
]


def designed(what: str, chosen: argparse.Namespace, folder: Path) -> tuple[str, dict[str, Any]]:
    """A run of the command as a process of its own: its limit in words, and its result."""
    data, image, macs = (what.split("@") + ["", ""])[:3]
    macs = macs or chosen.max_macs
    out = folder / Path(data).name
    words = ["design", data, "--max-macs", macs, "--minutes", str(chosen.minutes), "--seed", str(chosen.seed), "--baselines"]
    words += ["--image", image] if image else []
    subprocess.run([sys.executable, "-m", "netwright", *words, "-o", str(out)], check=True, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    return f"{Path(data).name}, {result['budget']['image']} px, {macs}", result


def lines(name: str, result: dict[str, Any]) -> list[str]:
    made = []
    for row in result["baselines"]["rows"]:
        low, high = (100 * end for end in row["interval_95"])
        better = f"{row['better']} ({row['p']:.2g})" if "p" in row else ""
        share = f"{100 * row['top1']:.1f} | {low:.1f} to {high:.1f}"
        figures = f"{row['macs']:,} | {row['params']:,} | {row['seconds']:.0f} | {row['epochs']}"
        made.append(f"| {name} | {row['name']} | {figures} | {share} | {better} |")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--max-macs", default="15M")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text, spent = [*HEAD], []
    with tempfile.TemporaryDirectory() as folder:
        for what in chosen.data:
            name, result = designed(what, chosen, Path(folder))
            text += lines(name, result)
            spent.append(f"{name}: {result['time']['seconds']['total']:.0f} s of {60 * chosen.minutes:.0f} s")
            print("\n".join(text[-3:]), flush=True)
    names = " ".join("@".join([Path(what.split("@")[0]).name, *what.split("@")[1:]]) for what in chosen.data)
    command = (
        f"python benchmarks/designing.py {names} --minutes {chosen.minutes:g} --max-macs {chosen.max_macs} --seed {chosen.seed}"
    )
    text += ["", f"Time without the baselines: {'; '.join(spent)}.", ""]
    text += [f"`{command}`; {describe_processor()}, {torch.get_num_threads()} threads; torch {torch.__version__}."]
    print("\n".join(text))
    if chosen.out:
        chosen.out.write_text("# The main job beside networks of the zoo, for the same time\n\n" + "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
