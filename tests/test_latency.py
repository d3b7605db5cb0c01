"""Predicted latency: laws of made-up machines are recovered, files are checked, other machines are not mixed up."""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright as nw
from netwright.cli import main
from netwright.costing.ceilings import ceilings
from netwright.costing.kept import VARIABLE
from netwright.costing.latency import (
    ChainSample,
    Machine,
    Profile,
    Sample,
    absorbed,
    find_profile,
    predict,
    works_of,
)
from netwright.costing.latency_fit import Fitted, nonnegative
from netwright.costing.profiles import bring, from_json, load, save, this_machine, to_json
from netwright.costing.workload import Work, work_of
from netwright.errors import NetwrightError
from netwright.graph import layers as L
from netwright.graph import trace
from netwright.inference.deploy import deploy
from netwright.inference.export import export_onnx
from netwright.measuring.calibrate import _call, _measured, _Pool, calibrate
from netwright.measuring.chains import chains
from netwright.measuring.onnx_probes import script
from netwright.measuring.probes import Padding, Probe, probes

Capture = pytest.CaptureFixture[str]
OTHER = Machine("Made-up 9000", 64, "Plan9 vax")


class Law:
    """A machine that keeps exactly to a roofline: a call's overhead, and what takes longer, computing or moving bytes."""

    def __init__(self, overhead: float = 2e-5, macs: float = 5e10, moved: float = 1e10) -> None:
        self.overhead, self.macs, self.moved = overhead, macs, moved

    def __call__(self, work: Work) -> float:
        return self.overhead + max(work.macs / self.macs, 4 * (work.read + work.written + work.weights) / self.moved)

    def profile(self, **changes: Any) -> Profile:
        samples = tuple(Sample(probe.work, self(probe.work)) for probe in probes())
        plain = Profile("fake", this_machine(), "eager", "cpu", "fp32", 2, "2026-01-31", (("torch", "2"),), samples)
        return replace(plain, **changes)


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for profiles."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "profiles"))
    return tmp_path / "profiles"


# ---------------------------------------------------------------- the model


@settings(max_examples=8, deadline=None)
@given(
    overhead=st.floats(1e-6, 2e-4),
    macs=st.floats(1e9, 1e13),
    moved=st.floats(1e9, 1e12),
    seed=st.integers(1, 1000),
)
def test_the_law_of_a_machine_is_recovered_on_layers_that_were_not_measured(
    overhead: float, macs: float, moved: float, seed: int
) -> None:
    law = Law(overhead, macs, moved)
    fitted = Fitted.to(law.profile().samples)
    unseen = [probe.work for probe in probes(seed)]
    errors = sorted(abs(s / law(w) - 1) for s, w in zip(fitted.seconds(unseen), unseen, strict=True))
    assert statistics.median(errors) < 0.03
    assert errors[int(0.9 * len(errors))] < 0.2
    total = sum(map(law, unseen))
    assert abs(sum(fitted.seconds(unseen)) / total - 1) < 0.1


@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenetv2_100", "efficientnet_b0", "googlenet", "regnety_016", "vgg16_bn", "alexnet"]
)
@pytest.mark.parametrize(("image", "batch"), [(224, 1), (224, 8), (160, 3), (320, 2)])
def test_networks_on_a_machine_of_a_known_law(name: str, image: int, batch: int) -> None:
    law = Law()
    rows = trace(nw.network(name), image).flat().rows
    expected = sum(law(work) for several in works_of(rows, batch) for work in several)
    assert sum(predict(rows, law.profile(), batch)) == pytest.approx(1e3 * expected, rel=0.12)


def test_far_beyond_what_was_measured_the_law_goes_on() -> None:
    """A convolution of 1,000 times the largest probe's macs."""
    law = Law()
    layer = L.Conv(4096, 4096, (3, 3), (1, 1), (1, 1))
    (work,) = work_of(layer, [(4096, 64, 64)], (4096, 64, 64), 1)
    assert Fitted.to(law.profile().samples).seconds([work])[0] == pytest.approx(law(work), rel=0.25)


