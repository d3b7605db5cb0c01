"""Weights by name, against a real HTTP server on this machine that speaks as the hub and as torchvision's server do."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save

from netwright.errors import FailedError, NetwrightError
from netwright.preprocessing import Preprocessing
from netwright.runtime import published as torchvision
from netwright.runtime.fetch import Fetched, fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = save({"fc.weight": torch.arange(50_000.0)})
CONFIG: dict[str, Any] = {
    "architecture": "resnet50",
    "num_classes": 2,
    "label_names": ["cat", "dog"],
    "pretrained_cfg": {
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "crop_pct": 0.95,
        "test_crop_pct": 1.0,
        "crop_mode": "center",
        "interpolation": "bicubic",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
}
SHOWN = Preprocessing(224, 235, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TINY = "timm/tiny.a1_in1k"


class Server(ThreadingHTTPServer):
    """Holds files by path (/timm/tiny/resolve/main/config.json); what a path is said to `suffer` happens to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}
        self.suffer: dict[str, Callable[[Handler, bytes], None]] = {}
        self.asked: list[str] = []

    def publish(self, repo: str, /, *, revision: str = "main", **files: bytes) -> None:
        suffixes = {"model": "model.safetensors", "old": "pytorch_model.bin", "config": "config.json"}
        for name, content in files.items():
            self.files[f"/{repo}/resolve/{revision}/{suffixes[name]}"] = content


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        content = self.server.files.get(self.path)
        for part, suffer in self.server.suffer.items():
            if part in self.path:
                return suffer(self, content or b"")
        if content is not None:
            return self.answer(content)
        repo, _, file = self.path.partition("/resolve/")
        revision = f"{repo}/resolve/{file.split('/')[0]}/"
        if any(known.startswith(revision) for known in self.server.files):
            return self.refuse(404, "EntryNotFound")
        known = any(known.startswith(f"{repo}/resolve/") for known in self.server.files)
        return self.refuse(404, "RevisionNotFound") if known else self.refuse(401, "RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def answer(self, content: bytes, length: int | None = None) -> None:
        promised = self.server.files[self.path]  # the hub knows what it should send
        digest = hashlib.sha1 if self.path.endswith(".json") else hashlib.sha256
        self.send_response(200)
        self.send_header("ETag", f'"{digest(promised).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(promised) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


def cut(handler: Handler, content: bytes) -> None:
    """The connection breaks in the middle of the body."""
    handler.answer(content[: len(content) // 2])


def spoil(handler: Handler, content: bytes) -> None:
    """As many bytes as promised, but others."""
    handler.answer(content[::-1])


def babble(handler: Handler, content: bytes) -> None:
    """What comes is no HTTP."""
    handler.wfile.write(b"?")


def hang_up(handler: Handler, content: bytes) -> None:
    """The connection ends without an answer."""


def fall_silent(handler: Handler, content: bytes) -> None:
    """Nothing comes until the client hangs up."""
    handler.rfile.read(1)


def refusal(status: int, code: str = "") -> Callable[[Handler, bytes], None]:
    return lambda handler, content: handler.refuse(status, code)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        # the client has read its environment when it was imported
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between its attempts
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setenv("NETWRIGHT_TORCHVISION_URL", f"{server.url}/mirror/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()
        yield server
        huggingface_hub.close_session()
        server.shutdown()


@pytest.fixture
def hub(server: Server) -> Server:
    server.publish(TINY, model=WEIGHTS, config=json.dumps(CONFIG).encode())
    return server


@pytest.fixture
def row(server: Server, monkeypatch: pytest.MonkeyPatch) -> torchvision.Published:
    """Weights of torchvision's that the server has."""
    file = f"tiny-{hashlib.sha256(WEIGHTS).hexdigest()[:8]}.pth"
    row = torchvision.Published("tiny", "IMAGENET1K_V1", file, SHOWN, True)
    server.files[f"/mirror/{file}"] = WEIGHTS
    monkeypatch.setattr(torchvision, "table", lambda: (row,))
    return row


def refused(kind: type[NetwrightError], weights: str | Path, *words: str, name: str = "") -> str:
    """The one line that fetch says when it fails, which must hold these words."""
    with pytest.raises(NetwrightError) as caught:
        fetch(weights, name)
    told = str(caught.value)
    assert type(caught.value) is kind, told
    assert "\n" not in told
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for word in words:
        assert word in told
    return told


def kept(folder: Path) -> list[str]:
    """What lies in a cache, but for locks, tags and notes."""
    files = [p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts and p.name != "CACHEDIR.TAG"]
    return sorted(p.name for p in files if p.parent.name != "refs" and ".no_exist" not in p.parts)


# ---------------------------------------------------------------- the hub


def test_a_repository_of_the_hub_is_fetched_with_its_config(hub: Server, tmp_path: Path) -> None:
    found = fetch(TINY)
    assert found == Fetched(found.path, SHOWN, ("cat", "dog"))
    assert found.path.is_relative_to(tmp_path / "hub")
    assert load_file(found.path)["fc.weight"][-1] == 49_999


@pytest.mark.parametrize("prefix", ["hf-hub:", "hf_hub:", "hf://"])
def test_a_prefix_says_that_the_hub_is_meant(hub: Server, prefix: str) -> None:
    assert fetch(prefix + TINY).preprocessing == SHOWN


def test_a_second_fetch_downloads_nothing(hub: Server) -> None:
    fetch(TINY)
    hub.asked.clear()
    fetch(TINY)
    assert not any(asked.startswith("GET") for asked in hub.asked)


def test_a_revision_is_asked_for(hub: Server) -> None:
    hub.publish(TINY, revision="v2", model=save({"other": torch.zeros(3)}))
    assert list(load_file(fetch(f"{TINY}@v2").path)) == ["other"]
    assert fetch(f"{TINY}@v2").preprocessing is None  # no config.json there
    refused(NetwrightError, f"{TINY}@v3", TINY, "no revision 'v3'")


def test_a_repository_without_safetensors_gives_its_older_file(server: Server) -> None:
    server.publish("timm/old", old=b"pickled", config=b'{"model_type": "of another library"}')
    assert fetch("timm/old") == Fetched(fetch("timm/old").path, None, None)
    assert fetch("timm/old").path.name == "pytorch_model.bin"
    server.publish("timm/none", config=b"{}")
    refused(NetwrightError, "timm/none", "neither model.safetensors nor pytorch_model.bin")


@pytest.mark.parametrize("repo", [TINY, "timm/old"])
def test_offline_the_cache_is_used(hub: Server, monkeypatch: pytest.MonkeyPatch, repo: str) -> None:
    hub.publish("timm/old", old=b"pickled")
    online = fetch(repo)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(repo) == online
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.suffer["/resolve/"] = refusal(503)
    assert fetch(repo) == online


def test_offline_without_a_cache(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(FailedError, TINY, "HF_HUB_OFFLINE", "not in the cache", TINY)
    assert hub.asked == []


def test_offline_a_config_that_may_exist_is_not_taken_for_one_that_does_not(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_hub.hf_hub_download(TINY, "model.safetensors")  # by hand: nobody asked for config.json
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(FailedError, TINY, "HF_HUB_OFFLINE")


def test_no_network(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.socket.close()
    refused(FailedError, TINY, "cannot fetch", TINY, "Connection refused", "check the network")


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (401, "RepoNotFound", NetwrightError, "has no repository timm/tiny.a1_in1k, or it is private"),
        (404, "RepoNotFound", NetwrightError, "has no repository timm/tiny.a1_in1k, or it is private"),
        (401, "GatedRepo", NetwrightError, "is gated: accept its terms"),
        (403, "GatedRepo", NetwrightError, "is gated: accept its terms"),
        (403, "", NetwrightError, "answers 403 when asked for timm/tiny.a1_in1k: check HF_TOKEN"),
        (404, "", NetwrightError, "answers 404 when asked for timm/tiny.a1_in1k: check the name, and HF_ENDPOINT"),
        (429, "", FailedError, "answers 429 when asked for timm/tiny.a1_in1k: try again later"),
        (503, "", FailedError, "answers 503 when asked for timm/tiny.a1_in1k: try again later"),
    ],
)
def test_a_repository_that_is_not_served(hub: Server, status: int, code: str, kind: type[NetwrightError], words: str) -> None:
    hub.suffer["/resolve/"] = refusal(status, code)
    refused(kind, TINY, words)


def test_a_hub_that_fails_on_the_way(hub: Server, tmp_path: Path) -> None:
    hub.suffer["model.safetensors"] = refusal(503)
    refused(FailedError, TINY, "answers 503")
    assert "model.safetensors" not in kept(tmp_path / "hub")


def test_a_server_that_is_no_hub(hub: Server) -> None:
    def page(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()

    hub.suffer["/resolve/"] = page
    refused(FailedError, TINY, "is not the hub", "HF_ENDPOINT")


def test_a_name_that_cannot_be_a_repository(server: Server) -> None:
    refused(NetwrightError, "timm/a--b", "'timm/a--b'", "owner/name")
    assert server.asked == []


@pytest.mark.parametrize(("suffer", "words"), [(cut, "cannot fetch"), (spoil, "arrives broken")])
def test_a_broken_download_leaves_nothing(
    hub: Server, tmp_path: Path, suffer: Callable[[Handler, bytes], None], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.suffer["model.safetensors"] = suffer
    refused(FailedError, TINY, words, "try again")
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert not [name for name in kept(tmp_path / "hub") if digest in name or name == "model.safetensors"]
    hub.suffer.clear()
    assert fetch(TINY).path.read_bytes() == WEIGHTS
    assert capfd.readouterr().err == ""


def test_a_file_that_broke_in_the_cache_is_fetched_again(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = fetch(TINY).path.resolve()
    blob.write_bytes(WEIGHTS[:-1])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(FailedError, TINY, "not in the cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert fetch(TINY).path.read_bytes() == WEIGHTS


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB: for a writer this is what a full disk is."""
    resource = pytest.importorskip("resource", reason="limits of a process are Unix's")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk(hub: Server, row: torchvision.Published, tmp_path: Path, full_disk: None) -> None:
    refused(FailedError, TINY, "cannot write to the cache", "File too large", "HF_HOME")
    assert "model.safetensors" not in kept(tmp_path / "hub")
    refused(FailedError, "torchvision/tiny.DEFAULT", "cannot write", "File too large", "TORCH_HOME")
    assert not list((tmp_path / "torch/hub/checkpoints").iterdir())


def test_a_cache_that_cannot_be_written(hub: Server, row: torchvision.Published, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file")
    (tmp_path / "torch").write_text("a file")
    refused(FailedError, TINY, "cannot write to the cache", "HF_HOME")
    refused(NetwrightError, "torchvision/tiny.DEFAULT", "cannot write", "TORCH_HOME")


def test_the_environment_selects_server_and_cache_and_nothing_is_said_off_a_terminal(hub: Server, tmp_path: Path) -> None:
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    code = f"from netwright.runtime.fetch import fetch; print(fetch('{TINY}').path)"
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()).is_relative_to(tmp_path / "home")
    assert run.stderr == ""


# ---------------------------------------------------------------- torchvision


@pytest.mark.parametrize("weights", ["Tiny_Weights.IMAGENET1K_V1", "torchvision/tiny.imagenet1k_v1", "torchvision/tiny.DEFAULT"])
def test_weights_of_torchvision_are_fetched_once_from_the_mirror(
    server: Server, row: torchvision.Published, tmp_path: Path, weights: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torch/hub/checkpoints" / row.file  # where torchvision looks
    assert fetch(weights) == fetch(weights) == Fetched(path, SHOWN, None)
    assert path.read_bytes() == WEIGHTS
    assert server.asked == [f"GET /mirror/{row.file}"]
    assert [p.name for p in path.parent.iterdir()] == [row.file]
    assert capfd.readouterr() == ("", "")


def test_weights_of_torchvision_by_the_networks_name(row: torchvision.Published) -> None:
    assert fetch("DEFAULT", "Tiny") == fetch("IMAGENET1K_V1", name="tiny") == fetch("torchvision/tiny.IMAGENET1K_V1")
    refused(NetwrightError, "IMAGENET1K_V1", "torchvision/resnet50.IMAGENET1K_V1")


def test_a_file_in_torchs_cache_that_is_not_what_its_name_says_is_fetched_again(
    row: torchvision.Published, tmp_path: Path
) -> None:
    path = tmp_path / "torch/hub/checkpoints" / row.file
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS[: len(WEIGHTS) // 2])
    assert fetch("torchvision/tiny.DEFAULT").path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("suffer", "words"),
    [
        (cut, "arrived broken"),
        (spoil, "arrived broken"),
        (refusal(404), "answers 404 Not Found"),
        (babble, "cannot fetch"),
        (hang_up, "cannot fetch"),
    ],
)
def test_a_broken_download_from_torchvision_leaves_nothing(
    server: Server, row: torchvision.Published, tmp_path: Path, suffer: Callable[[Handler, bytes], None], words: str
) -> None:
    server.suffer["/mirror/"] = suffer
    refused(FailedError, "torchvision/tiny.DEFAULT", words, row.file, "NETWRIGHT_TORCHVISION_URL", "try again")
    assert not list((tmp_path / "torch/hub/checkpoints").iterdir())
    server.suffer.clear()
    assert fetch("torchvision/tiny.DEFAULT").path.read_bytes() == WEIGHTS


def test_a_server_that_falls_silent_is_given_up(
    server: Server, row: torchvision.Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision, "SILENCE", 0.1)
    server.suffer["/mirror/"] = fall_silent
    refused(FailedError, "torchvision/tiny.DEFAULT", "timed out", "check the network")


def test_a_mirror_that_cannot_be_asked(row: torchvision.Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETWRIGHT_TORCHVISION_URL", "mirror")
    refused(NetwrightError, "torchvision/tiny.DEFAULT", "unknown url type", "NETWRIGHT_TORCHVISION_URL")
    monkeypatch.setenv("NETWRIGHT_TORCHVISION_URL", tmp_path.as_uri())
    refused(FailedError, "torchvision/tiny.DEFAULT", "No such file")
    (tmp_path / row.file).write_bytes(WEIGHTS)
    assert fetch("torchvision/tiny.DEFAULT").path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("weights", "name", "file"),
    [
        ("ResNet50_Weights.IMAGENET1K_V1", "", "resnet50-0676ba61.pth"),
        ("torchvision/resnet50.DEFAULT", "", "resnet50-11ad3fa6.pth"),
        ("IMAGENET1K_V2", "regnetx_004", "regnet_x_400mf-62229a5f.pth"),
        ("IMAGENET1K_V2", "regnetx_016", "regnet_x_1_6gf-a12f2b72.pth"),
        ("IMAGENET1K_V2", "regnetx_160", "regnet_x_16gf-ba3796d7.pth"),
        ("IMAGENET1K_V1", "regnety_080", "regnet_y_8gf-d0d0e4a8.pth"),
        ("DEFAULT", "regnety_1280", "regnet_y_128gf_swag-c8ce3e52.pth"),
        ("RegNet_Y_3_2GF_Weights.DEFAULT", "", "regnet_y_3_2gf-9180c971.pth"),
        ("IMAGENET1K_SWAG_E2E_V1", "regnet_y_16gf", "regnet_y_16gf_swag-43afe44d.pth"),
        ("DEFAULT", "mobilenetv2", "mobilenet_v2-7ebf99e0.pth"),
        ("DEFAULT", "mobilenetv2_100", "mobilenet_v2-7ebf99e0.pth"),
        ("ResNeXt50_32X4D_Weights.DEFAULT", "", "resnext50_32x4d-1a0047aa.pth"),
        ("DEFAULT", "vgg11_bn", "vgg11_bn-6002323d.pth"),
    ],
)
def test_names_of_weights(weights: str, name: str, file: str) -> None:
    found = torchvision.published(weights, name)
    assert found is not None
    assert found.file == file


def test_names_that_torchvision_does_not_have() -> None:
    refused(NetwrightError, "DEFAULT", "no weights of 'resnet51'", "did you mean", "resnet50", name="resnet51")
    refused(NetwrightError, "DEFAULT", "no weights of 'resnet50_v1'", name="resnet50_v1")  # another network, same shapes
    refused(NetwrightError, "DEFAULT", "no weights of 'mobilenetv2_140'", name="mobilenetv2_140")
    refused(NetwrightError, "DEFAULT", "no weights of 'qqqqqq'", "give a file", name="qqqqqq")
    refused(NetwrightError, "ResNet50_Weights.IMAGENET1K_V3", "'IMAGENET1K_V3' of resnet50: expected IMAGENET1K_V1 or")
    refused(
        NetwrightError,
        "torchvision/resnet50",
        "which of torchvision's weights of resnet50: expected IMAGENET1K_V1 or IMAGENET1K_V2 or DEFAULT",
    )


def test_the_table_of_torchvision() -> None:
    rows = torchvision.table()
    assert len({(torchvision._spelling(row.network), row.label) for row in rows}) == len(rows) == 76
    assert all(len(row.digest) == 8 and int(row.digest, 16) for row in rows)
    assert {row.network for row in rows} == {row.network for row in rows if row.default}


# ---------------------------------------------------------------- on the disk


def folder_of(path: Path, **files: str | bytes) -> Path:
    path.mkdir()
    for name, content in files.items():
        name = {"model": "model.safetensors", "old": "pytorch_model.bin", "config": "config.json"}[name]
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".th", ".bin"])
def test_a_file_is_taken_as_it_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_text("of something else")
    assert fetch(path) == fetch(str(path)) == Fetched(path, None, None)


def test_a_folder_is_read_like_a_repository(tmp_path: Path) -> None:
    new = folder_of(tmp_path / "new", model=WEIGHTS, old=b"", config=json.dumps(CONFIG))
    assert fetch(new) == fetch(new / "model.safetensors") == Fetched(new / "model.safetensors", SHOWN, ("cat", "dog"))
    old = folder_of(tmp_path / "old", old=WEIGHTS)
    assert fetch(old) == Fetched(old / "pytorch_model.bin", None, None)
    refused(NetwrightError, folder_of(tmp_path / "none"), "neither model.safetensors nor pytorch_model.bin")


def test_a_mistyped_path_is_told_from_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "resnet50.pth").touch()
    refused(NetwrightError, "resnet50.pth", "there is no weights file or folder resnet50.pth")
    refused(NetwrightError, "timm/resnet5.pth", "did you mean resnet50.pth?")
    refused(NetwrightError, "timm/qqq.a1_in1k", "write hf-hub:timm/qqq.a1_in1k")
    refused(NetwrightError, tmp_path / "nowhere", "there is no weights file or folder")
    refused(NetwrightError, Path("IMAGENET1K_V1"), "there is no weights file or folder")
    (tmp_path / "photo.jpg").touch()
    refused(NetwrightError, "photo.jpg", "not a weights file", ".safetensors, .pth")


@pytest.mark.parametrize("word", ["", "resnet50", "a/b/c", "hf-hub:tiny", "hf://", "timm/a@", "x" * 5000, "nul\0nul", "~/x.y"])
def test_a_word_that_is_nothing_lists_what_may_be_given(word: str) -> None:
    refused(NetwrightError, word, "unknown weights", "timm/resnet50.a1_in1k", "torchvision/resnet50.IMAGENET1K_V2")


# ---------------------------------------------------------------- config.json


def config_of(tmp_path: Path, text: str | bytes) -> Fetched:
    return fetch(folder_of(tmp_path / "folder", model=WEIGHTS, config=text))


def with_(**changes: Any) -> dict[str, Any]:
    return {**CONFIG, "pretrained_cfg": {**CONFIG["pretrained_cfg"], **changes}}


def test_an_older_config_has_its_keys_at_the_top(tmp_path: Path) -> None:
    flat = {"architecture": "resnet50", "num_classes": 2, "labels": ["cat", "dog"], **CONFIG["pretrained_cfg"]}
    assert config_of(tmp_path, json.dumps(flat)) == Fetched(tmp_path / "folder/model.safetensors", SHOWN, ("cat", "dog"))


def test_what_a_config_leaves_out_is_timms_default(tmp_path: Path) -> None:
    found = config_of(tmp_path, json.dumps({"architecture": "x", "pretrained_cfg": {"mean": None, "crop_pct": 0}}))
    assert found.preprocessing == SHOWN.replace(resize=256)
    assert found.classes is None


@pytest.mark.parametrize(
    ("config", "resize"),
    [
        (with_(crop_pct=0.875), 256),
        (with_(crop_pct=0.9, input_size=[3, 240, 240]), 266),  # 266.7, rounded down
        (with_(crop_pct=1, crop_mode="squash"), 224),
        (with_(crop_pct=1.0, crop_mode="border", mean=[0, 0, 0], std=[1, 1, 1]), 224),
    ],
)
def test_the_resize_of_a_config(tmp_path: Path, config: dict[str, Any], resize: int) -> None:
    found = config_of(tmp_path, json.dumps(config)).preprocessing
    assert found is not None
    assert found.resize == resize
    assert all(type(value) is float for value in found.mean + found.std)


def test_a_config_of_another_library_says_nothing(tmp_path: Path) -> None:
    found = config_of(tmp_path, json.dumps({"architectures": ["ResNetForImageClassification"], "id2label": {"0": "cat"}}))
    assert (found.preprocessing, found.classes) == (None, None)


def test_labels_with_gaps_are_no_classes(tmp_path: Path) -> None:
    assert config_of(tmp_path, json.dumps({**CONFIG, "label_names": {"0": "cat", "7": "dog"}})).classes is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        ("[" * 100_000, "recursion"),
        ("[]", "it holds no JSON object"),
        ('{"pretrained_cfg": 3}', "pretrained_cfg is 3, expected an object"),
        (with_(input_size=[3, 224]), "input_size is [3, 224], expected 3 numbers"),
        (with_(input_size=224), "input_size is 224, expected 3 numbers"),
        (with_(input_size=[3, 224, 336]), "input_size is 224 x 336, expected a square"),
        (with_(input_size=[3, 224.0, 224.0]), "image is 224.0, expected a whole number"),
        (with_(input_size=[3, 0, 0]), "image is 0"),
        (with_(input_size=[1, 28, 28]), "mean is [0.485, 0.456, 0.406], expected 1 number"),
        (with_(input_size=[3, 10**400, 10**400]), "too large"),
        (with_(crop_pct=1.2), "crop_pct is 1.2, expected a number up to 1"),
        (with_(crop_pct=-1), "crop_pct is -1"),
        (with_(crop_pct="0.9"), "crop_pct is '0.9'"),
        (with_(crop_pct=True), "crop_pct is True"),
        (with_(crop_pct=float("nan")), "crop_pct is nan"),
        (with_(crop_pct=5e-324), "infinity"),
        (with_(interpolation="hamming"), "filter is 'hamming', expected one of"),
        (with_(interpolation=["bicubic"]), "filter is ['bicubic']"),
        (with_(mean=["0", "0", "0"]), "mean is ['0', '0', '0'], expected 3 numbers"),
        (with_(mean=[float("nan")] * 3), "mean is (nan, nan, nan)"),
        (with_(std=[0, 0, 0]), "std is (0.0, 0.0, 0.0)"),
        (with_(std=[0.2, 0.2]), "std is [0.2, 0.2], expected 3 numbers"),
        ({**CONFIG, "label_names": "cat"}, "label_names is 'cat', expected a list of words"),
        ({**CONFIG, "label_names": ["cat", 2]}, "label_names is ['cat', 2]"),
        ({**CONFIG, "num_classes": 3}, "2 label_names but num_classes is 3"),
    ],
)
def test_a_malformed_config_is_told_in_one_line(tmp_path: Path, text: str | bytes | dict[str, Any], words: str) -> None:
    written = json.dumps(text) if isinstance(text, dict) else text
    folder = folder_of(tmp_path / "folder", model=WEIGHTS, config=written)
    told = refused(NetwrightError, folder, str(folder / "config.json"), words)
    assert len(told) < 400 + len(str(tmp_path))
