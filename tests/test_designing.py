"""The main job: what it writes, what it must not look at, and that it can be stopped at any time."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import netwright as nw
from netwright.data import Listing, open_source
from netwright.errors import NetwrightError
from netwright.files import Output, write_json
from netwright.graph import trace
from netwright.preprocessing import Preprocessing
from netwright.progress import Progress
from netwright.scaling.budget import Use
from netwright.spaces import Pick, Space, compact_for, regnet_for, sample
from netwright.spaces.sampling import smallest
from netwright.studies import designing
from netwright.studies.asked import Asked, Effort
from netwright.studies.designing import _drawn
from netwright.studies.ground import Ground
from netwright.studies.limits import Limits
from netwright.studies.near import near
from netwright.studies.spending import Clock
from netwright.training import run
from netwright.training.plan import Plan
from netwright.zoo import CifarResNet
from tests.conftest import make_photos

TINY = Effort(trials=3, trial_epochs=1, epochs=2)
QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("data") / "photos", each=20)


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> nw.Run:
    out = tmp_path_factory.mktemp("out") / "run"
    return nw.design(photos, macs="1M", image=24, out=out, effort=Effort(trials=3, trial_epochs=2, epochs=12), progress=QUIET)


def test_everything_is_written_and_agrees(made: nw.Run, photos: Path) -> None:
    folder, result = made.folder, made.result
    assert folder is not None
    assert sorted(p.name for p in folder.iterdir()) == [
        "design.json",
        "model.onnx",
        "model.safetensors",
        "recipe.toml",
        "report.html",
        "result.json",
        "work",
    ]
    assert nw.from_json((folder / "design.json").read_text()) == made.design
    assert result["cost"]["macs"] == trace(made.design, 24).macs <= 1_000_000
    assert result["cost"]["params"] == sum(p.numel() for p in made.model.parameters())
    assert result["accuracy"]["top1"] == nw.evaluate(made, photos).accuracy > 0.9
    assert result["data"]["pictures"] == {"train": 39, "validation": 9, "test": 12}
    assert [len(c["curve"]) for c in result["search"]["candidates"]] == [2, 2, 2]
    assert all(c["macs"] <= 1_000_000 for c in result["search"]["candidates"])
    best = max(result["search"]["candidates"], key=lambda c: (c["validation_accuracy"], -c["macs"]))
    assert best["number"] == result["search"]["winner"]
    assert nw.from_json(json.dumps({"schema": 1} | best["design"])) == made.design


def test_without_a_folder_nothing_is_left(photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = nw.train(nw.network("resnet20_cifar"), photos, image=24, recipe=nw.Recipe(epochs=1), progress=QUIET)
    assert run.folder is None
    assert run.result["accuracy"]["of"] == 12
    assert list(tmp_path.iterdir()) == []


def test_the_onnx_file_gives_the_same_answers_with_any_batch(made: nw.Run, photos: Path) -> None:
    assert made.folder is not None
    session = onnxruntime.InferenceSession(str(made.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["blue", "green", "red"]
    mean, std = np.array(json.loads(about["mean"])), np.array(json.loads(about["std"]))
    for n in (1, 2, 7):
        pictures = [np.asarray(Image.open(p).convert("RGB")) for p in sorted((photos / "red").iterdir())[:n]]
        batch = ((np.stack(pictures) / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
        (logits,) = session.run(None, {"image": batch})
        with torch.no_grad():
            np.testing.assert_allclose(logits, made.model(torch.from_numpy(batch)).numpy(), rtol=1e-3, atol=1e-4)
        assert (logits.argmax(1) == 2).mean() > 0.5


def test_predictions_are_the_models(made: nw.Run, photos: Path) -> None:
    (prediction,) = made.predict(photos / "green" / "00.jpg")
    assert prediction.classes[0][0] == "green"
    assert sum(share for _, share in prediction.classes) == pytest.approx(1)
    assert len(made.predict([photos / "green" / "00.jpg", photos / "red" / "00.jpg"], top=1)) == 2


def test_the_report_needs_nothing_but_itself(made: nw.Run) -> None:
    assert made.folder is not None
    page = (made.folder / "report.html").read_text()
    assert page.count("<svg ") == 8 == page.count('role="img" aria-label')
    for needle in ("<script", "<link", "src=", "@import", "url("):
        assert needle not in page.replace("url(#", "").replace('src="data:', "")
    for candidate in made.result["search"]["candidates"]:
        assert f"{candidate['macs']:,}" in page


def test_the_held_out_pictures_serve_for_nothing_before_the_end(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netwright.data import Source

    reads: list[tuple[str, ...]] = []
    sides: list[int] = []

    def recording(original: Callable[..., object]) -> Callable[..., object]:
        def read(source: Source, listing: Listing, shown: Preprocessing, *rest: object, **options: object) -> object:
            reads.append(listing.names)
            sides.append(shown.image)
            return original(source, listing, shown, *rest, **options)

        return read

    monkeypatch.setattr(Source, "read", recording(Source.read))
    monkeypatch.setattr(run, "store", recording(run.store))
    nw.design(photos, macs="1M", image=24, out=tmp_path / "run", effort=TINY, progress=QUIET)
    check, *before, last = reads
    held_out = set(open_source(photos).split(0, 0.2).test.names)
    assert set(check) == held_out  # decoded to one pixel, to see whether it can be
    assert sides[0] == 1
    assert set(last) == held_out
    assert all(held_out.isdisjoint(names) for names in before)
    assert set(before[-1]) == {n for names in before for n in names}


def test_designs_over_budget_are_never_trained(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netwright.training import train

    built: list[int] = []
    original = train.build

    def counting(design: nw.Design, image: int, **options: Any) -> object:
        built.append(trace(design, image).macs)
        return original(design, image, **options)

    monkeypatch.setattr(train, "build", counting)
    nw.design(photos, macs=700_000, image=24, out=tmp_path / "run", effort=TINY, progress=QUIET)
    assert len(built) == 8  # each to be trained, and once more as it is kept
    assert max(built) <= 700_000


def test_a_second_run_of_a_finished_folder_is_refused_and_changes_nothing(made: nw.Run, photos: Path) -> None:
    assert made.folder is not None
    before = {p: p.stat().st_mtime_ns for p in made.folder.rglob("*") if p.name != "lock"}
    effort = Effort(trials=3, trial_epochs=2, epochs=12)
    with pytest.raises(NetwrightError, match="holds a finished run"):
        nw.design(photos, macs="1M", image=24, out=made.folder, effort=effort, progress=QUIET)
    with pytest.raises(NetwrightError, match="max_macs 1000000, now 2000000"):
        nw.design(photos, macs="2M", image=24, out=made.folder, effort=effort, progress=QUIET)
    assert {p: p.stat().st_mtime_ns for p in made.folder.rglob("*") if p.name != "lock"} == before


def test_changed_pictures_are_noticed(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    with pytest.raises(KeyboardInterrupt):
        nw.design(data, macs="1M", image=24, out=tmp_path / "run", effort=TINY, progress=Interrupted(2))
    (data / "red" / "00.jpg").unlink()
    with pytest.raises(NetwrightError, match=r"made with other arguments \(pictures 36 "):
        nw.design(data, macs="1M", image=24, out=tmp_path / "run", effort=TINY, progress=QUIET)


class Interrupted(Progress):
    """Ctrl-C after so many lines."""

    def __init__(self, lines: int) -> None:
        super().__init__(quiet=True)
        self.left = lines

    def say(self, line: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("lines", [1, 2, 4, 5])
@pytest.mark.slow
def test_going_on_after_ctrl_c_ends_as_if_nothing_had_happened(lines: int, photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"macs": "1M", "image": 24, "effort": TINY}
    whole = nw.design(photos, out=tmp_path / "whole", progress=QUIET, **options)
    with pytest.raises(KeyboardInterrupt):
        nw.design(photos, out=tmp_path / "run", progress=Interrupted(lines), **options)
    with pytest.raises(NetwrightError, match=r"is unfinished: run its command again|there is no such folder"):
        nw.load(tmp_path / "run")
    again = nw.design(photos, out=tmp_path / "run", progress=QUIET, **options)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert timeless(again.result) == timeless(whole.result)


def timeless(value: Any) -> Any:
    """A result without what depends on the clock."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("seconds", "training_seconds", "finished")}
    return [timeless(v) for v in value] if isinstance(value, list) else value


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path: Path) -> None:
    """SIGKILL again and again, at moments drawn at random: the same command ends with the same bytes."""
    words = [sys.executable, "-m", "netwright", "design", "digits", "--max-macs", "300K", "--trials", "2"]
    words += ["--trial-epochs", "1", "--epochs", "2", "-o"]
    started = time.monotonic()
    subprocess.run([*words, str(tmp_path / "whole")], check=True, capture_output=True)
    whole_seconds = time.monotonic() - started
    chance, kills = random.Random(1), 0
    for _ in range(5):
        process = subprocess.Popen([*words, str(tmp_path / "run")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.3, 0.8) * whole_seconds)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 2
    if not (tmp_path / "run" / "result.json").exists():
        subprocess.run([*words, str(tmp_path / "run")], check=True, capture_output=True)
    for name in ("model.safetensors", "design.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert timeless(json.loads((tmp_path / "run" / "result.json").read_text())) == timeless(
        json.loads((tmp_path / "whole" / "result.json").read_text())
    )


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "netwright", "design", "digits", "--max-macs", "300K", "-o", str(tmp_path / "run")]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests in the background of a shell ignore it
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=heard)
    assert process.stderr is not None
    process.stderr.readline()  # it is at work
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("netwright: stopped; run the same command again to go on: netwright design ")
    assert "Traceback" not in errors


