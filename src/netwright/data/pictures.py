"""One picture file -> one uint8 array, or an error that names the file."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from netwright.errors import NetwrightError

Array = NDArray[np.uint8]
MOST_PIXELS = 100_000_000  # more is taken for a decompression bomb


class BadPictureError(NetwrightError):
    """A file that is no picture, or a broken one."""


def read_picture(path: Path, image: int, channels: int = 3) -> Array:
    """The picture of a file as (image, image, channels) uint8: upright, shorter side resized, centre cropped.

    EXIF rotation is applied, 16-bit greys are scaled to 8 bits, transparent pixels are laid on white,
    and the resize is Pillow's antialiased bicubic. Raises BadPictureError for a file that cannot be
    read to its end, whatever the reason.
    """
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise BadPictureError(f"{path}: {opened.width} x {opened.height} pixels are too many")
            picture = _upright(opened).convert("RGB" if channels == 3 else "L")
            return _square(picture, image, channels)
    except BadPictureError:
        raise
    except Exception as error:  # decoders raise whatever they like on broken data
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, FileNotFoundError):
            raise BadPictureError(f"{path}: there is no such file") from None
        if isinstance(error, IsADirectoryError):
            raise BadPictureError(f"{path} is a folder, not a picture") from None
        raise BadPictureError(f"{path} is not a picture that can be read ({reason.replace(str(path), 'file')})") from None


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


def _square(picture: Image.Image, side: int, channels: int) -> Array:
    width, height = picture.size
    crop = min(width, height)
    left, top = (width - crop) // 2, (height - crop) // 2
    square = picture.crop((left, top, left + crop, top + crop))
    small = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8).reshape(side, side, channels)
