"""One picture file -> one uint8 array, or an error that names the file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netwright.data.colours import to_8_bits
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing, View

Array = NDArray[np.uint8]
Readable = Path | BinaryIO
MOST_PIXELS = 100_000_000  # more is taken for a decompression bomb
MOST_ASPECT = 20  # of what is resized: a picture of 1 x 100000 pixels would otherwise explode
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FILTERS_LOCK = threading.RLock()  # warning filters are the process's


class Decoded(NamedTuple):
    """A picture (image, image, channels), and the width / height of what it shows: 1 unless that was squeezed."""

    pixels: Array
    aspect: float = 1.0


class BadPictureError(NetwrightError):
    """A file that is no picture, or a broken one; `reason` says why without the file's name."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (str(self), self.reason)


def read_picture(file: Readable, shown: Preprocessing, channels: int = 3) -> Array:
    """The picture of a file as (image, image, channels) uint8: upright, shorter side resized, centre cropped.

    Of `shown` the sizes and the filter are used (see `fit`); normalization is left to whoever makes batches. The
    format is told by the content, not by the name. EXIF rotation is applied, CMYK, 16-bit and transparent pictures
    are converted as `to_8_bits` says; of several frames the first is read. Raises BadPictureError for a file that cannot
    be read to its end, whatever the reason, and for one of more than 100 million pixels.
    """
    return decode(file, shown, channels).pixels


def decode(file: Readable, shown: View, channels: int = 3) -> Decoded:
    """The picture of a file as `read_picture` gives it, or all of it, squeezed."""
    with _named(file), open_picture(file) as opened:
        return as_shown(to_8_bits(opened).convert("RGB" if channels == 3 else "L"), shown)


def as_shown(picture: Image.Image, shown: View) -> Decoded:
    """A grey or RGB picture as `shown` says (see `fit`); one that is squeezed is not too long either."""
    shape = (shown.image, shown.image, len(picture.getbands()))
    if isinstance(shown, Preprocessing):
        return Decoded(np.asarray(fit(picture, shown), np.uint8).reshape(shape))
    picture = _not_too_long(picture)
    squeezed = picture.resize(shape[:2], FILTERS[shown.filter])
    return Decoded(np.asarray(squeezed, np.uint8).reshape(shape), picture.width / picture.height)


@dataclass(frozen=True)
class Inspected:
    """What a picture is: its format and Pillow's mode, (width, height) in pixels as stored, and what reading it does to it.

    `digest` tells decoded pictures apart; it is empty where only the header was read.
    """

    format: str
    mode: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    digest: bytes = b""


def inspect_picture(file: Readable, name: str, channels: int, whole: bool) -> Inspected:
    """Look at the header of a picture file, or decode all of it; raises BadPictureError as `read_picture` does."""
    with _named(file), open_picture(file) as opened:
        kind, mode, size, notes, content = opened.format or "", opened.mode, opened.size, _misnamed(opened, name), b""
        if whole:
            picture = to_8_bits(opened, notes).convert("RGB" if channels == 3 else "L")
            content = digest_of(np.asarray(picture))
            with contextlib.suppress(Exception):  # the first frame is good
                frames = int(getattr(opened, "n_frames", 1))
                notes += [f"{frames} frames: the first is read"] if frames > 1 else []
        return Inspected(kind, mode, size, tuple(notes), content)


def digest_of(pixels: Array) -> bytes:
    """What tells decoded pictures apart: 16 bytes of their size and content."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()[:16]


def _misnamed(opened: Image.Image, name: str) -> list[str]:
    said = Image.registered_extensions().get(PurePosixPath(name).suffix.lower())
    alike = {"MPO": "JPEG"}
    if said is None or alike.get(said, said) == alike.get(opened.format or "", opened.format):
        return []
    return [f"called {PurePosixPath(name).suffix}, but is {opened.format}"]


@contextlib.contextmanager
def _named(file: Readable) -> Iterator[None]:
    """Turn whatever reading a file raises into a BadPictureError that names it."""
    try:
        yield
    except BadPictureError:
        raise
    except Exception as error:  # decoders raise whatever they like on broken data
        name = str(getattr(file, "name", "the open file") if not isinstance(file, Path) else file)
        raise _told(file, name, error) from None


def _told(file: Readable, name: str, error: Exception) -> BadPictureError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, FileNotFoundError):
        return BadPictureError(f"{name}: there is no such file", "there is no such file")
    if isinstance(error, IsADirectoryError):
        return BadPictureError(f"{name} is a folder, not a picture", "a folder, not a picture")
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    # Pillow names an open file by its address or number
    reason = re.sub(r"<_io\.\w+ [^>]*>", "'file'", reason.replace(repr(file), "'file'").replace(name, "file"))
    return BadPictureError(f"{name} is not a picture that can be read ({reason})", reason)


@contextlib.contextmanager
def open_picture(file: Readable) -> Iterator[Image.Image]:
    """A picture as Pillow opens it, of which only the header is read; too many pixels are refused with an OSError."""
    with open_file(file) if isinstance(file, Path) else contextlib.nullcontext(file) as content, Image.open(content) as opened:
        yield _bounded(opened)


def open_file(path: Path) -> BinaryIO:
    """A file to be read; raises OSError for a pipe or a device, which might never end, and for an empty file.

    Pillow is given the file and not its name, by which it would map some formats into memory.
    """
    # not blocking: a pipe without a writer opens at once
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    about = os.fstat(handle)
    if stat.S_ISREG(about.st_mode) and about.st_size:
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError
    raise OSError("the file is empty" if stat.S_ISREG(about.st_mode) else "a pipe or a device, not a file")


def _bounded(opened: Image.Image) -> Image.Image:
    if opened.width * opened.height > MOST_PIXELS:
        raise OSError(f"{opened.width} x {opened.height} pixels are too many")
    return opened


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
    """Keep Pillow's warnings of odd metadata away: a picture that decodes is good. Around the readers, not in them."""
    with _FILTERS_LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _not_too_long(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    most = MOST_ASPECT * min(width, height)
    if max(width, height) <= most:
        return picture
    left, top = max(width - most, 0) // 2, max(height - most, 0) // 2
    return picture.crop((left, top, left + min(width, most), top + min(height, most)))