def test_chains_tell_what_is_between_the_layers() -> None:
    law, share, between = Law(), 0.9, 4e-5
    beside = tuple(ChainSample(chain.works, sum(share * law(work) + between for work in chain.works)) for chain in chains())
    fitted = Fitted.to(law.profile().samples, beside)
    assert fitted.share == pytest.approx(share, abs=0.05)
    assert fitted.between == pytest.approx(between, rel=0.1)


@pytest.mark.parametrize("name", nw.networks())
def test_predictions_are_positive_and_grow_with_the_batch(name: str) -> None:
    rows, profile = trace(nw.network(name)).flat().rows, Law().profile()
    totals = []
    for batch in (1, 2, 8, 64):
        times = predict(rows, profile, batch)
        assert len(times) == len(rows)
        assert all(math.isfinite(ms) and ms >= 0 for ms in times)
        for row, ms in zip(rows, times, strict=True):
            free = isinstance(row.layer, (L.Input, L.Flatten, L.Dropout))
            assert (ms == 0) == free, row.name
        totals.append(math.fsum(times))
    assert totals == sorted(totals)
    assert totals[-1] > totals[0]


def test_every_kind_of_layer_in_the_zoo_is_measured() -> None:
    known = {probe.work.kind for probe in probes()}
    for name in nw.networks():
        rows = trace(nw.network(name)).flat().rows
        assert {work.kind for several in works_of(rows, 1) for work in several} <= known, name


def test_a_kind_that_was_not_measured_is_taken_for_moving_values() -> None:
    law = Law()
    profile = law.profile()
    less = replace(profile, samples=tuple(s for s in profile.samples if not s.work.kind.startswith("silu")))
    rows = trace(nw.network("efficientnet_b0")).flat().rows
    assert sum(predict(rows, less)) == pytest.approx(sum(predict(rows, profile)), rel=0.1)


def test_probes_are_repeatable_and_differ_by_seed() -> None:
    assert probes() == probes()
    assert probes(1) != probes(0)
    assert chains() == chains()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(6, 30))
def test_nonnegative_least_squares_as_scipy(seed: int, columns: int, rows: int) -> None:
    scipy = pytest.importorskip("scipy.optimize")
    source = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=source, dtype=torch.float64).numpy()
    target = torch.randn(rows, generator=source, dtype=torch.float64).numpy()
    _, residual = scipy.nnls(matrix, target)
    found = nonnegative(matrix, target)
    assert (found >= 0).all()
    assert float(((matrix @ found - target) ** 2).sum()) == pytest.approx(residual**2, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "8"])
def test_a_batch_that_cannot_be(batch: Any) -> None:
    with pytest.raises(NetwrightError, match="expected a whole number of at least 1"):
        predict(trace(nw.network("resnet18")).flat().rows, Law().profile(), batch)


# ---------------------------------------------------------------- measuring


def small(kinds: set[str]) -> list[Probe]:
    """One small probe of each kind."""
    found: dict[str, Probe] = {}
    for probe in probes():
        work = probe.work
        if work.kind in kinds and work.kind not in found and work.macs < 1e7 and work.written < 1e6:
            found[work.kind] = probe
    return list(found.values())


def test_every_kind_can_be_measured() -> None:
    kinds = {probe.work.kind for probe in probes()}
    chosen = small(kinds)
    assert {probe.work.kind for probe in chosen} == kinds
    steps: list[tuple[int, int]] = []
    samples, beside = _measured(chosen, chains()[:2], 0.1, torch.device("cpu"), lambda done, of, _: steps.append((done, of)))
    assert [sample.work for sample in samples] == [probe.work for probe in chosen]
    assert all(0 < sample.seconds < 10 for sample in (*samples, *beside))
    assert steps[-1] == (1000, 1000)


