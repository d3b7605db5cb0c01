"""Runs a page in one folder: a bash and a Python that read the blocks one after the other, as a reader types them."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.docs.needs import supplied
from tests.docs.pages import Block, Page, as_shown, parse

ROOT = Path(__file__).parents[2]
SECONDS = 900.0  # a page that takes longer hangs

# each reads the path of a block a line, runs it, and says a mark and the exit code
SHELL = """
set -o pipefail
trap 'failed=$((failed ? failed : $?))' ERR
while read -r block <&9; do failed=0; source "$block" </dev/null; printf '\\n%s %s\\n' "$MARK" "$failed"; done
"""
PYTHON = """
import os, sys, traceback
space = {"__name__": "__main__"}
with open(9) as blocks:
    for path in map(str.strip, blocks):
        code = 0
        try:
            exec(compile(open(path).read(), path, "exec", dont_inherit=True), space)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stderr.flush()
        print(f"\\n{os.environ['MARK']} {code}", flush=True)
"""


class Session:
    """An interpreter that runs blocks; it ends, with all that it started, when it is closed."""

    def __init__(self, words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._mark = secrets.token_hex(8)
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec 9<&{reading} {reading}<&-; exec "$@"', "bash", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, "MARK": self._mark},
            pass_fds=(reading,),
            start_new_session=True,
            text=True,
        )
        os.close(reading)
        self._blocks = os.fdopen(writing, "w", buffering=1)

    def run(self, path: Path) -> tuple[int, str]:
        """The exit code, and what was printed; None of it comes from a block before unless that left something running."""
        with contextlib.suppress(BrokenPipeError):
            self._blocks.write(f"{path}\n")
        assert self._process.stdout is not None
        printed: list[str] = []
        for line in self._process.stdout:
            if line.startswith(self._mark):
                return int(line.split()[1]), "".join(printed)
            printed.append(line)
        return self._process.wait() or 1, "".join(printed) + f"\n(the session ended, or was ended after {SECONDS:.0f} s)"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._blocks.close()
        self.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def sessions(folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, Session]]:
    """A shell and a Python in the folder, both killed when the block ends or when `SECONDS` are over."""
    opened = {
        "sh": Session(["bash", "-c", SHELL], folder, environment),
        "python": Session([sys.executable, "-c", PYTHON], folder, environment),
    }
    watch = threading.Timer(SECONDS, lambda: [session.kill() for session in opened.values()])
    watch.start()
    try:
        yield opened
    finally:
        watch.cancel()
        for session in opened.values():
            session.close()


def run_page(page: Page, folder: Path, tell: Callable[[str], object] | None = None, **more: str) -> list[str]:
    """What is wrong, one text for each block; `folder` is the reader's own, blocks are kept beside it."""
    wrong: list[str] = []
    kept = folder.parent / f"{folder.name}-blocks"
    kept.mkdir()
    with sessions(folder, environment(kept, **more)) as opened:
        for block in page.blocks:
            if block.title is not None:
                target = folder / block.title
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.text)
                continue
            path = kept / f"line_{block.line}"
            path.write_text(block.text)
            started = time.monotonic()
            code, printed = opened[block.language].run(path)
            if tell is not None:
                tell(f"--- line {block.line}, {time.monotonic() - started:.1f} s\n{block.text}--- {code}\n{printed}")
            wrong += _wrong(block, code, printed)
    return wrong


def _wrong(block: Block, code: int, printed: str) -> list[str]:
    if code != block.exit:
        return [f"line {block.line}: exit code {code}, not {block.exit}\n{block.text}{printed}"]
    differs = None if block.shown is None else as_shown(block.shown, printed)
    return [] if differs is None else [f"line {block.line}: {block.text}{differs}"]


def environment(kept: Path, **more: str) -> dict[str, str]:
    """The tests' own, with `netwright` and `python` of this checkout first on the path."""
    script = kept / "netwright"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netwright "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join([str(kept), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", **more}


def main(path: Path) -> None:
    """Run a page by hand and print what its blocks print: `python -m tests.docs.running docs/quickstart.md`."""
    page = parse(path.read_text())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "page")
        folder.mkdir()
        with supplied(page, folder) as variables:
            wrong = run_page(page, folder, print, **variables)
    print("\n\n".join(["", *wrong]) if wrong else "\nall as shown")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
