"""The reader of pages itself: what it takes for a block, and that a page that shows the wrong thing fails."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.docs import needs, running
from tests.docs.pages import Page, PageError, as_shown, parse
from tests.docs.running import run_page

FENCE = "```"


def page(text: str) -> Page:
    return parse(text.replace("'''", FENCE))


def wrong_on(text: str, folder: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    return run_page(page(text), folder)


# ---------------------------------------------------------------- what is on a page


def test_blocks_come_in_order_with_what_is_shown_after_them() -> None:
    made = page(
        "a\n'''sh\nls\n'''\nwords\n\n'''text\nx.py\n'''\n'''python title=\"x.py\"\ny = 1\n'''\n'''python\nprint(1)\n'''\n"
    )
    assert [(b.line, b.language, b.text, b.title, b.shown) for b in made.blocks] == [
        (2, "sh", "ls\n", None, "x.py\n"),
        (10, "python", "y = 1\n", "x.py", None),
        (13, "python", "print(1)\n", None, None),
    ]


def test_comments_say_what_is_needed_left_out_and_refused() -> None:
    made = page(
        "<!-- needs: cifar10 = pictures -->\n<!-- needs: postgresql -->\n"
        "<!-- not run: it fetches -->\n'''sh\ncurl\n'''\n<!-- exit: 2 -->\n'''sh\nfalse\n'''\n'''\njust words\n'''\n"
    )
    assert made.needs == [("cifar10", "pictures"), ("postgresql", "postgresql")]
    assert [(b.text, b.exit) for b in made.blocks] == [("false\n", 2)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("'''text\nx\n'''\n", "line 1: there is no block whose output"),
        ("'''sh\nls\n'''\n'''text\nx\n'''\n'''text\nx\n'''\n", "line 7: there is no block whose output"),
        ("<!-- not run: why -->\n'''sh\nls\n'''\n'''text\nx\n'''\n", "line 5: there is no block whose output"),
        ("'''python title=\"x.py\"\ny = 1\n'''\n'''text\nx\n'''\n", "line 4: there is no block whose output"),
        ("<!-- exit: 2 -->\n", "no block follows: exit"),
    ],
)
def test_a_page_that_means_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(PageError, match=says):
        page(text)


# ---------------------------------------------------------------- what is shown, and what is printed


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb\n", "\na  \nb\n\n"),
        ("a ... c\n", "a b c\n"),
        ("...\nb\n", "b\n"),
        ("...\nb\n...\n", "1\n2\nb\nb\n3\n"),
        ("...\nb\n", "b\na\nb\n"),
        ("... %\n", "12.5 %\n"),
        ("", "\n"),
        ("a (b) [c]*\n", "a (b) [c]*\n"),
    ],
)
def test_what_agrees(shown: str, printed: str) -> None:
    assert as_shown(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed", "says"),
    [
        ("a\nb\n", "a\nc\n", "shown:\n  b\nprinted:\n  c"),
        ("a\n", "a\nb\n", "shown:\n  (nothing more)\nprinted:\n  b"),
        ("a\nb\n", "a\n", "shown:\n  b\nprinted:\n  (nothing more)"),
        ("a\n...\nz\n", "a\nb\nc\n", "shown:\n  z\nprinted:\n  b\n  c"),
        ("a ... c\n", "a b\n", "shown:\n  a ... c\nprinted:\n  a b"),
        ("", "a\n", "shown:\n  (nothing more)\nprinted:\n  a"),
        ("a.c\n", "abc\n", "shown:\n  a.c\nprinted:\n  abc"),
        ("...\nb\n", "b\na\n", "printed:\n  a"),
    ],
)
def test_what_differs_is_said_where_it_begins(shown: str, printed: str, says: str) -> None:
    differs = as_shown(shown, printed)
    assert differs is not None
    assert says in differs


# ---------------------------------------------------------------- what a page needs


def test_what_is_needed_stands_under_the_name_that_the_page_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, folder = tmp_path / "data", tmp_path / "reader"
    (data / "weights").mkdir(parents=True)
    (data / "weights" / "long-name.bin").write_bytes(b"w")
    folder.mkdir()
    needed = page("<!-- needs: weights/long-name.bin = mine.bin -->\n")
    monkeypatch.setattr(needs, "SHARED", data)
    with needs.supplied(needed, folder) as variables:
        assert (folder / "mine.bin").read_bytes() == b"w"
        assert variables == {}
    with pytest.raises(FileNotFoundError), needs.supplied(page("<!-- needs: weights/other -->\n"), folder):
        pass
    monkeypatch.setattr(needs, "SHARED", tmp_path / "nowhere")
    with pytest.raises(pytest.skip.Exception, match="set NETWRIGHT_SHARED"), needs.supplied(needed, folder):
        pass


# ---------------------------------------------------------------- pages that are run


def test_a_page_runs_as_a_reader_would(tmp_path: Path) -> None:
    """One shell that keeps its variables, folder and background, one Python that keeps its names, files where they belong."""
    text = """