# ---------------------------------------------------------------- the space


def test_a_sample_is_the_start_of_a_longer_one() -> None:
    space = regnet_for(64, 10)
    long = sample(space, 40, macs=(10_000_000, 30_000_000), image=64, seed=3)
    short = sample(space, 5, macs=(10_000_000, 30_000_000), image=64, seed=3)
    assert long.designs[:5] == short.designs
    assert len(set(long.designs)) == 40
    assert all(10_000_000 <= trace(design, 64).macs <= 30_000_000 for design in long.designs)
    assert sample(space, 5, macs=(10_000_000, 30_000_000), image=64, seed=4).designs != short.designs


@pytest.mark.parametrize(("image", "channels"), [(8, 1), (28, 1), (64, 3), (224, 3)])
@pytest.mark.slow
def test_no_draw_is_smaller_than_the_smallest(image: int, channels: int) -> None:
    space = regnet_for(image, 10)
    found = smallest(space, image, channels)
    assert found is not None
    least, graph = found
    drawn = sample(space, 500, macs=(0, 10**12), image=image, channels=channels, seed=1)
    corner = space.replace(depth=(space.depth[0], space.depth[0] + 1), w_0=(8, 8), w_a=(8, 24), stem=(16,))
    narrow = sample(corner, 400, macs=(0, 10**12), image=image, channels=channels, seed=2, most_draws=4000)
    assert min(trace(design, image, channels).macs for design in drawn.designs + narrow.designs) >= graph.macs
    assert len(near(within(space, graph.macs, image, channels), 3).designs) >= 1
    with pytest.raises(NetwrightError, match=f"the smallest has {graph.macs:,} macs"):
        near(within(space, graph.macs - 1, image, channels), 3)
    assert trace(least, image, channels).totals == graph.totals


