"""Public weights by name: a file or folder at hand, a repository of the Hugging Face hub, or torchvision's."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from netwright.errors import NetwrightError, did_you_mean
from netwright.preprocessing import Preprocessing
from netwright.runtime.fetch_config import read_config
from netwright.runtime.fetch_hub import CONFIG, WEIGHTS, fetch_hub
from netwright.runtime.published import download, published

SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin")
_HUB_PREFIX = re.compile("hf[-_]hub:|hf://")
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@(\S+))?")


@dataclass(frozen=True)
class Fetched:
    """A weights file on the disk, and what was published with it: how it wants pictures shown, and its classes."""

    path: Path
    preprocessing: Preprocessing | None
    classes: tuple[str, ...] | None


def fetch(weights: str | os.PathLike[str], name: str = "") -> Fetched:
    """Find weights, or download them once into the cache of the hub (`HF_HOME`) or of torch (`TORCH_HOME`).

    `weights` is one of

    - a file (.safetensors, .pth, .pt, .th, .bin), or a folder with model.safetensors or pytorch_model.bin;
      a config.json of timm's beside these two says how pictures are shown;
    - a repository of the hub, `timm/resnet50.a1_in1k`, with `hf-hub:` or `hf://` before and `@revision` after it if wanted;
    - weights of torchvision's, `ResNet50_Weights.IMAGENET1K_V2` or `torchvision/resnet50.IMAGENET1K_V2`; also
      `IMAGENET1K_V2` or `DEFAULT` alone, of the network called `name` (in netwright's or in torchvision's spelling).

    What lies on the disk under that very name comes first. Nothing half-written is ever used.
    Raises NetwrightError for a name that leads nowhere, FailedError where the network or the disk fails.
    """
    text = os.fspath(weights)
    prefix = _HUB_PREFIX.match(text)
    if prefix:
        return _from_hub(text[prefix.end() :])
    path = Path(text)
    if text and _exists(path):
        return _from_disk(path)
    found = published(text, name) if isinstance(weights, str) else None
    if found:
        return Fetched(download(found), found.preprocessing, None)
    if not isinstance(weights, str) or path.suffix in SUFFIXES or (len(path.parts) > 1 and _exists(path.parent)):
        raise NetwrightError(_no_file(path, text))
    return _from_hub(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a path, or in a folder that is closed to us
        return False


def _no_file(path: Path, text: str) -> str:
    near = did_you_mean(path.name, [p.name for p in path.parent.glob("*") if p.suffix in SUFFIXES or p.is_dir()])
    if not near and _HUB_ID.fullmatch(text) and path.suffix not in SUFFIXES:
        near = f": if the hub's repository is meant, write hf-hub:{text}"
    return f"there is no weights file or folder {path}{near}"


def _from_disk(path: Path) -> Fetched:
    if path.is_dir():
        held = [path / file for file in WEIGHTS if (path / file).is_file()]
        if not held:
            raise NetwrightError(f"the folder {path} holds neither {' nor '.join(WEIGHTS)}: give the file itself")
        return _described(held[0], path / CONFIG)
    if path.suffix not in SUFFIXES:
        raise NetwrightError(f"{path} is not a weights file: expected one that ends with {', '.join(SUFFIXES)}")
    return _described(path, path.parent / CONFIG if path.name in WEIGHTS else None)


def _from_hub(text: str) -> Fetched:
    match = _HUB_ID.fullmatch(text)
    if not match:
        raise NetwrightError(
            f"unknown weights {text!r}: expected a file or folder, a repository of the hub (timm/resnet50.a1_in1k) "
            "or torchvision's (torchvision/resnet50.IMAGENET1K_V2, or IMAGENET1K_V2 where the network is named)"
        )
    return _described(*fetch_hub(match[1], match[2]))


def _described(path: Path, config: Path | None) -> Fetched:
    return Fetched(path, *(read_config(config) if config and config.is_file() else (None, None)))
