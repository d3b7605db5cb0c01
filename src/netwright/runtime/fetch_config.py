"""config.json as timm writes it beside weights: how pictures are shown, and what the classes are called."""

from __future__ import annotations

import math
import reprlib
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.files import read_json
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing


def read_config(path: Path) -> tuple[Preprocessing | None, tuple[str, ...] | None]:
    """Preprocessing and classes of a config of timm's; both None for one of another library.

    As timm evaluates by default: at `input_size` and `crop_pct` (`test_input_size` is left alone), with timm's defaults
    for what is not said. `crop_mode` squash and border are read as center, which is the same for square pictures.
    Raises NetwrightError for a config that is broken, or asks for what netwright cannot do.
    """
    try:
        config = read_json(path)
        if not isinstance(config, dict):
            raise ValueError("it holds no JSON object")
        shown = config.get("pretrained_cfg", config if "architecture" in config else None)  # older ones are flat
        if shown is None:
            return None, None
        if not isinstance(shown, dict):
            raise ValueError(f"pretrained_cfg is {reprlib.repr(shown)}, expected an object")
        return _preprocessing(shown), _classes({**shown, **config})
    except (ValueError, OverflowError, RecursionError) as error:
        raise NetwrightError(f"cannot use {path}: {error}") from None


def _preprocessing(shown: dict[str, Any]) -> Preprocessing:
    channels, height, width = _numbers(shown, "input_size", (3, 224, 224), 3)
    if height != width:
        raise ValueError(f"input_size is {height} x {width}, expected a square")
    share = shown.get("crop_pct") or 0.875
    if type(share) not in (int, float) or not 0 < share <= 1:
        raise ValueError(f"crop_pct is {reprlib.repr(share)}, expected a number up to 1")
    return Preprocessing(
        image=height,
        resize=math.floor(height / share),
        filter=shown.get("interpolation") or "bicubic",
        mean=tuple(map(float, _numbers(shown, "mean", IMAGENET_MEAN, channels))),
        std=tuple(map(float, _numbers(shown, "std", IMAGENET_STD, channels))),
    )


def _numbers(shown: dict[str, Any], key: str, default: tuple[float, ...], count: float) -> tuple[Any, ...]:
    value = shown.get(key) or default
    if not isinstance(value, (list, tuple)) or len(value) != count or any(type(v) not in (int, float) for v in value):
        raise ValueError(f"{key} is {reprlib.repr(value)}, expected {count} number{'s' * (count != 1)}")
    return tuple(value)


def _classes(config: dict[str, Any]) -> tuple[str, ...] | None:
    names = config.get("label_names") or config.get("labels")  # the older word
    if names is None or isinstance(names, dict):  # an object leaves some classes without a name
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"label_names is {reprlib.repr(names)}, expected a list of words")
    if config.get("num_classes", len(names)) != len(names):
        raise ValueError(f"{len(names)} label_names but num_classes is {reprlib.repr(config['num_classes'])}")
    return tuple(names)
