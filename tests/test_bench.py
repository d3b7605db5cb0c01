"""The runtimes agree before they are timed, say why where they cannot run, and the bench leaves things as they were."""

from __future__ import annotations

import copy
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import netwright as nw
from netwright.cli import main
from netwright.errors import FailedError, NetwrightError
from netwright.inference.runtimes import RUNTIMES, Place, compared, largest_difference, open_runtime
from netwright.measuring.bench import bench
from netwright.measuring.bench_table import Bench, Measured
from netwright.measuring.timing import Timing, times
from netwright.training.run import Run, load_network
from tests.conftest import make_photos
from tests.test_contracts import FAMILIES, side_of
from tests.test_forms import randomized

Capture = pytest.CaptureFixture[str]


class Own(nn.Module):
    """A user's module, with what is folded and what is not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 8, 3, stride=2), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


class Branching(Own):
    """One that torch.fx cannot follow, nor torch.export."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 1 if x.mean() > 0 else x)


class TwoFaced(Own):
    """One that computes something else when it is traced."""

    def forward(self, x: Tensor) -> Tensor:
        made = super().forward(x)
        return made + 1 if isinstance(x, fx.Proxy) else made


def noise(batch: int, *shape: int) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def logits(model: nn.Module, batch: Tensor) -> Tensor:
    made = copy.deepcopy(model).eval()(batch)
    return made[0] if isinstance(made, tuple) else made  # type: ignore[no-any-return]


# ---------------------------------------------------------------- the runtimes agree


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_the_same_eager_and_folded(family: str) -> None:
    side = side_of(family)
    model = randomized(nw.build(FAMILIES[family], side, seed=0)).eval()
    batch = noise(2, 3, side, side)
    expected = logits(model, batch)
    for name, allowed in (("eager", 1e-6), ("folded", 1e-5)):
        assert largest_difference(open_runtime(name, model, (3, side, side))(batch), expected) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "runtime"),
    [("mobilenetv2_035", "compiled"), ("repvgg_a0", "compiled"), ("regnety_002", "onnxruntime"), ("repvgg_a0", "onnxruntime")],
)
def test_the_other_runtimes_agree_for_any_batch(family: str, runtime: str) -> None:
    side = side_of(family)
    model = randomized(nw.build(FAMILIES[family], side, seed=0)).eval()
    call = open_runtime(runtime, model, (3, side, side))
    for images in (2, 1):
        batch = noise(images, 3, side, side)
        assert largest_difference(call(batch), logits(model, batch)) <= 1e-4


@pytest.mark.slow
def test_more_batch_sizes_are_compiled_than_torch_would_by_itself() -> None:
    model = Own().eval()
    call = open_runtime("compiled", model, (4, 12, 12))
    with torch._dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True):
        for images in range(1, 6):
            batch = noise(images, 4, 12, 12)
            assert largest_difference(call(batch), logits(model, batch)) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_users_module_runs_everywhere_and_stays_as_it_is(runtime: str) -> None:
    model = Own().train()
    nn.init.normal_(model.norm.running_mean)  # type: ignore[arg-type]
    before, strides = copy.deepcopy(model.state_dict()), model.conv.weight.stride()
    batch = noise(2, 4, 20, 24)
    call = open_runtime(runtime, model, (4, 20, 24))
    assert largest_difference(call(batch), logits(model, batch)) <= 1e-4
    assert model.training
    assert model.conv.weight.stride() == strides
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bf16_differs_by_its_seven_bits() -> None:
    model = nw.build("resnet20_cifar", seed=0).eval()
    batch = noise(2, 3, 32, 32)
    for name in ("eager", "folded"):
        call = open_runtime(name, model, (3, 32, 32), Place.of("cpu", "bf16"))
        made = call(batch)
        assert made.dtype == torch.float32
        assert 1e-6 < largest_difference(made, logits(model, batch)) < 0.1
    assert next(model.parameters()).dtype == torch.float32


