"""Awkward pictures: each is read right, or named with its reason."""

from __future__ import annotations

import csv
import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from netwright.data import BadPictureError, read_picture
from netwright.data.pictures import MOST_PIXELS, inspect_picture, unwarned
from netwright.preprocessing import Preprocessing, whole

COLOUR_TOLERANCE = 1  # of 255: what cutting 16 bits to 8, instead of rounding, may be off, and rounding of products


def pixels_of(file: Path, side: int) -> np.ndarray:
    """A square picture of that side as it is read, without a resize."""
    with unwarned():
        return read_picture(file, whole(side)).astype(int)


def notes_of(file: Path) -> str:
    with unwarned():
        return "; ".join(inspect_picture(file, file.name, 3, whole=True).notes)


def manifest(shared: Path) -> list[dict[str, str]]:
    with (shared / "nasty" / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_awkward_picture_is_read_or_named_with_its_reason(shared: Path) -> None:
    rows = manifest(shared)
    assert len(rows) == 217
    refused = set()
    for row in rows:
        file = shared / "nasty" / row["file"]
        started = time.monotonic()
        shape, error = read_or_refused(file)
        if error is None:
            assert shape == (32, 32, 3)
        else:
            assert str(file) in str(error)
            assert error.reason
            assert "\n" not in str(error)
            assert str(file) not in error.reason
            assert "0x" not in error.reason
            refused.add(row["file"])
        assert time.monotonic() - started < 20, row["file"]  # no hang; they take milliseconds
    # what Pillow itself reads is read, but for more than 100 million pixels; what it refuses is refused
    other = {row["file"] for row in rows if row["pillow_result"] != "ok"} ^ refused
    assert other == {"generated/bomb_12000x9000_1bit.png"}


def read_or_refused(file: Path) -> tuple[tuple[int, ...], BadPictureError | None]:
    try:
        with unwarned():
            return read_picture(file, whole(32)).shape, None
    except BadPictureError as error:
        return (), error


@pytest.mark.parametrize("number", range(2, 9))
def test_the_rotated_portraits_look_like_the_upright_one(shared: Path, number: int) -> None:
    upright = pixels_of(shared / "nasty" / "exif" / "Portrait_1.jpg", 64)
    turned = pixels_of(shared / "nasty" / "exif" / f"Portrait_{number}.jpg", 64)
    assert np.abs(turned - upright).mean() < 12
    wrong = [np.rot90(turned, k) for k in (1, 2, 3)] + [np.rot90(turned[:, ::-1], k) for k in range(4)]
    assert min(np.abs(one - upright).mean() for one in wrong) > 20  # the measure tells them apart


def test_pillows_own_orientation_files_agree(shared: Path) -> None:
    folder = shared / "nasty" / "pillow"
    for family in (
        [f"hopper_orientation_{n}.jpg" for n in range(2, 9)],
        [f"hopper_orientation_{n}.webp" for n in (2, 3, 6)],
        [f"g4_orientation_{n}.tif" for n in (1, 6, 7, 8)],
    ):
        pictures = [pixels_of(folder / name, 64) for name in family]
        for name, picture in zip(family, pictures, strict=True):
            assert np.abs(picture - pictures[0]).mean() < 8, name
            assert name.endswith("_1.tif") or "EXIF orientation" in notes_of(folder / name)


def turned_back(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The stored pixels that show `upright` once the orientation is applied, from the EXIF standard's table.

    It says where the stored row 0 and column 0 are seen: 6 is "right top": row 0 is at the right, column 0 at the top.
    """
    row_at, column_at = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    stored = upright
    if row_at in ("left", "right"):  # stored rows are seen as columns
        stored = stored.transpose(1, 0, 2)
    if row_at in ("bottom", "right"):
        stored = stored[::-1]
    if column_at in ("bottom", "right"):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "jpeg", "png-after"])
def test_orientations_of_all_formats(kind: str, orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((32, 32, 3), np.uint8)
    upright[:16, :16], upright[:16, 16:], upright[16:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[274] = orientation
    file = tmp_path / f"p.{kind.partition('-')[0]}"
    options: dict[str, Any] = {"webp": {"lossless": True}, "jpeg": {"quality": 95, "subsampling": 0}}.get(kind, {})
    picture = Image.fromarray(turned_back(upright, orientation))
    if kind == "png-after":  # the chunk stands behind the pixels
        picture.save(file)
        content = file.read_bytes()
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        end = content.index(b"IEND") - 4
        whole_chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        file.write_bytes(content[:end] + whole_chunk + content[end:])
    else:
        picture.save(file, exif=exif, **options)
    assert np.abs(pixels_of(file, 32) - upright).max() <= (40 if kind == "jpeg" else 0)
    assert ("EXIF orientation" in notes_of(file)) == (orientation != 1)


def test_a_wide_picture_turned_is_high(tmp_path: Path) -> None:
    """The crop is taken of the upright picture."""
    stored = np.zeros((20, 60, 3), np.uint8)
    stored[:, :20] = 250  # its left third
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(stored).save(tmp_path / "p.png", exif=exif)
    assert (pixels_of(tmp_path / "p.png", 20) == 0).all()  # the middle third


def test_an_orientation_that_cannot_be_is_none(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for value in (0, 9, 77):
        exif = Image.Exif()
        exif[274] = value
        Image.fromarray(pixels).save(tmp_path / "p.png", exif=exif)
        np.testing.assert_array_equal(pixels_of(tmp_path / "p.png", 4), pixels)


def from_cmyk(inks: np.ndarray) -> np.ndarray:
    """R = (1 - C)(1 - K), and so on."""
    share = inks / 255
    return 255 * (1 - share[..., :3]) * (1 - share[..., 3:])


def test_cmyk(tmp_path: Path) -> None:
    inks = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "p.tif")
    assert np.abs(pixels_of(tmp_path / "p.tif", 4) - from_cmyk(inks)).max() <= COLOUR_TOLERANCE
    assert "CMYK" in notes_of(tmp_path / "p.tif")


@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), (40, 90, 160, 60)])
def test_jpegs_inks_are_inverted_as_adobe_writes_them(inks: tuple[int, ...], tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), inks).save(tmp_path / "p.jpg", quality=100)
    content = (tmp_path / "p.jpg").read_bytes()
    assert b"Adobe" in content
    expected = from_cmyk(np.array(inks, float))
    assert np.abs(pixels_of(tmp_path / "p.jpg", 16) - expected).max() <= 3  # of JPEG's own rounding


def test_real_cmyk_files(shared: Path) -> None:
    folder = shared / "nasty" / "pillow"
    for name in ("pil_sample_cmyk.jpg", "tiff_strip_cmyk_jpeg.tif", "tiff_strip_cmyk_16l_jpeg.tif"):
        with Image.open(folder / name) as opened:
            inks = np.asarray(opened)
        assert inks.shape == (100, 100, 4)
        assert np.abs(pixels_of(folder / name, 100) - from_cmyk(inks)).max() <= COLOUR_TOLERANCE
    jpeg, tiff = (pixels_of(folder / name, 100) for name in ("pil_sample_cmyk.jpg", "tiff_strip_cmyk_jpeg.tif"))
    assert np.abs(jpeg - tiff).mean() < 3  # one picture in two formats, of opposite polarity


def png(colour: int, depth: int, pixels: np.ndarray, extra: bytes = b"", claim: tuple[int, int] | None = None) -> bytes:
    """A PNG written by hand: Pillow writes no colour of 16 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", *(claim or (width, height)), depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def transparent(colour: tuple[int, ...]) -> bytes:
    content = struct.pack(f">{len(colour)}H", *colour)
    return struct.pack(">I", len(content)) + b"tRNS" + content + struct.pack(">I", zlib.crc32(b"tRNS" + content))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits(colour: int, channels: int, tmp_path: Path) -> None:
    deep = np.random.default_rng(colour).integers(0, 65536, (8, 8, channels))
    (tmp_path / "p.png").write_bytes(png(colour, 16, deep))
    shade, alpha = (deep[..., :-1], deep[..., -1:]) if channels in (2, 4) else (deep, np.full((8, 8, 1), 65535))
    expected = (shade / 257) * (alpha / 65535) + 255 * (1 - alpha / 65535)
    found = pixels_of(tmp_path / "p.png", 8)
    # cut colour and cut alpha add up on white
    assert np.abs(found - expected).max() <= (COLOUR_TOLERANCE if channels in (1, 3) else 2 * COLOUR_TOLERANCE)
    assert "16 bits" in notes_of(tmp_path / "p.png")


def test_transparent_colours_of_16_bits(tmp_path: Path) -> None:
    grey = np.array([[[100], [30000]], [[65535], [0]]])
    (tmp_path / "grey.png").write_bytes(png(0, 16, grey, transparent((30000,))))
    np.testing.assert_array_equal(pixels_of(tmp_path / "grey.png", 2)[..., 0], [[0, 255], [255, 0]])
    colours = np.array([[[100, 200, 300], [30000, 20000, 10000]], [[1, 1, 1], [60000, 0, 0]]])
    (tmp_path / "colour.png").write_bytes(png(2, 16, colours, transparent((30000, 20000, 10000))))
    found = pixels_of(tmp_path / "colour.png", 2)
    np.testing.assert_array_equal(found[0, 1], [255, 255, 255])
    assert np.abs(found[1, 1] - [233, 0, 0]).max() <= COLOUR_TOLERANCE


def test_a_tiff_of_16_bit_colour_is_its_target(shared: Path) -> None:
    folder = shared / "nasty" / "pillow"
    found = read_picture(folder / "tiff_16bit_RGB.tiff", whole(40))
    np.testing.assert_array_equal(found, read_picture(folder / "tiff_16bit_RGB_target.png", whole(40)))
    alike = ["tiff_16bit_RGBa.tiff", "tiff_strip_planar_16bit_RGBa.tiff", "tiff_tiled_planar_16bit_RGBa.tiff"]
    pictures = [pixels_of(folder / name, 40) for name in alike]
    for other in pictures[1:]:
        assert np.abs(other - pictures[0]).max() <= COLOUR_TOLERANCE


def tiff(pixels: np.ndarray, bits: int, photometric: int = 1, signed: bool = False) -> bytes:
    """A grey TIFF written by hand, in one strip."""
    height, width = pixels.shape
    content = pixels.tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height, 279: len(content)}
    tags[339] = 2 if signed else (3 if pixels.dtype.kind == "f" else 1)
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(content))
    return head + content + struct.pack("<H", len(tags)) + entries + bytes(4)


