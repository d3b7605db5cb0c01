"""Completion as shells ask for it: through a real bash, and by the protocols of zsh and fish."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import COMMANDS, main
from netwright.cli.completion_command import SHELLS

Capture = pytest.CaptureFixture[str]


def completed(words: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture, shell: str = "bash") -> list[str]:
    """What the shell is told for the last of the words, which may be empty."""
    monkeypatch.setenv("_NETWRIGHT_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", words.split(" ")[-1] if shell == "fish" else str(len(words.split(" ")) - 1))
    with pytest.raises(SystemExit):
        main([])
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("netwright co", ["plain,cost", "plain,compare", "plain,completion"]),
        ("netwright cost regnetx_00", [f"plain,{name}" for name in nw.networks("regnetx_00*")]),
        ("netwright compare resnet18 squeezenet1_", ["plain,squeezenet1_0", "plain,squeezenet1_1"]),
        ("netwright train resnet18 di", ["plain,digits"]),
        ("netwright cost resnet18 --opt", ["plain,--optimizer"]),
        ("netwright cost resnet18 --optimizer adam", ["plain,adam", "plain,adamw"]),
        ("netwright cost resnet18 --by st", ["plain,stage"]),
        ("netwright search digits --space regnetx_", ["plain,regnetx_constrained", "plain,regnetx_whole"]),
        ("netwright claims ru", ["plain,run"]),
        ("netwright completion z", ["plain,zsh"]),
        ("netwright predict photos-", ["file,photos-"]),
        ("netwright cost resnet18 -o ta", ["file,ta"]),
        ("netwright nothing resn", [""]),  # no such command: nothing to offer, and no complaint in the middle of a line
    ],
)
def test_a_shell_is_told_what_may_follow(words: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert completed(words, monkeypatch, capsys) == wanted


def test_every_command_is_offered_with_what_it_does(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    lines = completed("netwright ", monkeypatch, capsys, "zsh")  # three lines for each: kind, word, help
    assert list(zip(lines[1::3], lines[2::3], strict=True)) == list(COMMANDS.items())


def test_fish_is_answered_too(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert completed("netwright cost vgg19", monkeypatch, capsys, "fish") == ["plain,vgg19", "plain,vgg19_bn"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_calls_back(shell: str, capsys: Capture) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_NETWRIGHT_COMPLETE={shell}_complete" in script
    assert {"bash": "complete -o nosort -F", "zsh": "#compdef netwright", "fish": "complete --no-files --command netwright"}[
        shell
    ] in script


def test_other_shells_are_refused_in_one_line(capsys: Capture) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_real_bash_completes(tmp_path: Path) -> None:
    program = tmp_path / "netwright"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m netwright "$@"\n')
    program.chmod(0o755)
    asked = """
        eval "$(netwright completion bash)"
        COMP_WORDS=(netwright cost parnet_) COMP_CWORD=2
        $(complete -p netwright | sed 's/.*-F \\([^ ]*\\).*/\\1/') netwright
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(nw.__file__).parents[1])}
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True, env=os.environ | paths, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.split() == nw.networks("parnet_*")


def test_completing_a_network_loads_neither_torch_nor_numpy() -> None:
    asked = {"_NETWRIGHT_COMPLETE": "bash_complete", "COMP_WORDS": "netwright cost res", "COMP_CWORD": "2"}
    code = (
        "import sys, atexit; from netwright.cli import main\n"
        "atexit.register(lambda: print([name for name in ('torch', 'numpy', 'optuna') if name in sys.modules]))\n"
        "main([])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | asked, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "plain,resnet50" in done.stdout.splitlines()