@pytest.mark.parametrize("image", [8, 28, 32, 64, 96, 224])
def test_the_space_by_itself_suits_the_pictures(image: int) -> None:
    """The last maps of residual networks have 2 to 14 px; every draw is a design of the asked classes; both families occur."""
    space = compact_for(image, 7)
    designs = [design for i in range(300) if (design := space(Pick(random.Random(i)))) is not None]
    residual = [design for design in designs if isinstance(design, CifarResNet)]
    assert 50 < len(residual) < 250
    assert {trace(design, image).flat().rows[-1].shape[0] for design in designs} == {7}
    sides = {math.ceil(image / (design.stem_stride * 2 ** (len(design.depths) - 1))) for design in residual}
    assert min(sides) >= 2
    assert max(sides) <= 14


def test_no_compact_draw_is_smaller_than_the_smallest() -> None:
    space = compact_for(28, 10)
    found = smallest(space, 28, 1)
    assert found is not None
    least, graph = found
    drawn = sample(space, 150, macs=(0, 10**12), image=28, channels=1, seed=1)
    assert min(trace(design, 28, 1).macs for design in drawn.designs) >= graph.macs
    with pytest.raises(NetwrightError, match=f"the smallest has {graph.macs:,} macs"):
        near(within(space, graph.macs - 1, 28, 1), 3)
    assert near(within(space, graph.macs, 28, 1), 1).designs[0] == least