RAMP = np.linspace(0, 1, 16).reshape(4, 4)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(tiff((RAMP * 65535).astype("<u2"), 16), RAMP, id="16 bits"),
        pytest.param(tiff((RAMP * 65535).astype("<u2"), 16, photometric=0), 1 - RAMP, id="16 bits, white is zero"),
        pytest.param(tiff((RAMP * 32767).astype("<i2"), 16, signed=True), RAMP, id="16 bits with a sign"),
        pytest.param(tiff((RAMP * 255).round().astype("<i4"), 32, signed=True), RAMP, id="32 bits up to 255"),
        pytest.param(tiff((RAMP * 65535).astype("<i4"), 32, signed=True), RAMP, id="32 bits up to 65535"),
        pytest.param(tiff(RAMP.astype("<f4"), 32), RAMP, id="floats up to 1"),
        pytest.param(tiff((RAMP * 255).astype("<f4"), 32), RAMP, id="floats up to 255"),
    ],
)
def test_deep_grey_tiffs(content: bytes, expected: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "p.tif").write_bytes(content)
    assert np.abs(pixels_of(tmp_path / "p.tif", 4) - 255 * expected[..., None]).max() <= COLOUR_TOLERANCE
    assert "bits" in notes_of(tmp_path / "p.tif")


