"""The main job on real pictures, and a plain network beside it: accuracy on held-out pictures, and minutes.

    python benchmarks/designing.py DATA [--image 64] [--max-macs 30M] [--seeds 1] [--baseline regnetx_004] [--out FILE]

For each seed `netwright design` runs as a user would run it; the baseline is trained with `netwright train` for 30 epochs (it
may be over the budget). DATA is, for instance, Imagenette's folder with train/ and val/, or `digits`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ARTIFACTS = ("design.json", "model.safetensors", "model.onnx", "result.json", "report.html")


def run(words: list[str], out: Path) -> tuple[float, dict[str, Any]]:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "netwright", *words, "-o", str(out)], check=True, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    return (time.perf_counter() - started) / 60, result


def line(name: str, minutes: float, result: dict[str, Any]) -> str:
    accuracy, cost = result["accuracy"], result["cost"]
    low, high = (100 * bound for bound in accuracy["interval_95"])
    share = f"{100 * accuracy['top1']:.1f} | {low:.1f} to {high:.1f} | {accuracy['of']}"
    return f"| {name} | {cost['macs']:,} | {cost['params']:,} | {minutes:.1f} | {share} |"


def measure(chosen: argparse.Namespace) -> str:
    lines = [
        "| run | macs | params | minutes | held-out accuracy, % | 95 % interval | pictures |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    image = ["--image", str(chosen.image)] if chosen.image else []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            out = Path(folder) / f"design{seed}"
            words = ["design", chosen.data, "--max-macs", chosen.max_macs, *image, "--seed", str(seed)]
            minutes, result = run(words, out)
            missing = [name for name in ARTIFACTS if not (out / name).is_file()]
            assert not missing, missing
            lines.append(line(f"design, seed {seed}", minutes, result))
        if chosen.baseline:
            words = ["train", chosen.baseline, chosen.data, *image, "--epochs", "30"]
            minutes, result = run(words, Path(folder) / "baseline")
            lines.append(line(f"{chosen.baseline}, 30 epochs", minutes, result))
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    lines += ["", f"{versions}; {platform.system()} {platform.machine()}, {os.cpu_count()} cores, no GPU used."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--image", type=int)
    parser.add_argument("--max-macs", default="30M")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--baseline", default="")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = measure(chosen)
    print(text)
    if chosen.out:
        options = f"--max-macs {chosen.max_macs} --seeds {chosen.seeds}" + (f" --image {chosen.image}" if chosen.image else "")
        options += f" --baseline {chosen.baseline}" if chosen.baseline else ""
        command = f"python benchmarks/designing.py {Path(chosen.data).name} {options}"
        chosen.out.write_text(f"# The main job on {Path(chosen.data).name}\n\n    {command}\n\n{text}\n")


if __name__ == "__main__":
    main()
