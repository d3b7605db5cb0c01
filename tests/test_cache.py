"""The cache of decoded pictures: whatever happens to it, the pictures that come out are those of the files."""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netwright.data import BadPictureError, default_cache, open_source, store
from netwright.data.stored import OnDemand, Stored
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing, whole
from tests.conftest import make_photos

SHOWN = whole(20)


def decoded(folder: Path, shown: Preprocessing = SHOWN) -> np.ndarray:
    source = open_source(folder)
    return np.asarray(source.read(source.splits["all"], shown, None).pixels)


def stored(folder: Path, cache: Path, shown: Preprocessing = SHOWN) -> np.ndarray:
    source = open_source(folder)
    return np.asarray(store(source, source.splits["all"], shown, cache=cache).pixels)


def packs(cache: Path) -> list[Path]:
    return sorted(file.parent for file in cache.glob("*/pixels"))


def test_stored_pictures_are_the_decoded_ones(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos)
    read = source.read(source.splits["all"], SHOWN, None)
    for _ in range(2):
        kept = store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache")
        assert isinstance(kept.pixels, Stored)
        assert kept.pixels.shape == read.pixels.shape == (36, 20, 20, 3)
        assert len(kept.pixels) == len(kept) == 36
        assert (kept.names, kept.bad) == (read.names, ())
        np.testing.assert_array_equal(kept.labels, read.labels)
        for which in (slice(None), slice(3, 9), slice(30, 2, -3), np.array([5, 0, 5, 35]), np.array([], int), -1, 7):
            np.testing.assert_array_equal(kept.pixels[which], np.asarray(read.pixels)[which])
    assert len(packs(tmp_path / "cache")) == 1


def test_parts_and_folds_share_one_pack_and_nothing_is_decoded_twice(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos)
    asked: list[str] = []
    picture = source.contents.picture

    def counted(name: str, shown: Preprocessing) -> np.ndarray:
        asked.append(name)
        return picture(name, shown)

    source.contents.picture = counted  # type: ignore[method-assign]
    for fold in (1, 2, 3):
        data = source.split(seed=0, fold=(fold, 3))
        for part in (data.train, data.test):
            kept = store(source, part, SHOWN, cache=tmp_path / "cache")
            np.testing.assert_array_equal(np.asarray(kept.pixels), np.asarray(source_read(photos, part.names)))
    assert sorted(asked) == sorted(source.splits["all"].names)
    assert len(packs(tmp_path / "cache")) == 1


def source_read(folder: Path, names: tuple[str, ...]) -> np.ndarray:
    source = open_source(folder)
    return np.stack([source.picture(name, SHOWN) for name in names])


def test_other_sizes_and_filters_have_packs_of_their_own(photos: Path, tmp_path: Path) -> None:
    for shown in (SHOWN, whole(24), Preprocessing(image=20, resize=24), SHOWN.replace(filter="bilinear")):
        np.testing.assert_array_equal(stored(photos, tmp_path / "cache", shown), decoded(photos, shown))
    assert len(packs(tmp_path / "cache")) == 4
    stored(photos, tmp_path / "cache", SHOWN.replace(mean=(0.5, 0.5, 0.5)))  # normalization is not in it
    assert len(packs(tmp_path / "cache")) == 4


def repaint(file: Path, colour: str, size: int) -> None:
    """Another picture in as many bytes, and of the same time."""
    before = file.stat()
    Image.new("RGB", (24, 24), colour).save(file, quality=92)
    with file.open("ab") as more:
        more.write(bytes(size - file.stat().st_size))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("wait", [0.0, 2.2], ids=["at once", "once the digests are remembered"])
def test_a_changed_file_of_the_same_size_and_time_is_seen(photos: Path, tmp_path: Path, wait: float) -> None:
    file = photos / "red" / "03.jpg"
    time.sleep(wait)  # digests of files that were just written are not trusted
    before = stored(photos, tmp_path / "cache")
    repaint(file, "yellow", file.stat().st_size)
    after = stored(photos, tmp_path / "cache")
    assert (after != before).any((1, 2, 3)).nonzero()[0].tolist() == [27]
    np.testing.assert_array_equal(after, decoded(photos))
    assert len(packs(tmp_path / "cache")) == 1  # the old one is gone