def within(space: Space, macs: int, image: int, channels: int) -> Ground:
    return Ground(space, Limits.of(macs=(None, macs), use=Use(channels)), image, channels, 0)


def test_drawing_keeps_to_its_share_of_the_minutes_and_is_repeated_as_it_was(photos: Path, tmp_path: Path) -> None:
    """A budget that few designs meet, and a clock on which a look takes a twentieth of a second."""
    looks = iter(range(10**9))
    limits = Limits.of(macs=(None, "300K"), use=Use(3))
    ground = Ground(regnet_for(32, 3), limits, 32, 3, 0)
    plan = Plan.of(open_source(str(photos), None), 32, 0, 0.2)
    clock = Clock(1.0, 0.0, lambda: next(looks) / 20)
    asked = Asked(plan, limits, Effort(), clock, Output(tmp_path / "run"), QUIET)
    drawn = _drawn(asked, ground)
    assert 100 <= drawn.draws <= 130  # 6 s of the 60
    assert drawn.designs
    write_json(asked.output.work / "search.json", {"planned": {}, "end": 0.0, "draws": drawn.draws})
    assert clock.spent > 6
    assert _drawn(asked, ground) == drawn
    assert near(ground, 16).draws > drawn.draws  # without minutes it looks on


def test_a_space_whose_file_changed_is_another_one(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a kill and the same command: the candidates would be others."""
    file, out = tmp_path / "mine.py", tmp_path / "run"
    file.write_text("from netwright.spaces import regnet_for\n\n\ndef mine(pick):\n    return regnet_for(24, 3)(pick)\n")
    how = {"macs": "1M", "image": 24, "out": out, "effort": TINY, "space": f"{file}:mine", "progress": QUIET}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(designing, "_finish", killed)
        with pytest.raises(KeyboardInterrupt):
            nw.design(photos, **how)
    before = sorted((out / "work" / "candidates").iterdir())
    assert len(before) == 3
    text = file.read_text()
    file.write_text(text.replace("24, 3", "20, 3"))
    with pytest.raises(NetwrightError, match=r"made with other arguments .*space_file [0-9a-f]{16}, now [0-9a-f]{16}") as caught:
        nw.design(photos, **how)
    assert "\n" not in str(caught.value)
    file.write_text(text)
    assert nw.design(photos, **how).folder == out


# ---------------------------------------------------------------- real pictures


@pytest.mark.slow
def test_imagenette_end_to_end(imagenette: Path, tmp_path: Path) -> None:
    """Real photographs, a small effort: far better than guessing, and evaluated on val."""
    effort = Effort(trials=2, trial_epochs=1, epochs=5)
    run = nw.design(imagenette, macs="8M", image=48, out=tmp_path / "run", effort=effort, progress=QUIET)
    result = run.result
    assert result["accuracy"]["of"] == 400
    assert result["accuracy"]["top1"] > 0.2
    assert result["data"]["pictures"] == {"train": 1600, "validation": 400, "test": 400}