'''python title="parts/mine.py"
print("mine runs")
'''
'''sh
export WORD=kept
cd parts
sleep 100 &
'''
'''sh
echo $WORD in $(basename $PWD); echo to the other stream >&2
python mine.py
'''
'''text
kept in parts
to the other stream
mine runs
'''
'''sh
kill %1
cat
'''
'''python
import os
word = "from before"
'''
'''python
print(word, sorted(os.listdir()))
'''
'''text
from before ['parts']
'''
'''sh
netwright --version
'''
'''text
netwright ...
'''
"""
    assert wrong_on(text, tmp_path / "reader") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("'''sh\necho 2\n'''\n'''text\n1\n'''\n", "line 1: echo 2\nshown:\n  1\nprinted:\n  2"),
        ("'''python\nprint(2)\n'''\n'''text\n1\n'''\n", "line 1: print(2)\nshown:\n  1\nprinted:\n  2"),
        ("'''sh\nfalse\necho on\n'''\n", "line 1: exit code 1, not 0"),
        ("'''sh\nfalse | true\n'''\n", "line 1: exit code 1, not 0"),
        ("'''sh\nexit 3\n'''\n", "line 1: exit code 3, not 0"),
        ("<!-- exit: 2 -->\n'''sh\ntrue\n'''\n", "line 2: exit code 0, not 2"),
        ("'''python\nnothing\n'''\n", "NameError: name 'nothing' is not defined"),
        ("'''python\nraise SystemExit(1)\n'''\n", "line 1: exit code 1, not 0"),
        ("'''sh\nnetwright cost resnet51\n'''\n", "line 1: exit code 2, not 0"),
        ("'''python\nimport os\nos._exit(4)\n'''\n", "line 1: exit code 4, not 0"),
    ],
)
def test_a_page_that_is_wrong_fails(text: str, says: str, tmp_path: Path) -> None:
    (wrong,) = wrong_on(text, tmp_path / "reader")
    assert says in wrong


def test_what_follows_a_failure_is_still_looked_at(tmp_path: Path) -> None:
    found = wrong_on("'''sh\nfalse\n'''\n'''sh\necho 1\n'''\n'''text\n2\n'''\n", tmp_path / "reader")
    assert [text.split(":")[0] for text in found] == ["line 1", "line 4"]


@pytest.mark.parametrize("hangs", ["'''sh\nsleep 1000\n'''\n", "'''python\nwhile True: pass\n'''\n"])
def test_a_page_that_hangs_is_ended(hangs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SECONDS", 1.0)
    (wrong, _) = wrong_on(hangs + "'''sh\ntrue\n'''\n", tmp_path / "reader")
    assert "ended after 1 s" in wrong


def test_nothing_that_a_page_starts_is_left_running(tmp_path: Path) -> None:
    assert wrong_on("'''sh\nsleep 1000 & echo $! > pid\n'''\n", tmp_path / "reader") == []
    state = Path("/proc") / (tmp_path / "reader" / "pid").read_text().strip() / "stat"
    for _ in range(1000):  # it is killed, and gone a moment later
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    raise AssertionError("it goes on")
