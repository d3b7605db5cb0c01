"""One picture file -> one uint8 array, or an error that names the file."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing

Array = NDArray[np.uint8]
MOST_PIXELS = 100_000_000  # more is taken for a decompression bomb
MOST_ASPECT = 20  # of what is resized: a picture of 1 x 100000 pixels would otherwise explode
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class BadPictureError(NetwrightError):
    """A file that is no picture, or a broken one."""


def read_picture(file: Path | BinaryIO, shown: Preprocessing, channels: int = 3) -> Array:
    """The picture of a file as (image, image, channels) uint8: upright, shorter side resized, centre cropped.

    Of `shown` the sizes and the filter are used (see `fit`); normalization is left to whoever makes
    batches. EXIF rotation is applied, 16-bit greys are scaled to 8 bits, transparent pixels are laid
    on white. Raises BadPictureError for a file that cannot be read to its end, whatever the reason.
    """
    name = str(getattr(file, "name", "the open file") if not isinstance(file, Path) else file)
    try:
        with Image.open(file) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise BadPictureError(f"{name}: {opened.width} x {opened.height} pixels are too many")
            picture = _upright(opened).convert("RGB" if channels == 3 else "L")
            return np.asarray(fit(picture, shown), dtype=np.uint8).reshape(shown.image, shown.image, channels)
    except BadPictureError:
        raise
    except Exception as error:  # decoders raise whatever they like on broken data
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, FileNotFoundError):
            raise BadPictureError(f"{name}: there is no such file") from None
        if isinstance(error, IsADirectoryError):
            raise BadPictureError(f"{name} is a folder, not a picture") from None
        # Pillow names an open file by its address
        reason = reason.replace(repr(file), "'file'").replace(name, "file")
        raise BadPictureError(f"{name} is not a picture that can be read ({reason})") from None


def fit(picture: Image.Image, shown: Preprocessing) -> Image.Image:
    """The shorter side resized to `shown.resize` pixels, antialiased, then the central `shown.image` of both sides.

    Sizes and offsets are rounded as `shown.rounding` says, so that weights see what they were measured
    on. A picture longer than 20 times its shorter side is cropped to that before (torchvision does not).
    """
    picture = _not_too_long(picture)
    short, long = sorted(picture.size)
    side, place = (int, round) if shown.rounding == "torchvision" else (round, int)
    longer = side(shown.resize * long / short)
    width, height = (shown.resize, longer) if picture.width <= picture.height else (longer, shown.resize)
    resized = picture.resize((width, height), FILTERS[shown.filter])
    left, top = place((width - shown.image) / 2), place((height - shown.image) / 2)
    return resized.crop((left, top, left + shown.image, top + shown.image))


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Keep Pillow's warnings of odd metadata away: a picture that decodes is good. For the main thread, around the readers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _upright(opened: Image.Image) -> Image.Image:
    opened.load()
    try:
        picture = ImageOps.exif_transpose(opened)
    except Exception:  # broken metadata, sound pixels
        picture = opened
    if picture.mode.startswith("I;16") or picture.mode == "I":
        grey = np.asarray(picture).astype(np.int64)
        return Image.fromarray((np.clip(grey, 0, 65535) / 257).round().astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture


def _not_too_long(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    most = MOST_ASPECT * min(width, height)
    if max(width, height) <= most:
        return picture
    left, top = max(width - most, 0) // 2, max(height - most, 0) // 2
    return picture.crop((left, top, left + min(width, most), top + min(height, most)))
