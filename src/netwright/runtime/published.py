"""The weights that torchvision publishes: its table of them, and their files in torch's own cache."""

from __future__ import annotations

import csv
import functools
import hashlib
import http.client
import importlib.resources
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from netwright.errors import FailedError, NetwrightError, did_you_mean
from netwright.files import writing
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Filter, Preprocessing
from netwright.progress import Progress
from netwright.version import VERSION

SERVER, SERVER_VARIABLE = "https://download.pytorch.org/models/", "NETWRIGHT_TORCHVISION_URL"
SILENCE = 30  # seconds until a server that says nothing is given up
_ALONE = re.compile(r"DEFAULT|IMAGENET1K_\w+", re.IGNORECASE)
_QUALIFIED = re.compile(r"torchvision/(?P<network>\w+)(\.(?P<label>\w+))?|(?P<named>\w+)_Weights\.(?P<member>\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Published:
    """One row: the weights called `label` of a network, in a file whose name ends with the start of its sha256."""

    network: str
    label: str
    file: str
    preprocessing: Preprocessing
    default: bool

    @property
    def digest(self) -> str:
        """The first digits of the file's sha256."""
        return self.file.rpartition("-")[2].partition(".")[0]


@functools.cache
def table() -> tuple[Published, ...]:
    """All rows of torchvision.csv, which was read off torchvision 0.28 (tests/compat compares them)."""
    with (importlib.resources.files("netwright.runtime") / "torchvision.csv").open(encoding="utf-8") as file:
        return tuple(map(_row, csv.DictReader(file)))


def _row(row: dict[str, str]) -> Published:
    mean, std = (tuple(map(float, row[key].split())) for key in ("mean", "std"))
    if row["transform_input"]:
        # torchvision's network undoes ImageNet's mean and deviation in its first step: (x - 0.5) / 0.5 remains
        mean = std = (0.5, 0.5, 0.5)
    way: Filter = row["filter"]  # type: ignore[assignment]  # Preprocessing checks it
    shown = Preprocessing(int(row["crop"]), int(row["resize"]), way, mean or IMAGENET_MEAN, std or IMAGENET_STD)
    return Published(row["network"], row["weights"], row["file"], shown, row["default"] == "yes")


def published(weights: str, name: str = "") -> Published | None:
    """The row that a name of weights means, or None where it is no name of torchvision's; `name` is the network's.

    >>> published("DEFAULT", "regnetx_016").file
    'regnet_x_1_6gf-a12f2b72.pth'

    Raises NetwrightError for a network or weights that torchvision does not have.
    """
    if _ALONE.fullmatch(weights):
        if not name:
            raise NetwrightError(f"{weights} alone does not say of which network: write torchvision/resnet50.{weights}")
        return _find(name, weights)
    match = _QUALIFIED.fullmatch(weights)
    if not match:
        return None
    found = _find(match["network"] or match["named"], match["label"] or match["member"] or "")
    if name and _spelling(name) != _spelling(found.network):
        raise NetwrightError(f"{weights} are weights of {found.network}, not of {name}")
    return found


def _find(network: str, label: str) -> Published:
    rows = [row for row in table() if _spelling(row.network) == _spelling(network)]
    if not rows:
        near = did_you_mean(network.lower(), dict.fromkeys(row.network for row in table()))
        raise NetwrightError(f"torchvision has no weights of {network!r}{near or ' that netwright knows: give a file'}")
    for row in rows:
        if row.label == label.upper() or (row.default and label.upper() == "DEFAULT"):
            return row
    known = " or ".join([*(row.label for row in rows), "DEFAULT"])
    which = f"torchvision has no weights {label!r} of" if label else "it is not said which of torchvision's weights of"
    raise NetwrightError(f"{which} {rows[0].network}: expected {known}")


def _spelling(network: str) -> str:
    """One spelling of what is written mobilenet_v2, mobilenetv2 or mobilenetv2_100 (in percent of its width).

    And of regnet_x_1_6gf or regnetx_016 (in units of 0.1 GF).
    """
    key = re.sub(r"(?<!\d)_|_(?!\d)|(?<=mobilenetv2)_100", "", network.lower())  # 1_6 is not 16: between digits it stays
    match = re.fullmatch(r"(regnet[xy])(\d{3,4})", key)
    if not match:
        return key
    whole, tenth = divmod(int(match[2]), 10)
    return f"{match[1]}{whole}_{tenth}gf" if whole and tenth else f"{match[1]}{whole}gf" if whole else f"{match[1]}{tenth}00mf"


def download(row: Published) -> Path:
    """The file of these weights in torch's cache (TORCH_HOME), where torchvision keeps it too; fetched unless it is sound.

    NETWRIGHT_TORCHVISION_URL names another server, a mirror. Raises FailedError where the network or the disk fails,
    NetwrightError for a cache that cannot be written.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / row.file
    if not _is_sound(path, row):
        try:
            _download(row, path)
        except NetwrightError as error:
            if isinstance(error.__cause__, OSError):  # of `writing`
                raise type(error)(f"{error}; make room, or set TORCH_HOME to another folder") from None
            raise
    return path


def _is_sound(path: Path, row: Published) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(row.digest)
    except OSError:
        return False


def _download(row: Published, path: Path) -> None:
    """Not by torch.hub, which sets no time limit: a connection that falls silent would hold it for ever."""
    server = os.environ.get(SERVER_VARIABLE) or SERVER
    url = f"{server.rstrip('/')}/{row.file}"
    way_out = f"check the network{f' and {SERVER_VARIABLE}' if server != SERVER else ''} and try again, or give a file"
    bar = Progress(quiet=not sys.stderr.isatty()).bar(row.file)
    with writing(path) as temporary, temporary.open("wb") as file, bar as step:
        digest = hashlib.sha256()
        for chunk, size in _chunks(url, way_out):
            file.write(chunk)
            digest.update(chunk)
            step(file.tell(), size, f"{file.tell() / 1e6:.0f} of {size / 1e6:.0f} MB")
        if not digest.hexdigest().startswith(row.digest):
            raise FailedError(f"{url} arrived broken (its sha256 does not begin with {row.digest}): {way_out}")


def _chunks(url: str, way_out: str) -> Iterator[tuple[bytes, int]]:
    """What a server sends, piece by piece, each with the size of it all; what goes wrong meanwhile is the network's."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"netwright/{VERSION}"})
        with urllib.request.urlopen(request, timeout=SILENCE) as answer:
            size = int(answer.headers.get("Content-Length", 0))
            while chunk := answer.read(1 << 20):
                yield chunk, size
    except urllib.error.HTTPError as error:
        with error:
            raise FailedError(f"{url} answers {error.code} {error.reason}: {way_out}") from None
    except (OSError, http.client.HTTPException) as error:
        raise FailedError(f"cannot fetch {url} ({getattr(error, 'reason', error)}): {way_out}") from None
    except ValueError as error:
        raise NetwrightError(f"cannot fetch {url} ({error}): check {SERVER_VARIABLE}") from None
