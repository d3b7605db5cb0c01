"""What decoders give -> upright 8-bit grey or colour: deep pixels, CMYK, transparency, EXIF rotation."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image, ImageCms

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 274  # the tag in EXIF and TIFF
BITS, PHOTOMETRIC, SAMPLES = 258, 262, 339  # TIFF's tags
WHITE_IS_ZERO, SIGNED = 0, 2


def to_8_bits(opened: Image.Image, notes: list[str] | None = None) -> Image.Image:
    """The first frame of an opened picture, upright, in a mode that `convert` brings to RGB or L without a loss of sense.

    - Grey of 16 bits v becomes v / 257, rounded. Colour of 16 bits is cut to its upper 8 by Pillow, which is never more
      than 1 away. Grey of 32 bits is taken for 8 bits where it has no value above 255, else for 16 bits; floating-point
      grey for a scale from 0 to 1 where it has no value above 1, else from 0 to 255.
    - CMYK becomes R = (1 - C)(1 - K) and so on, as torchvision and timm see it; profiles are not applied. In JPEG the
      inks are inverted, as Adobe writes them.
    - Transparent pixels are laid on white.

    What was done is appended to `notes`.
    """
    tags: dict[int, object] = dict(getattr(opened, "tag_v2", {}))
    deep = _of_16_bits(opened) or max(_bits(tags)) > 8
    turned = tags.get(ORIENTATION, 1)
    opened.load()  # first: `getexif` of a PNG loads it too, and what that raises must not be lost
    picture = opened
    if opened.format != "TIFF":  # which Pillow turns itself
        turned = _orientation(opened)
        picture = opened.transpose(TURNS[turned]) if turned in TURNS else opened
    if turned in TURNS:
        _note(notes, f"EXIF orientation {turned} applied")
    if picture.mode[0] in "IF":
        return _shallow(picture, tags, notes)
    if deep:
        _note(notes, "16 bits a channel: brought to 8")
    if picture.mode == "CMYK":
        _note(notes, "CMYK: brought to RGB")
    if picture.mode == "LAB":
        _note(notes, "LAB: brought to RGB")
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB") or picture
    return _opaque(picture, deep, notes)


def _of_16_bits(opened: Image.Image) -> bool:
    """Whether the decoder reads 16 bits a channel ("RGB;16B"), as far as its raw modes tell; BGR;16 are 16 bits in all."""
    arguments = [tile[3] for tile in getattr(opened, "tile", ())]
    raw = [str(given[0] if isinstance(given, tuple) and given else given) for given in arguments]
    return any(re.fullmatch(r"(?!BGR)\w+;16[BLN]?", mode) for mode in raw)


def _note(notes: list[str] | None, told: str) -> None:
    if notes is not None:
        notes.append(told)


def _orientation(opened: Image.Image) -> int:
    try:
        return int(opened.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata, sound pixels
        return 1


def _opaque(picture: Image.Image, deep: bool, notes: list[str] | None) -> Image.Image:
    """Transparent pixels laid on white."""
    clear = picture.info.get("transparency")
    if picture.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and clear is None:
        return picture
    if deep and isinstance(clear, tuple):  # the file's 16 bits; the pixels have 8
        picture.info["transparency"] = tuple(value >> 8 for value in clear)
    picture = picture.convert("RGBA")
    if notes is not None and np.asarray(picture.getchannel("A")).min(initial=255) < 255:
        _note(notes, "transparent pixels laid on white")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _bits(tags: dict[int, object]) -> tuple[int, ...]:
    found = tags.get(BITS, 8)
    return tuple(found) if isinstance(found, tuple) and found else (8,)


def _shallow(picture: Image.Image, tags: dict[int, object], notes: list[str] | None) -> Image.Image:
    """Deep grey as 8-bit grey."""
    deep = np.nan_to_num(np.asarray(picture).astype(np.float64))
    bits = max(_bits(tags)) if tags else 16
    if picture.mode == "F" or bits == 32:
        most = 1.0 if picture.mode == "F" else 255.0
        white = most if deep.max(initial=0) <= most else (255.0 if picture.mode == "F" else 65535.0)
        _note(notes, f"{picture.mode} of 32 bits: {white:g} is taken for white")
    else:
        signed = SIGNED in (tags.get(SAMPLES) or ())  # type: ignore[operator]
        white = float(2 ** (bits - signed) - 1)
        _note(notes, f"{bits} bits grey: brought to 8")
    grey = (np.clip(deep, 0, white) * (255 / white)).round().astype(np.uint8)
    if picture.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow does so for 8 bits only
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey[deep == clear] = 255
        _note(notes, "transparent pixels laid on white")
    return Image.fromarray(grey)