def test_floats_that_are_no_numbers(tmp_path: Path) -> None:
    shades = RAMP.astype("<f4")
    shades[0, 1], shades[2, 2] = np.nan, -5
    (tmp_path / "p.tif").write_bytes(tiff(shades, 32))
    found = pixels_of(tmp_path / "p.tif", 4)[..., 0]
    assert found[0, 1] == found[2, 2] == 0
    assert found[3, 3] == 255


def test_palettes_and_transparency_are_laid_on_white(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 10, 20, 30, 40, 50])
    palette.putpixel((2, 1), 2)
    palette.save(tmp_path / "p.png", transparency=2)
    found = pixels_of(tmp_path / "p.png", 4)
    np.testing.assert_array_equal(found[0, 0], [200, 10, 20])
    np.testing.assert_array_equal(found[1, 2], [255, 255, 255])
    assert "transparent" in notes_of(tmp_path / "p.png")
    half = np.zeros((2, 2, 4), np.uint8)
    half[..., 0], half[..., 3] = 200, [[0, 64], [128, 255]]
    Image.fromarray(half).save(tmp_path / "h.webp", lossless=True, exact=True)
    share = half[..., 3:] / 255
    assert np.abs(pixels_of(tmp_path / "h.webp", 2) - (half[..., :3] * share + 255 * (1 - share))).max() <= 1
    Image.new("RGBA", (2, 2), (9, 8, 7, 255)).save(tmp_path / "opaque.png")
    assert notes_of(tmp_path / "opaque.png") == ""


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_the_first_of_several_frames_is_read(kind: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / f"p.{kind}", save_all=True, append_images=frames[1:], lossless=True)
    assert np.abs(pixels_of(tmp_path / f"p.{kind}", 8) - [255, 0, 0]).max() <= 2
    assert "3 frames: the first is read" in notes_of(tmp_path / f"p.{kind}")


