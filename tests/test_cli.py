"""The commands as a user types them: what they print, and one line with exit code 2 for every mistake."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import netwright as nw
from netwright.cli import COMMANDS, main
from netwright.cli.arguments import read_network
from netwright.graph.values import Value
from netwright.preprocessing import Preprocessing
from netwright.progress import Progress
from netwright.training import Recipe
from netwright.training.run import Run
from netwright.training.train import train
from tests.conftest import make_photos


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a finished run on them, and things that are wrong."""
    root = tmp_path_factory.mktemp("cli")
    make_photos(root / "photos", each=10)
    train(
        nw.network("resnet20_cifar"),
        root / "photos",
        out=root / "run",
        image=24,
        recipe=Recipe(epochs=2, batch=8),
        progress=Progress(True),
    )
    (root / "flat").mkdir()
    (root / "one" / "cats").mkdir(parents=True)
    whole = (root / "photos" / "red" / "00.jpg").read_bytes()
    (root / "one" / "cats" / "a.jpg").write_bytes(whole)
    make_photos(root / "broken", each=4)
    (root / "broken" / "green" / "02.jpg").write_bytes(whole[:200])
    make_photos(root / "strange", each=2)
    (root / "strange" / "red").rename(root / "strange" / "violet")
    (root / "net.py").write_text("import netwright as nw\nsmall = nw.network('resnet18', width=16)\nnumber = 3\n")
    (root / "exits.py").write_text("import sys\nsys.exit(0)\n")
    make_photos(root / "emptyval" / "train", each=4)
    (root / "emptyval" / "val" / "red").mkdir(parents=True)
    (root / "fails.py").write_text("1 / 0\n")
    (root / "bad.json").write_text('{"schema": 1, "type": "ResNet", "depths": [1, 0]}')
    (root / "foreign").mkdir()
    (root / "foreign" / "thesis.tex").write_text("years of work")
    (root / "old.safetensors").write_bytes(b"not weights")
    return root


Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cost resnet51", "unknown network 'resnet51'; did you mean resnet50"),
        ("cost xyzzy", "unknown network 'xyzzy'; see `netwright list`"),
        ("cost resnet50 --imge 3", "no such option --imge; did you mean --image?"),
        ("cost resnet50 --image 0", "Invalid value for '--image': 0 is not in the range"),
        ("cost resnet50 --image big", "Invalid value for '--image'"),
        ("cost resnet50 --by colour", "Invalid value for '--by'"),
        ("cost resnet50 --json --csv", "choose one of --json and --csv"),
        ("cost", "Missing argument 'NET'"),
        ("cots resnet50", "no such command 'cots'; did you mean cost?"),
        ("cost alexnet --image 20", "features.5: a window of 3 does not fit into 1 pixels: the image is too small (20"),
        ("cost alexnet --image 62", "(62 x 62 px); the smallest image it takes is 63 px"),
        ("cost {bad.json}", "depths is (1, 0), expected a tuple whose item 1 is a whole number at least 1"),
        ("cost nowhere.json", "cannot read nowhere.json: No such file or directory"),
        ("cost {net.py}:smal", "has no design 'smal'; did you mean small?"),
        ("cost {net.py}:number", "has no design 'number'"),
        ("cost {fails.py}:x", "does not run: ZeroDivisionError"),
        ("cost nowhere.py:x", "there is no file nowhere.py"),
        ("cost {net.py}", "net.py is a file: say which design in it, as"),
        ("cost nowhere.py:nowhere.json", "there is no file nowhere.py"),
        ("predict {net.py}:nowhere {photos}", "has no design 'nowhere'"),
        ("list xyzzy", "no network matches 'xyzzy'"),
        ("list --max-macs lots", "'lots' is not an amount"),
        ("train resnet20_cifar {photos}", "Missing option '-o' / '--out'"),
        ("train resnet20_cifar {nowhere} -o {new}", "there is no folder"),
        ("train resnet20_cifar {flat} -o {new}", "has no class folders"),
        ("train resnet20_cifar {one} -o {new}", "has one class only ('cats')"),
        ("train resnet20_cifar {broken} -o {new} --strict", "green/02.jpg is not a picture that can be read"),
        ("train resnet20_cifar {photos} -o {run}", "holds a run made with other arguments"),
        ("train resnet20_cifar {photos} -o {foreign}", "holds other files (thesis.tex)"),
        ("train vgg11 {photos} --image 20 -o {new}", "features.20: a window of 2 does not fit into 1 pixels: the image"),
        ("design {photos} --max-macs 10 -o {new}", "has at most 10 macs at 24 px: the smallest has "),
        ("design {photos} --max-macs -3M -o {new}", "'-3M' is not an amount"),
        ("design {photos} -o {new}", "needs a limit: give at least one of --max-macs"),
        ("design {flat} --max-macs 1M -o {new}", "has no class folders"),
        ("design {one} --max-macs 1M -o {new}", "has one class only"),
        ("design {photos} --max-macs 1M -o {photos}/run", "lies inside the pictures' folder"),
        ("design {emptyval} --max-macs 1M -o {new}", "emptyval/val has no pictures in its folders"),
        ("cost {exits.py}:x", "does not run: SystemExit"),
        ("design {photos} --max-macs 1M -o {run}", "holds a run made with other arguments"),
        ("eval {run} {strange}", "has a class 'violet' that the network was not trained on"),
        ("eval {run} digits", "digits has 1 channels, the network takes 3"),
        ("eval {run} {broken}", "green/02.jpg is not a picture"),
        ("eval {nowhere} {photos}", "unknown network"),
        ("eval {flat} {photos}", "it holds no finished run"),
        ("eval resnet18 {photos}", "resnet18 has no weights"),
        ("eval resnet18 {photos} --weights {old.safetensors}", "is not a sound safetensors file"),
        ("eval resnet18 {photos} --weights {run}/model.safetensors", "does not fit the network: missing"),
        ("predict {run}", "Missing argument 'PICTURES...'"),
        ("predict {run} {nowhere}", "there is no such file"),
        ("predict {run} {flat}", "is a folder, not a picture"),
        ("predict {run} {broken}/green/02.jpg", "green/02.jpg is not a picture"),
        ("predict {run} {photos}/red/00.jpg --top 0", "Invalid value for '--top'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(line: str, message: str, place: Path, capsys: Capture) -> None:
    words = re.sub(r"\{(.*?)\}", lambda found: str(place / found[1]), line).split()
    before = sorted(place.rglob("*"))
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    complaints = [said for said in err.splitlines() if said.startswith("netwright: ")]
    assert len(complaints) == 1
    assert complaints[0] == err.splitlines()[-1]
    assert message in complaints[0]
    assert "Traceback" not in err
    assert sorted(place.rglob("*")) == before


def test_a_failure_is_one_line_and_exit_code_1(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the sky\nfell")

    monkeypatch.setattr("netwright.cli.cost_command.cost", fail)
    assert main(["cost", "resnet18"]) == 1
    assert capsys.readouterr().err == "netwright: failed: RuntimeError: the sky fell (--debug shows where)\n"
    with pytest.raises(RuntimeError):
        main(["cost", "resnet18", "--debug"])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example(command: str, capsys: Capture) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"netwright {command}".rstrip() in text
    assert "Example: " in text or command == ""


@pytest.mark.parametrize("command", ["info", "verify"])
def test_commands_of_data_have_an_example(command: str, capsys: Capture) -> None:
    assert main(["data", command, "--help"]) == 0
    assert f"Example: netwright data {command}" in capsys.readouterr().out


def test_cost_as_table_json_and_csv(place: Path, capsys: Capture) -> None:
    assert main(["cost", "resnet18", "--by", "stage"]) == 0
    assert "1,814,073,344" in capsys.readouterr().out
    assert main(["cost", "resnet18", "--json", "--image", "64"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["macs"] == sum(row["macs"] for row in found["rows"])
    assert main(["cost", "resnet18", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(row["params"]) for row in rows) == 11_689_512
    for net in (f"{place / 'net.py'}:small", str(place / "run"), str(place / "run" / "design.json")):
        assert main(["cost", net, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["network"] == net


def test_list_filters(capsys: Capture) -> None:
    assert main(["list", "regnetx", "--max-macs", "0.4GF", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["regnetx_002", "regnetx_004"]
    assert main(["list", "resnet?8", "--max-params", "12M"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["resnet18", "224", "11,689,512", "1,814,073,344", "2,484,712"]


def test_eval_uses_the_held_out_part_of_the_runs_own_data(place: Path, tmp_path: Path, capsys: Capture) -> None:
    result = json.loads((place / "run" / "result.json").read_text())
    assert main(["eval", str(place / "run"), str(place / "photos"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == result["accuracy"]
    assert found["of"] == 6
    weights = str(place / "run" / "model.safetensors")
    assert main(["eval", "resnet20_cifar", str(place / "photos"), "--weights", weights]) == 0
    assert "of 6; 95 % interval" in capsys.readouterr().out
    other = make_photos(tmp_path / "other", each=5)
    assert main(["eval", str(place / "run"), str(other)]) == 0
    assert "of 15; 95 % interval" in capsys.readouterr().out


def test_eval_refuses_where_it_cannot_tell_what_was_seen(tmp_path: Path, capsys: Capture) -> None:
    photos = make_photos(tmp_path / "photos", each=5)
    train(nw.network("resnet20_cifar"), photos, out=tmp_path / "run", image=24, recipe=Recipe(epochs=1), progress=Progress(True))
    (photos / "red" / "04.jpg").rename(photos / "red" / "new.jpg")
    assert main(["eval", str(tmp_path / "run"), str(photos)]) == 2
    assert "have changed since the network was trained on them" in capsys.readouterr().err


def test_predict_as_lines_and_json(place: Path, capsys: Capture) -> None:
    picture = str(place / "photos" / "red" / "00.jpg")
    assert main(["predict", str(place / "run"), picture, picture, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(rf"{picture}: (blue|green|red) [\d.]+ %, (blue|green|red) [\d.]+ %", lines[0])
    assert main(["predict", str(place / "run"), picture, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["picture"] == picture
    assert sum(c["probability"] for c in found["classes"]) == pytest.approx(1)


def test_train_prints_its_result_as_json(place: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["train", f"{place / 'net.py'}:small", str(place / "photos"), "--image", "24", "--epochs", "1", "--json"]
    assert main([*words, "-o", str(tmp_path / "run")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == "train"
    assert len(found["curve"]) == 1
    assert (tmp_path / "run" / "report.html").exists()
    assert main([*words, "-o", str(tmp_path / "run")]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error() -> None:
    """`netwright list | head -1`."""
    program = "import sys; from netwright.cli import main; sys.exit(main(['cost', 'resnet152']))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def invoked(words: list[str]) -> str:
    return subprocess.run([sys.executable, "-m", "netwright", *words], capture_output=True, text=True, check=True).stdout


def test_version() -> None:
    assert invoked(["--version"]) == f"netwright {nw.__version__}\n"


def test_a_run_of_a_users_class_is_read_after_the_file_that_defines_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`own.py:folder` in place of `folder`; and an import of the file serves as well as a command's own run of it."""
    (tmp_path / "own_tiny.py").write_text(
        "import netwright as nw\n\n\nclass OwnTiny(nw.Design):\n    width: int = 4\n\n    def __call__(self, x):\n"
        '        return x.conv("conv", self.width, 3).relu().global_pool().linear("fc", 2)\n\n\nnet = OwnTiny(6)\n'
    )
    monkeypatch.chdir(tmp_path)
    net = read_network("own_tiny.py:net")
    model = nw.build(net, 8, channels=1, seed=0).eval()
    (tmp_path / "run").mkdir()
    Run(net, model, ("a", "b"), 1, Preprocessing(image=8, resize=8, mean=(0.5,), std=(0.5,))).save(
        tmp_path / "run" / "model.safetensors"
    )
    (tmp_path / "run" / "design.json").write_text(nw.to_json(net))
    (tmp_path / "run" / "result.json").write_text("{}")
    Image.new("L", (8, 8), 90).save("grey.png")
    Value.registry.pop("own_tiny.OwnTiny")  # as in a process that has not seen the file

    for words in ("cost run", "predict run grey.png", "export run -o net.onnx"):
        assert main(words.split()) == 2
        assert "unknown design 'own_tiny.OwnTiny'" in (told := capsys.readouterr().err)
        assert "write own_tiny.py:FOLDER in place of FOLDER" in told
    assert main(["cost", "own_tiny.py:run", "--channels", "1", "--image", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == 6 * 9 + 6 * 2 + 2
    Value.registry.pop("own_tiny.OwnTiny")
    for words in ("predict own_tiny.py:run grey.png", "export own_tiny.py:run -o net.onnx", "predict net.onnx grey.png"):
        assert main(words.split()) == 0
    assert "a " in capsys.readouterr().out

    Value.registry.pop("own_tiny.OwnTiny")
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_tiny")
    assert nw.load("run").design == own.OwnTiny(6)
    Value.registry.pop("own_tiny.OwnTiny")
    sys.modules.pop("own_tiny")
