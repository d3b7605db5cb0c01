"""Memory over many epochs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import make_photos

PROGRAM = """
import json, resource, sys
import netwright as nw
from netwright.training import Recipe
from netwright.training.recipes.recipe import Augmentation, Averaging

def held():  # bytes in memory now
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

seen = []
net = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, classes=3)
recipe = Recipe(epochs=20, batch=30, augment=Augmentation(policy="trivial", mixup=0.2), ema=Averaging(decay=0.9))
watch = lambda moment: seen.append(held()) if moment.ended else None
nw.train(net, sys.argv[1], out=sys.argv[2], image=48, recipe=recipe, cache=sys.argv[3], checkpoint_every=0.5, watch=watch)
print(json.dumps(seen))
"""


@pytest.mark.slow
def test_memory_does_not_grow_over_20_epochs(tmp_path: Path) -> None:
    """Pictures from the cache, fetched ahead by a thread; what is held after epoch 20 is within 5 % of that after epoch 4."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say in /proc/self/statm how much memory a process holds")
    photos = make_photos(tmp_path / "photos", each=100, side=64)
    words = [sys.executable, "-c", PROGRAM, str(photos), str(tmp_path / "run"), str(tmp_path / "cache")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout.splitlines()[-1])
    assert len(held) == 20
    assert held[-1] < 1.05 * held[3]