def test_differences_are_relative_and_no_number_is_infinitely_far() -> None:
    expected = torch.tensor([[1.0, -4.0]])
    assert largest_difference(torch.tensor([[1.5, -4.0]]), expected) == pytest.approx(0.125)
    assert largest_difference(torch.tensor([[1.0, float("nan")]]), expected) == float("inf")
    assert largest_difference(torch.zeros(1, 3), expected) == float("inf")
    with pytest.raises(FailedError, match=r"folded gives other logits than the model: by 0\.12 of the largest, 1e-05"):
        compared("folded", torch.tensor([[1.5, -4.0]]), expected, Place())


# ---------------------------------------------------------------- timing


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200))
def test_median_and_p95_are_numpys(seconds: list[float]) -> None:
    timing = Timing.of(seconds)
    assert timing.median == pytest.approx(float(np.median(seconds)))
    assert timing.p95 == float(np.quantile(seconds, 0.95, method="inverted_cdf"))
    assert timing.repeats == len(seconds)


def test_times_measures_at_least_so_many_calls_and_warms_up() -> None:
    called: list[int] = []
    assert len(times(lambda: called.append(1), warmup_seconds=0, seconds=0, least=7)) == len(called) == 7
    called.clear()
    assert len(times(lambda: called.append(1), warmup_seconds=1e-9, seconds=0, least=0)) == len(called) - 1 == 1
    with pytest.raises(NetwrightError, match="no repetition"):
        Timing.of(())


# ---------------------------------------------------------------- the bench


def test_a_bench_measures_compares_and_restores() -> None:
    before = torch.get_num_threads()
    wanted = before % 2 + 1
    model = nw.build("resnet20_cifar", seed=0)
    made = bench(model, batches=(1, 3), threads=wanted, runtimes=("folded", "eager"), seconds=0.05)
    assert torch.get_num_threads() == before
    assert made.threads == wanted
    assert model.training
    assert made.image == (3, 32, 32)
    assert [(row.runtime, row.batch) for row in made.rows] == [("folded", 1), ("eager", 1), ("folded", 3), ("eager", 3)]
    for row in made.rows:
        assert row.measured
        assert row.repeats >= 3
        assert row.median_ms is not None
        assert row.p95_ms is not None
        assert 0 < row.median_ms <= row.p95_ms
        assert row.images_per_second == pytest.approx(row.batch / (row.median_ms / 1e3))
        assert row.difference is not None
        assert row.difference <= 1e-5
    assert Bench.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert "<table" in made._repr_html_()
    assert "folded" in str(made)


def test_the_threads_are_restored_where_a_bench_fails() -> None:
    before = torch.get_num_threads()
    with pytest.raises(FailedError, match=r"nothing could be measured: folded: torch.fx cannot follow Branching"):
        bench(Branching(), 16, threads=before % 2 + 1, runtimes=("folded",), seconds=0.05)
    assert torch.get_num_threads() == before


def test_the_fastest_and_the_ratios_follow_from_the_rows() -> None:
    rows = (
        Measured("eager", "fp32", 1, 8.0, 9.0, 5, 0.1, 0.0),
        Measured("folded", "fp32", 1, 4.0, 5.0, 5, 0.1, 1e-7),
        Measured("folded", "bf16", 1, 2.0, 3.0, 5, 0.1, 0.03),
        Measured("compiled", "fp32", 1, failure="no compiler"),
        Measured("folded", "fp32", 2, 4.0, 5.0, 5, 0.1, 1e-7),
    )
    made = Bench("net<1>", (3, 8, 8), "cpu", 2, rows, {1: 7.5})
    assert made.fastest(1) == rows[2]
    assert [made.ratio(row) for row in rows] == [1.0, 2.0, 4.0, None, None]
    text = str(made)
    assert "batch 1: fastest is folded, 4.00 x eager; bf16 changes the logits by up to 0.03 of the largest" in text
    assert "compiled was not measured: no compiler" in text
    assert "predicted to take 7.50 ms" in text
    assert "net&lt;1&gt;" in made._repr_html_()
    assert Bench.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert made.fastest(64) is None