def test_what_has_not_changed_is_taken_over(photos: Path, tmp_path: Path) -> None:
    stored(photos, tmp_path / "cache")
    shutil.copy(photos / "red" / "01.jpg", photos / "red" / "99.jpg")
    Image.new("RGB", (30, 30), "white").save(photos / "blue" / "00.jpg")
    source = open_source(photos)
    asked: list[str] = []
    picture = source.contents.picture
    source.contents.picture = lambda name, shown: (asked.append(name), picture(name, shown))[1]  # type: ignore[method-assign]
    kept = store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache")
    assert asked == ["blue/00.jpg"]
    np.testing.assert_array_equal(np.asarray(kept.pixels), decoded(photos))


def test_a_file_that_changes_while_it_is_read_is_said(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos)
    picture = source.contents.picture

    def changing(name: str, shown: Preprocessing) -> np.ndarray:
        if name == "green/05.jpg":
            Image.new("RGB", (24, 24)).save(photos / name)
        return picture(name, shown)

    source.contents.picture = changing  # type: ignore[method-assign]
    with pytest.raises(NetwrightError, match=r"green/05\.jpg was changed while the pictures were read: start again"):
        store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache")
    np.testing.assert_array_equal(stored(photos, tmp_path / "cache"), decoded(photos))