def test_a_probe_has_the_shape_that_torch_gives() -> None:
    pool = _Pool(torch.device("cpu"))
    with torch.inference_mode():
        for probe in small({probe.work.kind for probe in probes()}):
            if isinstance(probe.layer, Padding):
                continue
            made = _call(probe, pool)(*[torch.full((probe.batch, *shape), 0.5) for shape in probe.inputs])
            assert made.shape == (probe.batch, *probe.out), probe  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"threads": True}, "threads is True"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"runtime": "onnx"}, "unknown runtime 'onnx'"),
        ({"device": "tpu"}, "unknown device 'tpu'|cannot compute on"),
        ({"device": "cuda", "runtime": "onnxruntime"}, "no GPU|on the CPU only"),
    ],
)
def test_calibrations_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(NetwrightError, match=message):
        calibrate(**wrong)


# ---------------------------------------------------------------- files


def test_a_profile_survives_its_file(tmp_path: Path) -> None:
    profile = Law().profile(chains=(ChainSample((probes()[0].work,), 0.5),), brought=True)
    assert load(save(profile, tmp_path / "p.json")) == profile
    table = ceilings(profile)
    assert all(kind in table for kind in profile.kinds)


def damaged(change: Any) -> Any:
    value = json.loads(json.dumps(to_json(Law().profile())))
    change(value)
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(schema=99), r"has schema 99, this netwright reads up to 1: update netwright"),
        (lambda v: v.update(schema=None), "has schema None"),
        (lambda v: v.update(kind="recipe"), "is no profile of a machine"),
        (lambda v: v.pop("threads"), "it has no threads"),
        (lambda v: v.update(threads=0), "threads is 0"),
        (lambda v: v.update(name=7), "name is 7"),
        (lambda v: v.update(runtime="abacus"), "its runtime is 'abacus'"),
        (lambda v: v.update(machine=[1]), "damaged"),
        (lambda v: v.update(samples=[]), "no samples of kind conv"),
        (lambda v: v.update(samples=7), "damaged"),
        (lambda v: v["samples"][0].pop("traits"), "it has no traits"),
        (lambda v: v["samples"][0].update(seconds=-1), "took -1 seconds"),
        (lambda v: v["samples"][0].update(seconds=float("nan")), "took nan seconds"),
        (lambda v: v["samples"][0].update(macs="many"), "number that cannot be"),
        (lambda v: v["samples"][0].update(traits=[1.0] * 33), "differ in their traits"),
        (lambda v: v.update(versions=None), "damaged"),
        (lambda v: v.update(chains=[{"works": 3, "seconds": 1.0}]), "damaged"),
    ],
)  # fmt: skip
def test_damaged_profiles_are_refused_in_one_line(change: Any, message: str, tmp_path: Path, capsys: Capture) -> None:
    value = damaged(change)
    with pytest.raises(NetwrightError, match=message):
        from_json(value, "p.json")
    path = tmp_path / "p.json"
    path.write_text(json.dumps(value))
    assert main(["calibrate", "--import", str(path)]) == 2
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert err.count("\n") == 1


def test_a_truncated_file_and_one_that_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    path = save(Law().profile(), tmp_path / "p.json")
    path.write_text(path.read_text()[:-500])
    for word, message in (
        (str(path), "is not JSON"),
        (str(tmp_path / "none.json"), "cannot read"),
        (str(tmp_path), "cannot read"),
    ):
        assert main(["calibrate", "--import", word]) == 2
        assert message in capsys.readouterr().err


# ---------------------------------------------------------------- which profile


def test_without_a_calibration_there_is_no_profile() -> None:
    assert find_profile() is None


def test_the_newest_profile_of_this_machine_is_found(shelf: Path) -> None:
    for age, name in ((3, "old"), (1, "new"), (2, "middle")):
        os.utime(save(Law().profile(name=name)), (1e9 - age, 1e9 - age))
    os.utime(save(Law().profile(name="onnx", runtime="onnxruntime")), (2e9, 2e9))
    os.utime(save(Law().profile(name="elsewhere", machine=OTHER)), (2e9, 2e9))
    os.utime(save(Law().profile(name="phone", brought=True)), (2e9, 2e9))
    (shelf / "broken.json").write_text("{")
    found = find_profile()
    assert found is not None
    assert found.name == "new"


