"""The workbench page under load: cost queries per second as sliders send them, their times, the server's memory; the first page.

    python benchmarks/page.py [--rate 200] [--seconds 30] [--out FILE]

The server is `netwright ui` as a process of its own. Queries are what sliders send, for ten networks of the zoo: one slider
dragged after another, and, harder, width, depth and resolution all anywhere. They leave at the rate whatever the answers take
(an open loop): a query that waits is counted with its wait. Beside them, the same queries within a Python program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from netwright.version import VERSION
from netwright.web.design_room import costed

NETWORKS = (
    "resnet18 resnet50 efficientnet_b0 mobilenet_v2 regnetx_002 regnety_040 vgg16 resnet20_cifar mnasnet_a1 resnext50_32x4d"
)
SLIDERS = ("width", "depth", "resolution")
CONNECTIONS = 16
WARM = 3000  # queries before anything is measured
Plain = dict[str, Any]


def asked(source: random.Random, sliders: Plain) -> Plain:
    use = {"phi": 0, "batch": source.choice((1, 8, 32, 64)), "precision": "fp32", "optimizer": "momentum"}
    return {"net": source.choice(NETWORKS.split())} | use | sliders


def dragged(seed: int) -> Iterator[Plain]:
    """One slider after another is dragged over twenty of its values: many come again."""
    source = random.Random(seed)
    while True:
        slider, place, step = source.choice(SLIDERS), source.randrange(10, 41), source.choice((-1, 1))
        one = asked(source, {})
        for i in range(20):
            yield one | {slider: round(min(40, max(10, place + step * i)) * 0.05, 2)}


def new(seed: int) -> Iterator[Plain]:
    """All sliders anywhere: hardly any query comes twice."""
    source = random.Random(seed)
    while True:
        yield asked(source, {slider: round(source.randrange(10, 41) * 0.05, 2) for slider in SLIDERS})


class Page:
    """`netwright ui` as a process, and what asks it."""

    def __init__(self, root: str) -> None:
        words = [sys.executable, "-m", "netwright", "ui", "--no-browser", "--root", root]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address = urlsplit(self.process.stdout.readline().split()[-1])
        self.port, self.token = address.port or 0, parse_qs(address.query)["token"][0]

    def memory(self) -> int:
        """Resident bytes of the server."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def request(self, asked: Plain) -> bytes:
        body = json.dumps(asked).encode()
        origin = f"127.0.0.1:{self.port}"
        head = [
            "POST /api/design/cost HTTP/1.1",
            f"Host: {origin}",
            f"Origin: http://{origin}",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Plain:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    assert " 200 " in head.splitlines()[0], head
    length = int(next(line for line in head.splitlines() if line.startswith("content-length")).split(":")[1])
    answer: Plain = json.loads(await reader.readexactly(length))
    return answer


async def load(page: Page, rate: int, seconds: float, queries: Iterator[Plain]) -> list[float]:
    """Seconds from when each query should have left to when its answer was there."""
    taken: list[float] = []
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        while True:
            due, request = await waiting.get()
            answer = await ask(reader, writer, request)
            assert answer["faults"] == [], answer
            taken.append(time.perf_counter() - due)
            waiting.task_done()
            if not waiting.qsize() and done.is_set():
                writer.close()

    done = asyncio.Event()
    workers = [asyncio.create_task(worker()) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for i in range(int(rate * seconds)):
        due = started + i / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        waiting.put_nowait((due, page.request(next(queries))))
    await waiting.join()
    for one in workers:
        one.cancel()
    return taken


def first_page(page: Page) -> float | None:
    """Seconds from a new browser tab's first request to the first costs shown, in Chromium; None where there is none."""
    from shutil import which

    if which("chromium") is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        browser.new_page().goto("about:blank")
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(f"http://127.0.0.1:{page.port}/?token={page.token}")
        tab.get_by_text("4,089,184,256").first.wait_for()
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


def alone(count: int, queries: Iterator[Plain]) -> list[float]:
    """Seconds of the same queries within this process."""
    taken = []
    for query in islice(queries, count):
        started = time.perf_counter()
        costed(query)
        taken.append(time.perf_counter() - started)
    return taken


def row(name: str, taken: list[float]) -> str:
    cuts = statistics.quantiles(taken, n=100)
    figures = [1e3 * value for value in (cuts[49], cuts[94], cuts[98], max(taken))]
    return f"| {name} | {len(taken):,} | " + " | ".join(f"{value:.1f}" for value in figures) + " |"


def measure(rate: int, seconds: float) -> str:
    with tempfile.TemporaryDirectory() as root:
        page = Page(root)
        try:
            opened = first_page(page)
            asyncio.run(load(page, rate, WARM / rate, new(1)))  # caches of a fixed size are full
            before = page.memory()
            first = asyncio.run(load(page, rate, seconds, dragged(2)))
            between = page.memory()
            second = asyncio.run(load(page, rate, seconds, new(3)))
            after = page.memory()
        finally:
            page.close()
    lines = [
        "| queries | n | median, ms | 95 %, ms | 99 %, ms | slowest, ms |",
        "|---|--:|--:|--:|--:|--:|",
        row(f"sliders dragged, {rate} each second", first),
        row(f"every query new, {rate} each second", second),
        row("every query new, in a Python program, one after the other", alone(len(second), new(3))),
        "",
        (
            f"Memory of the server after {WARM:,} queries, {seconds:g} s more and again {seconds:g} s more: "
            f"{before / 1e6:.0f}, {between / 1e6:.0f}, {after / 1e6:.0f} MB."
        ),
    ]
    if opened is not None:
        lines += ["", f"From a new tab's first request to the first costs shown, in Chromium: {opened:.2f} s."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = measure(options.rate, options.seconds)
    machine = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load of the machine afterwards {os.getloadavg()[0]:.1f}"
    )
    about = f"netwright {VERSION}, {machine}"
    print(f"{table}\n\n{about}")
    if options.out:
        command = f"python benchmarks/page.py --rate {options.rate} --seconds {options.seconds:g}"
        options.out.write_text(f"# The workbench page under load\n\n    {command}\n\n{about}\n\n{table}\n")


if __name__ == "__main__":
    main()
