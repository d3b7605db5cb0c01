"""The Lab in a real Chromium: watched, dragged, played, tuned and saved, by mouse and by keyboard, narrow and wide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netwright.lab import Canyon, run
from tests.web.conftest import faults, settled
from tests.web.serving import Served

BUDGET = 30


def opened(page: Any, served: Served, words: str = f"?p=canyon;sgd.lr:0.05;adam.lr:0.2&o=sgd,adam&budget={BUDGET}") -> None:
    page.goto(f"{served.address}#lab{words}")
    page.wait_for_selector(".lab tbody tr")
    settled(page)


def cell(page: Any, optimizer: str, column: int) -> str:
    return str(page.locator("tbody tr", has_text=optimizer).locator("td").nth(column).inner_text())


def numbers(page: Any, optimizer: str) -> tuple[float, float, float, float]:
    """Evaluations, w1, w2 and loss as the table says them."""
    told = [float(cell(page, optimizer, column).replace("∞", "inf")) for column in range(1, 5)]
    return told[0], told[1], told[2], told[3]


@pytest.mark.parametrize("width", [390, 1600])
def test_by_mouse(page: Any, served: Served, width: int, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    end = run(Canyon(), "adam", {"lr": 0.2}, budget=BUDGET).steps[-1]
    assert numbers(page, "adam") == pytest.approx((BUDGET, *end.theta, end.loss), rel=1e-3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.get_by_role("button", name="To the start").click()
    assert numbers(page, "adam")[:3] == (0, -4, 1.2)
    page.get_by_role("button", name="One step on").click()
    page.get_by_label("Optimizer whose update is shown").select_option("adam")
    page.wait_for_selector(".update code:has-text('m = ')")
    assert "".join(page.locator(".update code").all_inner_texts()).startswith("m = 0.9 (0, 0) + 0.1 (-4, 36)")

    handle, plane = page.locator(".handle"), page.locator(".plane")
    handle.scroll_into_view_if_needed()
    box, around = handle.bounding_box(), plane.bounding_box()
    page.mouse.move(box["x"] + 13, box["y"] + 13)
    page.mouse.down()
    page.mouse.move(around["x"] + around["width"] * 0.75, around["y"] + around["height"] * 0.3, steps=4)
    page.mouse.up()
    start = [float(value) for value in page.locator("input.start").input_value().split(",")]
    assert start[0] > -2
    page.wait_for_function("() => location.hash.includes('start:')")
    page.get_by_role("button", name="To the start").click()
    page.wait_for_function(
        "(w1) => Math.abs(document.querySelector('tbody tr').cells[3].textContent - w1) < 1e-3 * Math.abs(w1)", arg=start[0]
    )
    assert numbers(page, "adam")[1:3] == pytest.approx(start, rel=1e-3)

    page.get_by_label("Speed").select_option("200")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(f"() => document.querySelector('.clock').textContent === '{BUDGET} / {BUDGET}'")
    page.wait_for_selector("button.play:has-text('Play')")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as JSON").click()
    content = json.loads(Path(saved.value.path()).read_text())
    assert content["start"] == pytest.approx(start, rel=1e-3)
    assert [one["optimizer"] for one in content["trajectories"]] == ["sgd", "adam"]
    assert faults(page) == []


@pytest.mark.parametrize("width", [390, 1600])
def test_by_keyboard(page: Any, served: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    page.get_by_label("Speed").select_option("2")  # so that it still plays when that is looked at
    handle = page.locator(".handle")
    page.locator(".skip").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if handle.evaluate("one => one === document.activeElement"):
            break
    assert handle.evaluate("one => one === document.activeElement")
    told = handle.get_attribute("aria-label")
    assert told.startswith("Start on canyon (condition 30): -4, 1.2")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => location.hash.includes('start:')")
    assert handle.get_attribute("aria-label") != told
    for name in ("To the start", "One step back", "Play"):
        page.keyboard.press("Tab")
        assert (
            page.evaluate("document.activeElement.textContent") == page.get_by_role("button", name=name, exact=True).inner_text()
        )
    page.keyboard.press("Enter")  # plays from the start
    page.wait_for_selector("button.play:has-text('Pause')")
    page.keyboard.press("Space")
    page.wait_for_selector("button.play:has-text('Play')")
    page.get_by_label("condition number").focus()
    page.keyboard.press("End")
    page.wait_for_selector("h2:has-text('condition 300')")
    assert page.evaluate("document.activeElement.type") == "range"
    page.get_by_label("newton", exact=True).focus()
    page.keyboard.press("Space")
    page.wait_for_selector("tbody tr:has-text('newton')")
    assert page.get_by_label("newton", exact=True).evaluate("one => one === document.activeElement")
    lr = page.get_by_label("lr of newton")
    lr.fill("x")
    assert lr.get_attribute("aria-invalid") == "true"
    lr.fill("0.5")
    page.wait_for_function("() => [...document.querySelectorAll('tbody tr')].some((row) => row.textContent.includes('lr 0.5'))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_refused_setting_is_told_and_the_tracks_stay(page: Any, served: Served) -> None:
    opened(page, served)
    before = numbers(page, "adam")
    lr = page.get_by_label("lr of sgd")
    lr.fill("-1")
    told = page.get_by_role("alert").filter(has_text="lr is -1")
    told.wait_for()
    settled(page)
    assert numbers(page, "adam") == before
    lr.fill("0.1")
    told.wait_for(state="detached")


def test_a_long_race_shows_how_far_it_is_and_gives_way(page: Any, served: Served) -> None:
    jobs = served.app.state.workbench.jobs
    opened(page, served, "?p=sphere&o=lamb,muon,newton&budget=1000&starts=1")
    page.locator("[data-name='starts']").fill("40")
    page.locator(".view progress[max]").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("The race: cancelled").wait_for()
    page.locator(".view progress").wait_for(state="detached")
    assert jobs.working == []
    page.get_by_label("kind").select_option("saddle")  # its lines are there before anybody has walked over them
    page.locator(".view progress[max]").wait_for()
    page.locator(".view h2", has_text="saddle").wait_for()
    assert page.locator(".handle").get_attribute("aria-label").startswith("Start on saddle")
    page.locator("[data-name='starts']").fill("39")
    page.locator(".view progress[max]").wait_for()
    page.locator("[data-name='starts']").fill("1")  # what is wanted now does not wait for what was wanted before
    page.locator(".view progress").wait_for(state="detached")
    page.wait_for_function("() => !document.querySelector('.where caption').textContent.includes('starts')")
    assert jobs.working == []


def test_tuning_side_by_side_and_the_link(page: Any, served: Served) -> None:
    opened(page, served)
    page.get_by_role("button", name="Tune on this landscape").click()
    page.wait_for_selector("text=Tuned from this start.")
    lr = float(page.get_by_label("lr of sgd").input_value())
    page.get_by_role("button", name="Add a landscape").click()
    page.wait_for_function("() => document.querySelectorAll('.view').length === 2")
    page.wait_for_function("() => location.hash.split('p=').length === 3")
    page.wait_for_selector("h2:has-text('Landscape 2 of 2')")
    link = page.url.replace("#", f"?token={served.address.partition('token=')[2]}#")
    assert f"sgd.lr:{lr:g}" in link
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("h2:has-text('Landscape 2 of 2')")
    page.wait_for_function("() => document.querySelectorAll('.view h2').length === 2")
    page.get_by_role("button", name="Edit").first.click()
    page.wait_for_selector("h2:has-text('Landscape 1 of 2')")
    assert float(page.get_by_label("lr of sgd").input_value()) == lr
    assert faults(page) == []


def test_a_link_of_nonsense_opens_what_it_can(page: Any, served: Served) -> None:
    opened(
        page,
        served,
        "?p=hill;x:1&p=saddle;rotate:x;toString:3;start:1;sgd.lr:;toString.lr:3&o=adam,__proto__&budget=1e99&starts=-3&active=7",
    )
    assert page.locator(".view h2").all_inner_texts() == ["saddle"]
    assert page.locator("tbody tr").count() == 1


def test_tuning_can_be_cancelled(page: Any, served: Served) -> None:
    opened(page, served, "?p=canyon&o=sgd,momentum,nesterov,adam,muon,lamb&budget=1000")
    page.get_by_role("button", name="Tune on this landscape").click()
    page.wait_for_selector("progress")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("#toast:has-text('Tuning: cancelled')")
    assert page.locator("progress").count() == 0
    assert "not tuned" in page.locator(".controls").inner_text()


def test_what_is_cancelled_before_its_start_is_answered_is_cancelled(page: Any, served: Served) -> None:
    opened(page, served, "?p=canyon&o=sgd,momentum,nesterov,adam&budget=1000")
    page.evaluate(
        """() => {
          const real = window.fetch;
          window.fetch = async (...asked) => {
            const answer = await real(...asked);
            if (String(asked[0]).endsWith("/lab/tune")) await new Promise((done) => setTimeout(done, 1000));
            return answer;
          };
        }"""
    )
    page.get_by_role("button", name="Tune on this landscape").click()
    page.wait_for_selector("progress")
    with page.expect_response(lambda answer: answer.url.endswith("/cancel")) as cancelled:
        page.get_by_role("button", name="Cancel").click()
    assert cancelled.value.ok


def test_by_touch(page: Any, served: Served) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    opened(page, served)
    told = page.locator(".handle").get_attribute("aria-label")
    box = page.locator(".handle").bounding_box()
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, far in (("touchStart", 0), ("touchMove", 40), ("touchMove", 90), ("touchEnd", 90)):
        points = [] if kind == "touchEnd" else [{"x": box["x"] + 13 + far, "y": box["y"] + 13}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("() => location.hash.includes('start:')")
    moved = page.locator(".handle").bounding_box()
    assert moved["x"] == pytest.approx(box["x"] + 90, abs=2)
    assert page.locator(".handle").get_attribute("aria-label") != told


def test_another_link_in_the_same_tab(page: Any, served: Served) -> None:
    opened(page, served)
    page.evaluate("() => { location.hash = '#lab?p=saddle&p=sphere&o=momentum&active=1'; }")
    page.wait_for_function("() => document.querySelector('.where caption')?.textContent === 'sphere'")
    assert page.locator(".view h2").all_inner_texts() == ["saddle", "sphere"]
    page.get_by_role("link", name="Lab").click()
    page.wait_for_function("() => location.hash.includes('p=saddle')")
    assert page.locator(".view").count() == 2


GROUND = """async (image) => {
  await image.decode();
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(2, 2, 1, 1).data];
}"""


def test_a_figure_of_the_notes_in_the_page_s_colours(page: Any, served: Served) -> None:
    page.emulate_media(color_scheme="dark")
    opened(page, served)
    page.get_by_label("figure", exact=True).select_option("newton")
    page.get_by_role("button", name="Draw").click()
    page.wait_for_selector(".lab figure img")
    assert page.locator(".lab figure img").evaluate("one => one.decode().then(() => one.naturalWidth)") > 100
    assert "parabola" in page.locator(".lab figure img").get_attribute("alt")
    assert "parabola" in page.locator(".lab figcaption").inner_text()
    assert page.locator(".lab figure img").evaluate(GROUND) == [0x16, 0x18, 0x1D, 255]
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"async () => ({GROUND})(document.querySelector('.lab figure img')).then(([red]) => red === 255)")
    assert faults(page) == []