def test_the_content_tells_the_format(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "p.jpg", "PNG")
    np.testing.assert_array_equal(pixels_of(tmp_path / "p.jpg", 8)[0, 0], [255, 0, 0])
    assert notes_of(tmp_path / "p.jpg") == "called .jpg, but is PNG"


def claims(width: int, height: int) -> bytes:
    return png(0, 8, np.zeros((1, 1, 1), np.uint8), claim=(width, height))


def half_a_jpeg() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=95)
    return file.getvalue()[: len(file.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "the file is empty", id="zero bytes"),
        pytest.param(b"\xff", "cannot identify", id="one byte"),
        pytest.param(b"\xff\xd8\xff", "cannot identify", id="only magic"),
        pytest.param(b"<html>not found</html>", "cannot identify", id="html"),
        pytest.param(half_a_jpeg(), "truncated", id="half a jpeg"),
        pytest.param(claims(20_000, 20_000), "400000000|20000 x 20000 pixels", id="a bomb"),
        pytest.param(claims(2**31 - 1, 2**31 - 1), "pixels", id="a large bomb"),
        pytest.param(claims(10_000, MOST_PIXELS // 10_000 + 1), "10001 pixels are too many", id="just too many"),
        pytest.param(claims(0, 5), "cannot identify", id="no width"),
        pytest.param(png(2, 8, np.random.default_rng(0).integers(0, 256, (64, 64, 3)))[:-4000], "truncated", id="half a png"),
        pytest.param(np.random.default_rng(0).bytes(4096), "cannot identify", id="noise"),
    ],
)
def test_bad_files_are_named_with_their_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "p.jpg"
    file.write_bytes(content)
    with pytest.raises(BadPictureError, match=reason) as caught, unwarned():
        read_picture(file, whole(8))
    assert str(file) in str(caught.value)
    assert caught.value.reason in str(caught.value)


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


def nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def absent(path: Path) -> None:
    """Nothing is there."""


def closed(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (folder, "a folder, not a picture"),
        (os.mkfifo, "a pipe or a device"),
        (device, "a pipe or a device"),
        (loop, "Too many levels of symbolic links"),
        (nowhere, "there is no such file"),
        (absent, "there is no such file"),
        (closed, "Permission denied"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_file_is_named_and_nothing_hangs(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    make(tmp_path / "x.jpg")
    with pytest.raises(BadPictureError, match=reason):
        read_picture(tmp_path / "x.jpg", whole(8))


def test_a_long_text_in_a_png_is_no_bomb(tmp_path: Path) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("note", "x" * 50_000_000, zip=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "p.png", pnginfo=about)
    assert (tmp_path / "p.png").stat().st_size < 100_000
    shape, error = read_or_refused(tmp_path / "p.png")
    assert shape == (32, 32, 3) or (error is not None and "too large" in error.reason)  # Pillow's limit


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_becomes_colour_and_grey(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (8, 8)).save(tmp_path / "p.tif")
    for channels in (1, 3):
        assert read_picture(tmp_path / "p.tif", whole(8), channels).shape == (8, 8, channels)


def test_lab_is_brought_to_rgb(tmp_path: Path) -> None:
    """sRGB's red is L* 54.29, a* 80.80, b* 69.89 under D50 (Lindbloom); 8 bits keep 2.55 L*, and a* and b* rounded."""
    pixels = np.empty((4, 4, 3), np.uint8)
    pixels[:] = round(54.29 * 2.55), 81, 70
    Image.frombytes("LAB", (4, 4), pixels.tobytes()).save(tmp_path / "p.tif")
    assert np.abs(pixels_of(tmp_path / "p.tif", 4) - [255, 0, 0]).max() <= 5  # a step of a* is as much
    assert "LAB" in notes_of(tmp_path / "p.tif")


def test_large_pictures_within_the_limit_are_read(tmp_path: Path) -> None:
    Image.new("1", (9_000, 9_000), 1).save(tmp_path / "p.png")
    with unwarned():
        assert (read_picture(tmp_path / "p.png", Preprocessing(image=32, resize=32, filter="bilinear")) == 255).all()
    assert TiffImagePlugin.WRITE_LIBTIFF is False  # untouched
