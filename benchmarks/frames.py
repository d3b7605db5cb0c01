"""How smoothly the lab plays: times between frames of 60 trajectories of 500 steps in a headless Chromium.

The page is a real one, of a real server; beside it, in the same browser, a page that draws nothing says what the machine
gives at best. Frames are timed by `requestAnimationFrame` itself, apart from the page's own drawing.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.web.serving import Served, serving

OPTIMIZERS, STARTS, STEPS = ("sgd", "momentum", "adam"), 20, 500
LIMIT = 33.0  # ms, of the 95th percentile
TIMED = """async (seconds) => {
  const times = [], end = performance.now() + 1000 * seconds;
  await new Promise((done) => {
    const frame = (now) => (times.push(now), now < end ? requestAnimationFrame(frame) : done());
    requestAnimationFrame(frame);
  });
  return times;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root, serving(Path(root)) as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        rows = []
        for number in range(options.rounds):
            page.goto("about:blank")
            rows.append((f"{number + 1}: nothing drawn", page.evaluate(TIMED, 5)))
            rows.append((f"{number + 1}: lab plays", played(page, served)))
        lines = table(rows, browser.version)
    print(lines)
    if options.out:
        options.out.write_text(lines)


def played(page: Any, served: Served) -> list[float]:
    """Frame times (ms) of the whole playing, 100 evaluations a second."""
    words = f"p=canyon;rotate:20&o={','.join(OPTIMIZERS)}&budget={STEPS}&starts={STARTS}"
    page.goto("about:blank")
    page.goto(f"{served.address}#lab?{words}")
    page.wait_for_selector(".lab table", timeout=120_000)
    page.get_by_label("Speed").select_option("100")
    page.get_by_role("button", name="Play", exact=True).click()
    times: list[float] = page.evaluate(TIMED, STEPS / 100 - 0.5)
    assert page.get_by_role("button", name="Pause", exact=True).count() == 1  # it still played
    return times


def table(rows: list[tuple[str, list[float]]], version: str) -> str:
    made = [
        "# Frames of the lab",
        "",
        f"`python {' '.join(sys.argv)}`: {len(OPTIMIZERS)} optimizers, {STARTS} starts, {STEPS} steps each, 100 steps a second.",
        f"Limit: 95 % of the times between two frames at most {LIMIT:g} ms.",
        "",
        "| round | frames | median ms | 95 % ms | longest ms |",
        "|---|---|---|---|---|",
    ]
    for name, times in rows:
        between = np.diff(times)
        middle, late = np.percentile(between, [50, 95])
        made.append(f"| {name} | {len(between)} | {middle:.1f} | {late:.1f} | {between.max():.1f} |")
    versions = f"Chromium {version}, headless, drawn by the processor; playwright {metadata.version('playwright')}"
    return "\n".join([*made, "", f"{versions}; {platform.machine()}, 2 cores", ""])


if __name__ == "__main__":
    main()
