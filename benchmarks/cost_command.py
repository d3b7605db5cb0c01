"""`netwright cost resnet50 --json` as a whole process: wall time, and what it imports.

    python benchmarks/cost_command.py [--runs 21] [--out FILE]

The process is started as the installed script starts it; `python -c pass` beside it is what no Python program can beat.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(runs: int) -> str:
    script = shutil.which("netwright", path=str(Path(sys.executable).parent)) or "netwright"
    ours, empty = [script, "cost", "resnet50", "--json"], [sys.executable, "-c", "pass"]
    times: dict[str, list[float]] = {"netwright": [], "empty": []}
    for _ in range(runs):
        times["netwright"].append(seconds(ours))
        times["empty"].append(seconds(empty))
    found = json.loads(subprocess.run(ours, check=True, capture_output=True, text=True).stdout)
    program = "import sys; from netwright.cli import main; main(['cost', 'resnet50', '--json']); print('torch' in sys.modules)"
    torch = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()[-1]
    median = {name: statistics.median(values) for name, values in times.items()}
    lines = [
        "| process | median, s | slowest, s |",
        "|---|---:|---:|",
        f"| netwright cost resnet50 --json | {median['netwright']:.3f} | {max(times['netwright']):.3f} |",
        f"| python -c pass | {median['empty']:.3f} | {max(times['empty']):.3f} |",
        "",
        f"{runs} runs each, alternating; torch imported: {torch}.",
        f"It says params {found['params']:,}, macs {found['macs']:,}, acts {found['acts']:,}.",
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    text = measure(chosen.runs)
    print(text)
    if chosen.out:
        chosen.out.write_text(
            f"# The cost command as a process\n\n    python benchmarks/cost_command.py --runs {chosen.runs}\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
