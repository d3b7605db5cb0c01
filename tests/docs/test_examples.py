"""Each example runs as its first lines say, and gives what it promises."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.applications import Starlette
from torch.utils.flop_counter import FlopCounterMode

import netwright as nw
from netwright.cli import main
from netwright.files import run_file
from netwright.preprocessing import Preprocessing
from netwright.training.run import Run
from tests.docs.running import ROOT, environment

EXAMPLES = ROOT / "examples"


def test_the_readme_names_every_example() -> None:
    named = set(re.findall(r"^\| \[(.+?)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.name != "README.md" and path.is_file()}


def run(name: str, folder: Path, *words: str) -> str:
    made = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_what_a_module_costs(tmp_path: Path) -> None:
    """Its macs are half of what torch's own counter says of the module that the example defines."""
    told = run("torch_cost.py", tmp_path)
    mixer = run_file(EXAMPLES / "torch_cost.py").Mixer()
    with FlopCounterMode(display=False) as counter:
        mixer(torch.zeros(1, 3, 32, 32))
    params = sum(p.numel() for p in mixer.parameters())
    assert f"{counter.get_total_flops() // 2:,} macs, {params:,} params" in told
    assert "wrn_16_4" in told


def test_the_race(tmp_path: Path) -> None:
    told = run("optimizer_race.py", tmp_path, "made.svg")
    assert told.startswith("canyon (rotate 30, condition 50)")
    assert re.search(r"^(momentum|nesterov|adam) wins; its second step: ", told, re.MULTILINE)
    assert (tmp_path / "made.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("name", ["own_space.py", "small_pictures.py"])
def test_designs_are_built_with_the_params_that_they_are_costed_with(name: str) -> None:
    net = run_file(EXAMPLES / name).net
    model = nw.build(net, 28, channels=1, seed=0)
    assert sum(p.numel() for p in model.parameters()) == nw.cost(net, image=28, channels=1).params
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_space_passes_its_test(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", f"{EXAMPLES / 'own_space.py'}:space", "--image", "8", "--channels", "1", "--draws", "50"]) == 0
    assert "4 degrees of freedom" in capsys.readouterr().out


# ---------------------------------------------------------------- the server


@pytest.fixture(scope="module", params=[1, 3])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Starlette]:
    """An untrained run of grey or colour pictures, and the server of its exported file."""
    channels = request.param
    shown = Preprocessing(image=32, resize=40, filter="bilinear", mean=(0.4,) * channels, std=(0.2, 0.3, 0.25)[:channels])
    net = nw.network("resnet20_cifar", classes=4)
    made = Run(net, nw.build(net, 32, channels=channels, seed=0).eval(), ("a", "b", "c", "d"), channels, shown)
    file = tmp_path_factory.mktemp("served") / "net.onnx"
    nw.export(made, file)
    module = run_file(EXAMPLES / "serve.py")
    return made, module.app(module.Network(str(file)))


def posted(app: Starlette, body: bytes) -> tuple[int, Any]:
    """What the application answers, asked as a server asks it."""
    sent: list[dict[str, Any]] = []
    half = len(body) // 2
    messages = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


@pytest.mark.parametrize("size", [(50, 70), (333, 41), (32, 32)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_the_server_answers_as_the_network_does(
    served: tuple[Run, Starlette], size: tuple[int, int], form: str, tmp_path: Path
) -> None:
    run, app = served
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = tmp_path / f"picture.{form.lower()}"
    Image.fromarray(pixels).save(file, form)
    status, answer = posted(app, file.read_bytes())
    (expected,) = run.predict([file], 4)
    assert status == 200
    assert [found["class"] for found in answer] == [name for name, _ in expected.classes]
    np.testing.assert_allclose([found["probability"] for found in answer], [share for _, share in expected.classes], atol=1e-3)


@pytest.mark.parametrize("body", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"0" * 100])
def test_the_server_refuses_what_is_no_picture(served: tuple[Run, Starlette], body: bytes) -> None:
    status, answer = posted(served[1], body)
    assert status == 400
    assert answer == {"error": "no picture that can be read"}


def test_the_server_refuses_what_is_too_large(served: tuple[Run, Starlette]) -> None:
    status, answer = posted(served[1], bytes(20_000_001))
    assert (status, answer["error"]) == (413, "a picture of more than 20,000,000 bytes")


def test_the_server_refuses_half_a_picture(served: tuple[Run, Starlette]) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, "PNG")
    assert posted(served[1], stream.getvalue()[:4000])[0] == 400


# ---------------------------------------------------------------- the job array


def test_the_script_for_slurm_is_sound_and_says_what_it_lacks(tmp_path: Path) -> None:
    script = str(EXAMPLES / "slurm_search.sh")
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    bare = {key: value for key, value in os.environ.items() if key not in ("STORAGE", "STUDY", "DATA")}
    made = subprocess.run(["bash", script], env=bare, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert "STORAGE: the database" in made.stderr


@pytest.mark.parametrize("ends", ["by itself", "by SLURM"])
def test_a_task_of_the_array_works_and_gives_back_when_told_to(ends: str, tmp_path: Path) -> None:
    """With a stand-in for the worker alone, which writes down its words and answers SIGTERM as the real one does."""
    worker = tmp_path / "netwright"
    waits = "trap 'echo gave back; exit 130' TERM; echo ready; while :; do sleep 0.05; done" if ends == "by SLURM" else "exit 0"
    worker.write_text(f'#!/usr/bin/env bash\necho "$@"\n{waits}\n')
    worker.chmod(0o755)
    words = {"STORAGE": "postgresql://h/d", "STUDY": "s", "DATA": "/data/my photos", "SLURM_CPUS_PER_TASK": "4", "USER": "me"}
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    task = subprocess.Popen(
        ["bash", str(EXAMPLES / "slurm_search.sh")],
        env={**os.environ, **words, "PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert task.stdout is not None
    watch = threading.Timer(120, os.killpg, (task.pid, signal.SIGKILL))
    watch.start()
    try:
        assert task.stdout.readline() == "search --join postgresql://h/d --study s --threads 4 /data/my photos\n"
        if ends == "by SLURM":
            assert task.stdout.readline() == "ready\n"
            task.terminate()
            assert task.stdout.readline() == "gave back\n"
        assert task.wait(60) == (130 if ends == "by SLURM" else 0)
    finally:
        watch.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(task.pid, signal.SIGKILL)
        task.stdout.close()
        task.wait()