FAULTS = ["flip", "zeros", "cut pixels", "cut sums", "empty", "no sums", "noise in sums", "longer", "no notes", "bad digests"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_cache_gives_the_right_pictures(photos: Path, tmp_path: Path, fault: str) -> None:
    cache = tmp_path / "cache"
    stored(photos, cache)
    pack = packs(cache)[0]
    pixels, sums = bytearray((pack / "pixels").read_bytes()), (pack / "sums").read_bytes()
    if fault == "flip":
        for place in (0, 12345, len(pixels) - 1):
            pixels[place] ^= 4
    elif fault == "zeros":
        pixels[5000:9000] = bytes(4000)
    about = {
        "flip": ("pixels", bytes(pixels)),
        "zeros": ("pixels", bytes(pixels)),
        "cut pixels": ("pixels", bytes(pixels[: len(pixels) // 3])),
        "cut sums": ("sums", sums[:17]),
        "empty": ("pixels", b""),
        "no sums": ("sums", None),
        "noise in sums": ("sums", np.random.default_rng(0).bytes(len(sums))),
        "longer": ("pixels", bytes(pixels) + b"more"),
        "no notes": ("about.json", b"{"),
        "bad digests": ("../digests", None),
    }
    name, content = about[fault]
    if fault == "bad digests":
        for file in (cache / "digests").iterdir():
            file.write_bytes(file.read_bytes()[:100])
    elif content is None:
        (pack / name).unlink()
    else:
        (pack / name).write_bytes(content)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(stored(photos, cache), decoded(photos))
    damaged = [str(one.message) for one in said if "damaged" in str(one.message)]
    assert bool(damaged) == (fault in ("flip", "zeros", "cut pixels", "empty", "noise in sums"))
    with warnings.catch_warnings():  # mended for good
        warnings.simplefilter("error")
        np.testing.assert_array_equal(stored(photos, cache), decoded(photos))


def test_a_bit_that_flips_while_it_is_mapped_is_seen_at_first_use(photos: Path, tmp_path: Path) -> None:
    stored(photos, tmp_path / "cache")
    source = open_source(photos)
    kept = store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache")
    with (packs(tmp_path / "cache")[0] / "pixels").open("r+b") as file:
        file.seek(4 * 1200 + 7)
        byte = file.read(1)[0]
        file.seek(4 * 1200 + 7)
        file.write(bytes([byte ^ 16]))
    with pytest.warns(UserWarning, match="1 damaged pictures are decoded again"):
        np.testing.assert_array_equal(kept.pixels[np.array([4])], decoded(photos)[[4]])
    np.testing.assert_array_equal(np.asarray(kept.pixels), decoded(photos))


BUILD = """
import hashlib, resource, sys
from pathlib import Path
from netwright.data import open_source, store
from netwright.preprocessing import whole
import numpy as np
folder, cache, limit, side = sys.argv[1:]
source = open_source(folder)
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
print("begins", flush=True)
kept = store(source, source.splits["all"], whole(int(side)), cache=Path(cache))
print(type(kept.pixels).__name__, flush=True)
pixels = np.asarray(kept.pixels)
print(hashlib.sha256(pixels.tobytes()).hexdigest(), flush=True)
"""


def building(folder: Path, cache: Path, limit: int = 0, side: int = 160) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", textwrap.dedent(BUILD), str(folder), str(cache), str(limit), str(side)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Pictures whose decoding takes about a second, and the digest of all of them."""
    folder = make_photos(tmp_path_factory.mktemp("many") / "photos", each=60, side=300)
    return folder, digest(decoded(folder, whole(160)))


def test_killed_at_random_moments_the_next_one_ends_right(many: tuple[Path, str], tmp_path: Path) -> None:
    folder, expected = many
    cache, chance = tmp_path / "cache", random.Random(0)
    filled = []
    for _ in range(5):
        process = building(folder, cache)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.02, 0.35))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        filled.append(sum(int((np.fromfile(pack / "sums", np.uint64) > 0).sum()) for pack in packs(cache)))
    assert filled == sorted(filled)  # what was done is not lost
    out, errors = building(folder, cache).communicate(timeout=60)
    assert out.split() == ["begins", "Stored", expected], errors
    assert not errors  # nothing was found damaged
    assert len(packs(cache)) == 1


def test_leftovers_of_a_kill_are_removed(photos: Path, tmp_path: Path) -> None:
    stored(photos, tmp_path / "cache")
    for name, age in (("digests/.a.npz.x.part", 7200), ("digests/.b.npz.x.part", 10)):
        (tmp_path / "cache" / name).write_bytes(b"half")
        os.utime(tmp_path / "cache" / name, (time.time() - age,) * 2)
    stored(photos, tmp_path / "cache", whole(24))
    assert [file.name for file in (tmp_path / "cache" / "digests").glob(".*")] == [".b.npz.x.part"]  # may be in use


def test_builders_at_the_same_time_end_with_the_same_pictures(many: tuple[Path, str], tmp_path: Path) -> None:
    folder, expected = many
    for process in [building(folder, tmp_path / "cache") for _ in range(3)]:
        out, errors = process.communicate(timeout=120)
        assert out.split() == ["begins", "Stored", expected], errors
        assert not errors
    assert len(packs(tmp_path / "cache")) == 1


@pytest.mark.parametrize("limit", [1, 5_000, 1_000_000])
def test_on_a_full_disk_pictures_are_decoded_without_the_cache(many: tuple[Path, str], tmp_path: Path, limit: int) -> None:
    folder, expected = many
    out, errors = building(folder, tmp_path / "cache", limit).communicate(timeout=60)
    assert out.split() == ["begins", "ndarray", expected], errors
    assert errors.count("Warning:") == 1
    assert "cannot be used (File too large): pictures are decoded without it" in errors
    assert packs(tmp_path / "cache") == []  # nothing half made takes the room that is left


def test_a_disk_without_room_is_known_before(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type(usage)(usage.total, usage.total - 20_000, 20_000))
    source = open_source(photos)
    with pytest.warns(UserWarning, match="too little room on the disk"):
        kept = store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache")
    assert isinstance(kept.pixels, np.ndarray)
    assert packs(tmp_path / "cache") == []


def test_a_tiny_disk_that_fills_up(many: tuple[Path, str], tmp_path: Path) -> None:
    """A real one, where it may be mounted: sparse files promise more than there is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        out, errors = building(many[0], disk / "cache").communicate(timeout=60)
        assert out.split() == ["begins", "ndarray", many[1]], errors
        assert errors.count("Warning:") == 1
        assert packs(disk / "cache") == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("make", ["file", "below a file"])
def test_a_cache_that_cannot_be_is_said_once(photos: Path, tmp_path: Path, make: str) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = tmp_path / "file" if make == "file" else tmp_path / "file" / "cache"
    source = open_source(photos)
    with pytest.warns(UserWarning, match="cannot be used") as said:
        kept = store(source, source.splits["all"], SHOWN, cache=cache)
    assert len(said) == 1
    np.testing.assert_array_equal(kept.pixels, decoded(photos))


def test_bad_pictures_are_named_or_left_out(photos: Path, tmp_path: Path) -> None:
    (photos / "green" / "03.jpg").write_bytes(b"")
    content = (photos / "red" / "05.jpg").read_bytes()
    (photos / "red" / "05.jpg").write_bytes(content[: len(content) // 2])
    source = open_source(photos)
    everything = source.splits["all"]
    left = [i for i, name in enumerate(everything.names) if name not in ("green/03.jpg", "red/05.jpg")]
    expected = np.stack([source.picture(everything.names[i], SHOWN) for i in left])
    for cache in (tmp_path / "cache", tmp_path / "cache", None):
        with pytest.raises(BadPictureError, match=r"green/03\.jpg is not .*\(the file is empty\), and 1 more such files: mend"):
            store(source, everything, SHOWN, cache=cache)
        kept = store(source, everything, SHOWN, cache=cache, skip_bad=True)
        assert [bad.name for bad in kept.bad] == ["green/03.jpg", "red/05.jpg"]
        assert kept.bad[0].reason == "the file is empty"
        assert "truncated" in kept.bad[1].reason.lower()
        assert kept.names == tuple(everything.names[i] for i in left)
        np.testing.assert_array_equal(kept.labels, everything.labels[left])
        np.testing.assert_array_equal(np.asarray(kept.pixels), expected)
        np.testing.assert_array_equal(kept.pixels[np.array([13, 33, 2])], expected[[13, 33, 2]])
    shutil.copy(photos / "green" / "04.jpg", photos / "green" / "03.jpg")  # mended: it is back
    again = store(source, everything, SHOWN, cache=tmp_path / "cache", skip_bad=True)
    assert [bad.name for bad in again.bad] == ["red/05.jpg"]


def test_nothing_but_bad_pictures_is_an_error(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_bytes(b"no picture")
    source = open_source(tmp_path / "p")
    with pytest.raises(NetwrightError, match=r"none of 4 pictures can be read; the first: .*a/1\.png"):
        store(source, source.splits["all"], SHOWN, skip_bad=True)


def test_more_than_memory_is_decoded_on_demand(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "blue" / "02.jpg").write_bytes(b"no picture")
    source = open_source(photos)
    expected = store(source, source.splits["all"], SHOWN, cache=None, skip_bad=True)
    monkeypatch.setattr(importlib.import_module("netwright.data.store"), "memory", lambda: 50_000)
    kept = store(source, source.splits["all"], SHOWN, cache=None, skip_bad=True, workers=2)
    assert isinstance(kept.pixels, OnDemand)
    assert kept.pixels.shape == expected.pixels.shape == (35, 20, 20, 3)
    assert kept.bad == expected.bad
    for which in (slice(None), slice(1, 30, 7), np.array([4, 4, 0, 34]), -2):
        np.testing.assert_array_equal(kept.pixels[which], expected.pixels[which])
    (photos / "red" / "00.jpg").unlink()
    with pytest.raises(BadPictureError, match=r"red/00\.jpg: there is no such file"):
        kept.pixels[20:30]


def test_pictures_that_need_no_decoding_are_not_cached(tmp_path: Path) -> None:
    source = open_source("digits")
    kept = store(source, source.splits["all"], whole(8), cache=tmp_path / "cache")
    assert isinstance(kept.pixels, np.ndarray)
    larger = store(source, source.splits["all"], whole(12), cache=tmp_path / "cache")
    np.testing.assert_array_equal(larger.pixels, source.read(source.splits["all"], whole(12), None).pixels)
    assert not (tmp_path / "cache").exists()


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"
    source = open_source(photos)
    store(source, source.splits["all"], SHOWN)
    assert len(packs(tmp_path / "own")) == 1
    monkeypatch.delenv("NETWRIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "netwright" / "pictures"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "netwright" / "pictures"


def test_an_unchanged_folder_is_not_read_again(photos: Path, tmp_path: Path) -> None:
    time.sleep(2.1)  # just written files are read twice: their times may not tell
    stored(photos, tmp_path / "cache")
    source = open_source(photos)
    source.contents.content = lambda name: pytest.fail(f"{name} was read")  # type: ignore[method-assign]
    source.contents.picture = lambda name, shown: pytest.fail(f"{name} was decoded")  # type: ignore[method-assign]
    told: list[int] = []
    store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache", step=lambda done, total: told.append(done))
    assert told == []


def test_progress_goes_to_its_end_once(photos: Path, tmp_path: Path) -> None:
    source = open_source(photos)
    told: list[tuple[int, int]] = []
    store(source, source.splits["all"], SHOWN, cache=tmp_path / "cache", step=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, 73))  # each file is read for its digest, then decoded
    assert {total for _, total in told} == {72}
