"""What tests share: the real pictures where they are at hand, and small ones made on the spot."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# read when torch is loaded: threads that spin while they wait starve each other on a busy machine
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the processors, also with the commands that they start
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

SHARED = Path(os.environ.get("NETWRIGHT_SHARED", Path(__file__).parents[2] / "shared")) / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"real pictures are not at {SHARED}: set NETWRIGHT_SHARED")
    return SHARED


@pytest.fixture(autouse=True)
def _uncalibrated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the machine was calibrated is nothing to the tests, and they leave no decoded pictures behind."""
    monkeypatch.setenv("NETWRIGHT_PROFILES", str(tmp_path_factory.getbasetemp() / "no-profiles"))
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "pictures"))


@pytest.fixture(scope="session")
def imagenette(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imagenette's pictures, unpacked: train/ and val/ with ten classes."""
    folder = tmp_path_factory.mktemp("imagenette")
    with tarfile.open(shared / "imagenette224" / "imagenette224_dev.tar") as tar:
        tar.extractall(folder, filter="data")
    return folder / "imagenette224"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes with twelve small JPEGs each, told apart by their colour."""
    return make_photos(tmp_path / "photos")


def make_photos(root: Path, each: int = 12, side: int = 24) -> Path:
    source = np.random.default_rng(0)
    for i, name in enumerate(("blue", "green", "red")):
        (root / name).mkdir(parents=True)
        for n in range(each):
            pixels = source.integers(0, 90, (side, side, 3), dtype=np.uint8)
            pixels[..., 2 - i] += 150
            Image.fromarray(pixels).save(root / name / f"{n:02d}.jpg", quality=92)
    return root
