"""The Studies room in a real Chromium, by mouse and by keyboard; hostile names are shown as text."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import netwright as nw
from tests.web.conftest import faults
from tests.web.kept import HOSTILE
from tests.web.serving import Served, serving


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as made:
        yield made


@pytest.fixture
def study(root: Path) -> nw.Study:
    return nw.read_study(str(root / "sub" / HOSTILE), run_files=False)


def opened(page: Any, served: Served, words: str = "") -> None:
    page.goto(f"{served.address}#studies{words}")
    page.locator(".found button").first.wait_for()


@pytest.mark.parametrize("width", [390, 1600])
def test_a_study_is_opened_by_mouse_and_a_trial_of_it(page: Any, served: Served, study: nw.Study, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    page.get_by_role("button", name=HOSTILE).click()
    page.get_by_role("heading", name=HOSTILE).wait_for()
    page.get_by_role("img", name="Accuracy against macs").locator("svg").wait_for()
    page.get_by_role("img", name="Error distribution").locator("svg").wait_for()
    page.get_by_role("img", name="Learning curves").locator("svg").wait_for()
    assert page.locator("img[src=x]").count() == 0
    best = study.best
    page.get_by_role("button", name="macs").click()  # sorted: the one with most first
    page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=f"{best.number} ★", exact=True)).click()
    trial = page.get_by_role("region", name=f"Trial {best.number}", exact=True)
    trial.get_by_text(f"{best.macs:,}").first.wait_for()
    assert trial.get_by_label("The design").inner_text() == repr(best.design)
    assert faults(page) == []
    trial.get_by_role("link", name="Open in the Design room").click()
    page.wait_for_selector(".room.design h1")
    page.get_by_text(f"{nw.cost(best.design).macs:,}").first.wait_for()


@pytest.mark.parametrize("width", [390, 1600])
def test_a_study_is_walked_through_by_keyboard(page: Any, served: Served, study: nw.Study, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    page.get_by_label("Filter by name").focus()
    page.keyboard.type("onerror")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    first = page.get_by_role("row").filter(has_text="complete").first
    first.wait_for()
    page.locator('tr[tabindex="0"]').focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    last = study[-1].number
    page.get_by_role("region", name=f"Trial {last}", exact=True).wait_for()
    assert f"trial={last}" in page.url
    assert page.evaluate("document.activeElement.ariaLabel") == f"Trial {last}"
    page.keyboard.press("Escape")
    page.get_by_role("region", name=f"Trial {last}", exact=True).wait_for(state="hidden")


def test_a_failed_trial_tells_its_reason_as_text(page: Any, served: Served, study: nw.Study) -> None:
    failed = next(trial for trial in study if trial.status == "failed")
    identity = next(item["id"] for item in served.get("/studies/list")["items"] if item["kind"] == "study")
    opened(page, served, f"?id={identity}&trial={failed.number}")
    page.get_by_role("region", name=f"Trial {failed.number}", exact=True).get_by_text(HOSTILE).first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_a_run_and_its_report(page: Any, served: Served, root: Path) -> None:
    opened(page, served)
    page.get_by_role("button", name="run run").or_(
        page.locator(".found button").filter(has_text="run").filter(has_not_text="sub")
    ).first.click()
    right = json.loads((root / "run" / "result.json").read_text())["accuracy"]["top1"]
    page.locator("strong").filter(has_text=f"{100 * right:.1f} %").wait_for()
    page.get_by_role("img", name="Accuracy over 3 epochs").locator("svg").wait_for()
    page.get_by_role("button", name="Open the report").click()
    frame = page.frame_locator("iframe")
    frame.get_by_text("netwright train").first.wait_for()
    assert frame.locator("svg").count() > 0
    page.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="detached")


def test_a_run_is_followed_as_it_goes_on(new_page: Any, tmp_path: Path, root: Path) -> None:
    shutil.copytree(root / "run", tmp_path / "run")
    folder = tmp_path / "run"
    for name in ("result.json", "report.html", "design.json"):
        (folder / name).unlink()
    log = (folder / "work" / "log.jsonl").read_text().splitlines(keepends=True)
    epochs = [i for i, line in enumerate(log) if '"event": "epoch"' in line]
    (folder / "work" / "log.jsonl").write_text("".join(log[: epochs[0] + 1]))
    own = new_page()
    with serving(tmp_path) as served:
        own.goto(f"{served.address}#studies")
        own.locator(".found button").click()
        own.get_by_text("netwright train: 1 epoch done.").wait_for()
        with (folder / "work" / "log.jsonl").open("a") as file:
            file.write("".join(log[epochs[0] + 1 : epochs[1] + 1]))
        own.get_by_text("netwright train: 2 epochs done.").wait_for()
        shutil.copy(root / "run" / "result.json", folder / "result.json")
        own.get_by_text("held-out pictures right").wait_for()


def test_an_empty_folder_says_how_to_begin(new_page: Any, tmp_path: Path) -> None:
    own = new_page()
    with serving(tmp_path) as served:
        own.goto(f"{served.address}#studies")
        own.get_by_text("--root FOLDER").wait_for()


def test_it_is_readable_by_everybody_narrow_and_dark(page: Any, served: Served) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, served)
    page.get_by_role("button", name=HOSTILE).click()
    page.get_by_role("img", name="Error distribution").locator("svg").wait_for()
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_read_in_the_page_s_colours(page: Any, served: Served, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, served)
    page.locator(".found button").filter(has_not_text="sub").first.click()
    page.get_by_role("button", name="Open the report").click()
    page.frame_locator("iframe").locator("figure svg").first.wait_for()
    grey = Image.open(io.BytesIO(page.locator("iframe").screenshot())).convert("L")
    ground, (least, most) = grey.getpixel((4, 4)), grey.getextrema()
    assert (ground > 230, least < 40) == (True, True) if scheme == "light" else (ground < 40, most > 200) == (True, True)


def test_no_name_below_a_chart_is_cut_off_where_it_is_narrow(page: Any, served: Served) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, served)
    page.locator(".found button").filter(has_not_text="sub").first.click()
    chart = page.get_by_role("img", name="Accuracy over 3 epochs")
    chart.locator("svg").wait_for()
    box = chart.bounding_box()
    for name in ("training pictures, augmented", "validation pictures", "held-out pictures"):
        text = chart.locator("text", has_text=name).bounding_box()
        assert box["x"] <= text["x"]
        assert text["x"] + text["width"] <= box["x"] + box["width"]
