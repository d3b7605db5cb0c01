from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netwright.errors import FailedError, NetwrightError
from netwright.files import Output, read_json, write_json, write_text, writing

ARGUMENTS: dict[str, Any] = {"data": "photos", "seed": 0}


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "old")
    with pytest.raises(UnicodeEncodeError), writing(tmp_path / "a" / "b.txt") as temporary:
        temporary.write_text("half of the n\ud800", encoding="utf-8")
    assert (tmp_path / "a" / "b.txt").read_text() == "old"
    assert list((tmp_path / "a").iterdir()) == [tmp_path / "a" / "b.txt"]


def test_a_full_disk_is_one_error_and_keeps_the_old_file() -> None:
    """/dev/full refuses every byte, as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    program = (
        "import os, sys; from pathlib import Path; from netwright import files; "
        "files.tempfile.mkstemp = lambda **k: (os.open('/dev/full', os.O_RDWR), '/dev/full'); "
        "files.Path.unlink = lambda self, missing_ok=False: None\n"
        "try: files.write_text(Path('x.json'), 'x' * 100000)\n"
        "except files.FailedError as error: print(error); sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "No space left on device" in done.stdout


def test_an_unwritable_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NetwrightError, match=r"cannot write .*: Not a directory") as error:
        write_json(tmp_path / "file" / "x.json", {})
    assert not isinstance(error.value, FailedError)  # the user's to mend, unlike a full disk


def begun(folder: Path) -> Output:
    """A folder whose run was interrupted."""
    output = Output(folder)
    with output.claimed("train", ARGUMENTS) as goes_on:
        assert not goes_on
        write_text(output.work / "checkpoint.pt", "state")
    return output


def test_nothing_is_left_of_a_run_that_came_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Output(tmp_path / "a" / "run").claimed("train", ARGUMENTS):
        raise KeyboardInterrupt
    assert not (tmp_path / "a" / "run").exists()


def test_a_run_killed_before_its_first_work_may_be_started_otherwise(tmp_path: Path) -> None:
    output = Output(tmp_path / "run")
    write_json(output.work / "command.json", {"command": "train", "arguments": ARGUMENTS})
    with output.claimed("design", {"seed": 3}) as goes_on:
        assert not goes_on


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    output = begun(tmp_path / "run")
    (output.folder / ".model.onnx.x1.part").write_text("half")
    (output.work / ".checkpoint.pt.x2.part").write_text("half")
    with output.claimed("train", ARGUMENTS):
        assert list(output.folder.rglob("*.part")) == []


def test_a_new_folder_is_claimed_and_gone_on_with(tmp_path: Path) -> None:
    output = begun(tmp_path / "run")
    with output.claimed("train", dict(ARGUMENTS)) as goes_on:
        assert goes_on
    write_json(output.result, {})
    with pytest.raises(NetwrightError, match="holds a finished run"), output.claimed("train", ARGUMENTS):
        pass


def test_other_arguments_are_refused_and_listed(tmp_path: Path) -> None:
    output = begun(tmp_path / "run")
    with (
        pytest.raises(NetwrightError, match=r"seed 0, now 1; image None, now 64"),
        output.claimed("train", {**ARGUMENTS, "seed": 1, "image": 64}),
    ):
        pass
    with pytest.raises(NetwrightError, match="command train, now design"), output.claimed("design", ARGUMENTS):
        pass


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(NetwrightError, match=r"holds other files \(thesis\.tex\)"), Output(tmp_path).claimed("train", {}):
        pass
    with pytest.raises(NetwrightError, match="is a file"), Output(tmp_path / "thesis.tex").claimed("train", {}):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    output = Output(tmp_path / "run")
    program = (
        "import sys; from pathlib import Path; from netwright.files import Output\n"
        "with Output(Path(sys.argv[1])).claimed('train', {'data': 'photos', 'seed': 0}): print('in')"
    )
    with output.claimed("train", ARGUMENTS):
        done = subprocess.run([sys.executable, "-c", program, str(output.folder)], capture_output=True, text=True, check=False)
        assert "another process is at work" in done.stderr
    done = subprocess.run([sys.executable, "-c", program, str(output.folder)], capture_output=True, text=True, check=False)
    assert done.stdout == "in\n"


def test_broken_json_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(NetwrightError, match="is not JSON"):
        read_json(tmp_path / "x.json")
