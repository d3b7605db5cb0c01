"""Begins studies of agreed names together with another process: with a storage, a folder, a seed and how many.

Both wait for one another after they have seen that there is no study yet: at the worst moment. Prints for each name what came of
it: "begun", or the error.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.studies import ledger
from tests.studies.running import begun


def main(storage: str, folder: Path, seed: int, count: int) -> None:
    look = ledger._all_trials
    for number in range(count):

        def together(*which: Any, number: int = number) -> Any:
            seen = look(*which)
            (folder / f"{number}-{seed}").touch()
            while len(list(folder.glob(f"{number}-*"))) < 2:
                time.sleep(0.001)
            return seen

        ledger._all_trials = together
        try:
            begun(storage, f"study{number}", 10 * seed, seed=seed)
            print("begun")
        except NetwrightError as error:
            print(error)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
