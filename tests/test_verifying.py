"""`netwright data verify` and `info`: what is there is counted, what is wrong is named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netwright.cli import main
from netwright.data import info, open_source, verify
from tests.conftest import make_photos


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    make_photos(root / "train", each=12)
    make_photos(root / "test", each=12, side=30)
    # the same picture in another format and another split; one under two names; one under two classes
    with Image.open(root / "train" / "red" / "03.jpg") as picture:
        picture.save(root / "test" / "red" / "leak.png")
    shutil.copy(root / "train" / "blue" / "00.jpg", root / "train" / "blue" / "copy.jpg")
    shutil.copy(root / "train" / "green" / "00.jpg", root / "train" / "red" / "green.jpg")
    (root / "train" / "green" / "05.jpg").write_bytes(b"")
    for n in range(3, 12):
        (root / "train" / "green" / f"{n:02d}.jpg").unlink() if n != 5 else None
    Image.new("RGB", (9, 9), "navy").save(root / "test" / "blue" / "wrong.jpg", "PNG")
    (root / "test" / "blue" / "notes.txt").write_text("no picture")
    return root


def test_what_is_wrong_is_named(messy: Path) -> None:
    found = verify(open_source(messy))
    assert not found.good
    assert [(bad.name, bad.reason) for bad in found.bad] == [("train/green/05.jpg", "the file is empty")]
    assert [set(names) for names in found.leaks] == [{"train/red/03.jpg", "test/red/leak.png"}]
    assert [set(names) for names in found.conflicts] == [{"train/green/00.jpg", "train/red/green.jpg"}]
    assert {"train/blue/00.jpg", "train/blue/copy.jpg"} in [set(names) for names in found.duplicates]
    assert found.notes == {"test/blue/wrong.jpg": ("called .jpg, but is PNG",)}
    assert found.info.near_empty == ("green",)
    assert found.info.ignored == ("test/blue/notes.txt",)
    text = str(found)
    for said in ("train/green/05.jpg: the file is empty", "test/red/leak.png", "called .jpg, but is PNG", "near-empty"):
        assert said in text
    assert text.count("train/green/05.jpg") == 1


def test_info_counts(messy: Path) -> None:
    found = info(open_source(messy))
    told = found.to_json()
    assert told["pictures"] == {"train": 30, "test": 38}
    assert told["counts"]["train"] == {"blue": 13, "green": 4, "red": 13}
    assert told["sizes_px"]["width"] == {"least": 9, "median": 30, "largest": 30}
    assert told["modes"] == {"JPEG RGB": 65, "PNG RGB": 2}
    assert told["bad"] == [{"name": "train/green/05.jpg", "reason": "the file is empty"}]
    assert json.loads(json.dumps(told)) == told
    assert "train 30, test 38" in str(found)


def test_groups_in_two_splits_are_leaks(photos: Path) -> None:
    lines = ["file,class,split,patient"]
    for i, file in enumerate(sorted(photos.rglob("*.jpg"))):
        lines.append(f"{file.relative_to(photos)},{file.parent.name},{'test' if i % 3 == 0 else 'train'},p{i % 5}")
    (photos / "labels.csv").write_text("\n".join(lines))
    found = verify(open_source(photos, group="patient"))
    assert found.shared_groups == ("p0", "p1", "p2", "p3", "p4")
    assert not found.good
    assert not found.bad
    assert verify(open_source(photos)).good


def test_the_commands(messy: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", str(messy), "--json"]) == 1
    out, errors = capsys.readouterr()
    assert json.loads(out)["good"] is False
    assert errors.strip().endswith("has 1 bad pictures and 1 leaks")
    assert main(["data", "info", str(messy)]) == 0
    assert "near-empty classes: 1" in capsys.readouterr().out
    assert main(["data", "verify", "digits"]) == 0
    assert "every picture can be read" in capsys.readouterr().out
    for words, message in (
        (["data", "verify", "nowhere"], "there is no folder nowhere"),
        (["data", "info", "digits", "--group", "patient"], "has no column 'patient'"),
        (["data", "vrify", "digits"], "vrify"),
    ):
        assert main(words) == 2
        assert message in capsys.readouterr().err


def test_an_array_source(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
    pixels[20] = pixels[3]  # a leak
    arrays = {"x_train": pixels[:18], "y_train": np.arange(18) % 2, "x_test": pixels[18:], "y_test": np.arange(6) % 2}
    np.savez(tmp_path / "d.npz", **arrays)
    found = verify(open_source(tmp_path / "d.npz"))
    assert found.leaks == (("train/3", "test/2"),)
    assert found.info.modes == {"array L": 24}


def test_nasty_pictures_are_all_accounted_for(shared: Path, tmp_path: Path) -> None:
    for part in ("exif", "generated", "pillow"):
        shutil.copytree(shared / "nasty" / part, tmp_path / "d" / part)
    source = open_source(tmp_path / "d")
    found = verify(source)
    assert len(source.splits["all"]) + len(source.ignored) == 217
    said = {name: "; ".join(notes) for name, notes in found.notes.items()}
    for name, word in (
        ("generated/hopper_jpeg_named.png", "called .png, but is JPEG"),
        ("generated/hopper_exif6.jpg", "EXIF orientation 6 applied"),
        ("generated/hopper_anim.gif", "the first is read"),
        ("generated/rgb16_64x48.png", "16 bits"),
        ("generated/hopper_p_transparent.png", "laid on white"),
        ("pillow/pil_sample_cmyk.jpg", "CMYK"),
    ):
        assert word in said[name]
    with (shared / "nasty" / "manifest.csv").open(newline="") as file:
        refused = {row["file"] for row in csv.DictReader(file) if row["pillow_result"] != "ok"}
    refused |= {"generated/bomb_12000x9000_1bit.png"}  # netwright's own limit
    assert {bad.name for bad in found.bad} == refused - set(source.ignored)