def test_the_newest_profile_is_found_for_a_device_and_a_number_of_threads(shelf: Path) -> None:
    made = Law().profile()
    for i, changes in enumerate(({"threads": 2}, {"device": "cuda", "threads": 8}, {"threads": 1})):
        name = f"profile{i}"
        os.utime(save(replace(made, name=name, **changes)), (i, i))  # type: ignore[arg-type]
    for wanted, name in (({}, "profile2"), ({"threads": 2}, "profile0"), ({"device": "cuda"}, "profile1")):
        found = find_profile(**wanted)  # type: ignore[arg-type]
        assert found is not None
        assert found.name == name
    assert find_profile(threads=3) is None


def test_once_calibrated_cost_predicts_by_itself_and_says_from_which_profile(capsys: Capture) -> None:
    assert main(["cost", "resnet18", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["milliseconds"] is None
    made = Law().profile()
    save(made)
    expected = sum(predict(trace(nw.network("resnet18")).flat().rows, made, 4))
    for command in ("cost", "compare"):
        assert main([command, "resnet18", "--batch", "4", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        told = told["networks"][0] if command == "compare" else told
        assert told["milliseconds"] == pytest.approx(expected)
        assert told["profile"] == str(made)
        assert main([command, "resnet18", "--csv"]) == 0
        assert str(made) in capsys.readouterr().out
        for words in (["--profile", "none"], ["--precision", "bf16"]):  # the profile is one of fp32
            assert main([command, "resnet18", *words, "--json"]) == 0
            told = json.loads(capsys.readouterr().out)
            assert (told["networks"][0] if command == "compare" else told)["milliseconds"] is None
        assert main([command, "resnet18", "--precision", "bf16", "--profile", "fake"]) == 2
        assert "measured in fp32" in capsys.readouterr().err


def test_a_profile_may_be_named_by_its_path(tmp_path: Path) -> None:
    path = save(Law().profile(), tmp_path / "mine.json")
    assert (
        nw.cost(nw.network("resnet18"), profile=path).milliseconds
        == nw.cost(nw.network("resnet18"), profile=str(path)).milliseconds
    )


def test_a_path_that_cannot_be_written_is_told_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("netwright.measuring.calibrate.calibrate", lambda **_: pytest.fail("it measured"))
    assert main(["calibrate", "-o", str(tmp_path / "file" / "p.json")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_profile_of_another_machine_is_never_used_silently(tmp_path: Path) -> None:
    path = save(Law().profile(name="elsewhere", machine=OTHER))
    assert find_profile() is None
    for word in ("elsewhere", str(path)):
        with pytest.raises(NetwrightError, match=r"is of another machine \(Made-up 9000, 64 cores, Plan9 vax\).*--import"):
            find_profile(word)
    made = bring(path, "phone")
    found = find_profile("phone")
    assert found == made
    assert found.machine == OTHER
    assert found.brought
    assert find_profile() is None


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetwrightError, match="there is no profile 'phone'; netwright calibrate makes one"):
        find_profile("phone")
    save(Law().profile(name="phone"))
    with pytest.raises(NetwrightError, match=r"there is no profile 'phon'; did you mean phone\?"):
        find_profile("phon")
    with pytest.raises(NetwrightError, match="cannot read"):
        find_profile(str(tmp_path / "gone.json"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--threads 0", "Invalid value for '--threads'"),
        ("--seconds 0", "Invalid value for '--seconds'"),
        ("--seconds nan", "--seconds|seconds is nan"),
        ("--runtime abacus", "Invalid value for '--runtime'"),
        ("--device tpu", "unknown device 'tpu'|cannot compute on"),
        ("--name a/b --seconds 1", "'a/b' is no name for a profile"),
        ("--list --script", "choose one of --import, --list and --script"),
        ("--imprt x", "no such option --imprt; did you mean --import"),
        ("--import nowhere.json", "cannot read nowhere.json"),
    ],
)  # fmt: skip
def test_mistakes_on_the_command_line(line: str, message: str, capsys: Capture) -> None:
    assert main(["calibrate", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(message, err)
    assert err.count("\n") == 1


def test_importing_and_listing(tmp_path: Path, capsys: Capture) -> None:
    assert main(["calibrate", "--list"]) == 0
    assert "no profiles in" in capsys.readouterr().out
    path = save(Law().profile(machine=OTHER), tmp_path / "p.json")
    assert main(["calibrate", "--import", str(path), "--name", "phone"]) == 0
    assert "--profile phone" in capsys.readouterr().out
    save(Law().profile(name="here"))
    assert main(["calibrate", "--list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["here"]["default"]
    assert not rows["phone"]["default"]
    assert "Made-up 9000" in rows["phone"]["about"]
    assert main(["calibrate", "--import", str(path), "--name", "../x"]) == 2


# ---------------------------------------------------------------- ONNX Runtime


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_035", "seresnet18", "squeezenet1_0", "regnety_002"])
@pytest.mark.slow
def test_rows_that_onnx_runtime_absorbs_are_those_missing_from_its_own_graph(name: str, tmp_path: Path) -> None:
    model = deploy(nw.build(name, 64, seed=0).eval())
    export_onnx(model, tmp_path / "a.onnx", torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), {})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "b.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), options, providers=["CPUExecutionProvider"])
    there = Counter(node.op_type for node in onnx.load(tmp_path / "b.onnx").graph.node)
    rows = trace(nw.network(name), 64).flat().rows
    inside = absorbed(rows)
    left = Counter(row.layer.kind for i, row in enumerate(rows) if i not in inside)
    assert left["norm"] == there["BatchNormalization"]
    assert left["add"] == there["Add"]
    assert left["relu"] == there["Relu"]
    assert left["relu6"] == there["Clip"]
    assert left["sigmoid"] == there["Sigmoid"]


def test_what_is_absorbed_costs_nothing_in_onnx_runtime_only() -> None:
    rows = trace(nw.network("resnet18")).flat().rows
    eager, onnx_runtime = Law().profile(), Law().profile(runtime="onnxruntime")
    for row, plain, fused in zip(rows, predict(rows, eager), predict(rows, onnx_runtime), strict=True):
        assert fused == (0 if row.layer.kind in ("norm", "relu", "add") else plain)


BLOCKED = "import sys\nfor name in ('torch', 'onnx', 'netwright', 'onnxscript'): sys.modules[name] = None\n"


@pytest.mark.slow
def test_the_script_needs_nothing_but_onnx_runtime_and_numpy(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "calibrate_device.py"
    assert main(["calibrate", "--script", "-o", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    text = path.read_text()
    assert len(text) < 100_000
    path.write_text(text.replace("from __future__ import annotations\n", "from __future__ import annotations\n" + BLOCKED, 1))
    words = [sys.executable, "-I", str(path), "-o", "made.json", "--seconds", "0.01", "--threads", "2"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert main(["calibrate", "--import", str(tmp_path / "made.json"), "--name", "phone"]) == 0
    found = find_profile("phone")
    assert found is not None
    assert (found.runtime, found.threads, found.brought) == ("onnxruntime", 2, True)
    assert dict(found.versions)["onnxruntime"] == onnxruntime.__version__
    assert {probe.work.kind for probe in probes() if not probe.inplace} - set(found.kinds) <= {"subsample"}
    rows = trace(nw.network("mobilenetv2_100")).flat().rows
    assert 0.1 < sum(predict(rows, found)) < 1e5


def test_a_script_with_bad_arguments_says_so(tmp_path: Path) -> None:
    path = tmp_path / "calibrate_device.py"
    path.write_text(script())
    for words in (["--threads", "0"], ["--seconds", "-1"], ["--seconds", "soon"]):
        done = subprocess.run([sys.executable, "-I", str(path), *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "error: " in done.stderr
        assert "Traceback" not in done.stderr


def test_the_core_predicts_without_torch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = save(Law().profile(), Path(folder) / "p.json")
        code = (
            "import sys; sys.modules['torch'] = None; sys.modules['onnx'] = None\n"
            "import netwright as nw; from netwright.costing.latency import find_profile, predict\n"
            f"p = find_profile({str(path)!r}); print(sum(predict(nw.trace(nw.network('resnet18')).flat().rows, p)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) > 0
