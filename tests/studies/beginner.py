"""Begins studies of agreed names at the same moments as another process: with a storage, a folder, a seed and how many.

Prints for each name what came of it: "begun", or the error.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from netwright.errors import NetwrightError
from tests.studies.running import begun


def main(storage: str, folder: Path, seed: int, count: int) -> None:
    for number in range(count):
        (folder / f"{number}-{seed}").touch()
        while len(list(folder.glob(f"{number}-*"))) < 2:  # the other is there, too
            time.sleep(0.0005)
        try:
            begun(storage, f"study{number}", 10 * seed, seed=seed)
            print("begun")
        except NetwrightError as error:
            print(error)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