def test_a_runtime_with_other_logits_is_reported_and_not_timed() -> None:
    made = bench(TwoFaced(), 16, runtimes=("eager", "folded"), seconds=0.05)
    assert [row.measured for row in made.rows] == [True, False]
    assert "folded gives other logits than the model" in made.rows[1].failure
    assert "folded was not measured" in str(made)


@pytest.mark.slow
def test_what_cannot_run_a_module_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    made = bench(Branching(), 16, batches=(1, 2), runtimes=("eager", "folded", "onnxruntime"), seconds=0.05)
    assert [row.measured for row in made.rows] == [True, False, False] * 2
    assert "torch.fx cannot follow Branching" in made.rows[1].failure
    assert "Branching cannot be exported to ONNX" in made.rows[2].failure
    assert all("\n" not in row.failure and "\x1b" not in row.failure for row in made.rows)
    out, err = capfd.readouterr()
    assert not out
    assert not err


def test_bf16_is_compared_with_fp32_and_never_alone() -> None:
    made = bench("resnet20_cifar", runtimes=("folded",), precision="bf16", seconds=0.05)
    assert [(row.runtime, row.precision) for row in made.rows] == [("eager", "fp32"), ("folded", "bf16")]
    difference = made.rows[1].difference
    assert difference is not None
    assert difference > 1e-5


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batches": (0,)}, r"batches are \(0,\), expected whole numbers of at least 1"),
        ({"batches": ()}, "expected whole numbers"),
        ({"batches": (True,)}, "expected whole numbers"),
        ({"threads": 0}, "threads is 0, expected a whole number from 1"),
        ({"runtimes": ("foldet",)}, "unknown runtime 'foldet'; did you mean folded"),
        ({"runtimes": "eager"}, "runtimes are 'eager', expected some of eager, folded"),
        ({"runtimes": ()}, "expected some of"),
        ({"device": "tpu9"}, "unknown device 'tpu9': choose cpu or cuda"),
        ({"device": "meta"}, "cannot compute on meta"),
        ({"precision": "fp8"}, "unknown precision 'fp8': choose fp32 or bf16"),
        ({"seconds": 0}, "seconds is 0, expected a positive number"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"image": (3, 0)}, r"image is \(3, 0\), expected a side in pixels"),
        ({"weights": "x.pth"}, "a module or an ONNX file has its own"),
        ({"image": 1}, "Own cannot be called with an image of 4 x 1 x 1: RuntimeError"),
        ({"image": None}, "the images of a Own are not known"),
    ],
)
def test_what_cannot_be_measured_is_refused(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(NetwrightError, match=message):
        bench(Own(), **({"image": 16} | keywords))  # type: ignore[arg-type]


def test_a_module_that_returns_no_logits_is_refused() -> None:
    class Words(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": x}

    with pytest.raises(NetwrightError, match="the module returns dict, expected a tensor"):
        bench(Words(), 16)


@pytest.mark.parametrize("net", ["resnet18", Own()], ids=["design", "module"])
def test_a_batch_beyond_the_memory_is_refused_before_it_is_tried(net: str | nn.Module) -> None:
    with pytest.raises(FailedError, match=r"a batch of 1,000,000,000 images takes .* GiB or more, .* are free") as found:
        bench(net, 64, batches=(1, 10**9))
    assert "\n" not in str(found.value)


# ---------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, weights, an exported file, and broken ones."""
    root = tmp_path_factory.mktemp("bench")
    make_photos(root / "photos", each=2)
    model = randomized(nw.build("resnet20_cifar", classes=3, seed=0))
    nw.save_weights(model, root / "net.safetensors", about={"classes": ["blue", "green", "red"], "channels": 3})
    nw.export(loaded(root), root / "net.onnx")
    whole = (root / "net.onnx").read_bytes()
    (root / "torn.onnx").write_bytes(whole[: len(whole) // 2])
    (root / "empty.onnx").write_bytes(b"")
    proto = onnx.load(root / "net.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, root / "foreign.onnx")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(proto, root / "pairs.onnx")
    shutil.copy(root / "photos" / "red" / "00.jpg", root / "photo.onnx")
    (root / "hollow").mkdir()
    return root


def loaded(place: Path) -> Run:
    return load_network(nw.network("resnet20_cifar"), place / "net.safetensors")


NO_GPU = () if torch.cuda.is_available() else ("bench resnet18 --device cuda", "there is no GPU for device 'cuda' here")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bench resnet51", "unknown network 'resnet51'; did you mean resnet50"),
        ("bench resnet18 --runtime eagr", "unknown runtime 'eagr'; did you mean eager"),
        ("bench resnet18 --runtime eager,,", "unknown runtime ''"),
        ("bench resnet18 --device gpu", "unknown device 'gpu': choose cpu or cuda"),
        ("bench resnet18 --precision int8", "unknown precision 'int8'"),
        ("bench resnet18 --batch 0", "expected whole numbers of at least 1"),
        ("bench resnet18 --batch 1,x", "--batch is '1,x', expected whole numbers"),
        ("bench resnet18 --batch 1.5", "--batch is '1.5'"),
        ("bench resnet18 --threads 0", "Invalid value for '--threads'"),
        ("bench resnet18 --seconds 0", "Invalid value for '--seconds'"),
        ("bench resnet18 --image 0", "Invalid value for '--image'"),
        ("bench alexnet --image 20", "the image is too small"),
        ("bench resnet18 --weights {net.safetensors}", "does not fit the network"),
        ("bench {hollow}", "holds no design.json"),
        ("bench {nowhere.onnx}", "nowhere.onnx is not there"),
        ("bench {torn.onnx}", "torn.onnx is not an ONNX file that can be run"),
        ("bench {empty.onnx}", "it is empty"),
        ("bench {photo.onnx}", "photo.onnx is not an ONNX file that can be run"),
        ("bench {net.onnx} --runtime eager", "runs in onnxruntime only"),
        ("bench {net.onnx} --precision bf16", "runs in onnxruntime only"),
        ("bench {net.onnx} --weights {net.safetensors}", "a module or an ONNX file has its own"),
        ("bench {net.onnx} --image 40", "takes images of 32 x 32 px only, not of 40 x 40"),
        ("predict {net.onnx} {photos}/red/00.jpg --runtime folded", "runs in onnxruntime only, not folded"),
        ("predict {net.onnx} {photos}/red/00.jpg --weights x", "has weights of its own: leave --weights out"),
        ("predict {net.onnx} {photos}/red/00.jpg --runtime onnxrun", "unknown runtime 'onnxrun'; did you mean onnxruntime"),
        ("predict {net.onnx} {nowhere.jpg}", "there is no such file"),
        ("predict {torn.onnx} {photos}/red/00.jpg", "torn.onnx is not an ONNX file that can be run"),
        ("predict {foreign.onnx} {photos}/red/00.jpg", "not one that netwright wrote"),
        ("predict {nowhere.onnx} {photos}/red/00.jpg", "nowhere.onnx is not there"),
        *([NO_GPU] if NO_GPU else []),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(line: str, message: str, place: Path, capsys: Capture) -> None:
    words = [str(place / word[1:].replace("}", "")) if word.startswith("{") else word for word in line.split()]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    complaints = [said for said in err.splitlines() if said.startswith("netwright: ")]
    assert len(complaints) == 1
    assert message in complaints[0]
    assert "Traceback" not in err


def test_a_batch_beyond_the_memory_is_a_failure_in_one_line(place: Path, capsys: Capture) -> None:
    for net in ("resnet18", str(place / "net.onnx")):
        assert main(["bench", net, "--batch", "1,1000000000"]) == 1
        assert "choose a smaller --batch" in capsys.readouterr().err.splitlines()[-1]


def test_the_bench_command_prints_json_and_a_table(place: Path, capsys: Capture) -> None:
    options = ["--batch", "1,2", "--runtime", "eager,folded", "--seconds", "0.05", "--threads", "1"]
    assert main(["bench", "resnet20_cifar", *options, "--weights", str(place / "net.safetensors"), "--json"]) == 0
    made = Bench.from_json(json.loads(capsys.readouterr().out))
    assert made.batches == (1, 2)
    assert made.network == "resnet20_cifar"
    assert main(["bench", str(place / "net.onnx"), "--seconds", "0.05", "--batch", "2,1"]) == 0
    assert "batch 1: fastest is onnxruntime" in capsys.readouterr().out


def test_a_file_for_one_batch_size_is_measured_for_that(place: Path) -> None:
    made = bench(place / "pairs.onnx", batches=(1, 2), seconds=0.05)
    assert [row.measured for row in made.rows] == [False, True]
    assert "takes batches of 2 only, not of 1" in made.rows[0].failure


def test_a_folder_of_a_run_is_measured_as_it_was_trained(place: Path, tmp_path: Path) -> None:
    design = nw.network("resnet20_cifar", classes=2)
    model = nw.build(design, channels=1, seed=0)
    nw.save_weights(model, tmp_path / "model.safetensors", about={"channels": 1})
    (tmp_path / "design.json").write_text(nw.to_json(design))
    made = bench(tmp_path, runtimes=("eager",), seconds=0.05)
    assert made.image == (1, 32, 32)


def test_predictions_are_the_same_in_every_quick_runtime(place: Path, capsys: Capture) -> None:
    """And those of the network itself, read and normalized by hand elsewhere (tests of `predict`)."""
    pictures = sorted(map(str, (place / "photos").rglob("*.jpg")))
    expected = loaded(place).predict(pictures)
    folded = loaded(place).predict(pictures, runtime="folded")
    assert main(["predict", str(place / "net.onnx"), *pictures, "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)
    for one, other, third in zip(expected, folded, exported, strict=True):
        assert one.picture == other.picture == third["picture"]
        shares = dict(one.classes)
        assert sorted(shares) == ["blue", "green", "red"]
        assert statistics.fmean(shares.values()) == pytest.approx(1 / 3)
        assert dict(other.classes) == pytest.approx(shares, abs=1e-5)
        assert {c["class"]: c["probability"] for c in third["classes"]} == pytest.approx(shares, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["compiled", "onnxruntime"])
def test_predict_takes_the_slow_ones_too(runtime: str, place: Path) -> None:
    pictures = sorted((place / "photos").rglob("*.jpg"))
    for one, other in zip(loaded(place).predict(pictures), loaded(place).predict(pictures, runtime=runtime), strict=True):
        assert dict(other.classes) == pytest.approx(dict(one.classes), abs=1e-4)


# ---------------------------------------------------------------- without a compiler


def without_compiler(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CXX": "/bin/false"}
    line = [sys.executable, "-m", "netwright", *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_without_a_compiler_the_others_are_measured_and_the_reason_is_told() -> None:
    options = ("--seconds", "0.05", "--batch", "1,2", "--runtime")
    done = without_compiler("bench", "resnet20_cifar", *options, "compiled,eager", "--json")
    assert done.returncode == 0, done.stderr
    made = Bench.from_json(json.loads(done.stdout))
    assert [row.measured for row in made.rows] == [False, True] * 2
    assert "there is no working C++ compiler (/bin/false, as CXX says)" in made.rows[0].failure
    alone = without_compiler("bench", "resnet20_cifar", *options, "compiled")
    assert alone.returncode == 1
    assert "Traceback" not in alone.stderr
    assert "nothing could be measured: compiled: " in alone.stderr.splitlines()[-1]


@pytest.mark.slow
def test_without_a_compiler_predict_falls_back_and_says_so(place: Path) -> None:
    picture = str(place / "photos" / "red" / "00.jpg")
    words = ("predict", "resnet20_cifar", picture, "--weights", str(place / "net.safetensors"), "--json", "--runtime")
    done, plain = without_compiler(*words, "compiled"), without_compiler(*words, "eager")
    assert done.returncode == plain.returncode == 0
    assert "compiled cannot be used (the network cannot be compiled: there is no working C++ compiler" in done.stderr
    assert "predicting with folded instead" in done.stderr
    shares = [{c["class"]: c["probability"] for c in json.loads(one.stdout)[0]["classes"]} for one in (done, plain)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-5)
