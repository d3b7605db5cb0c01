"""The page in a real Chromium: the shell and the Design room, by mouse and by keyboard, narrow and wide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import netwright as nw
from tests.web.conftest import faults, settled
from tests.web.serving import Served, serving


def opened(page: Any, served: Served, room: str = "design") -> None:
    page.goto(f"{served.address}#{room}")
    page.wait_for_selector(f".room.{room} h1")


def costs(page: Any, macs: int) -> None:
    """Wait until the room shows a network of so many macs."""
    page.get_by_text(f"{macs:,}", exact=True).first.wait_for()


# ---------------------------------------------------------------- the shell


def test_the_rooms_open_and_the_token_leaves_the_address(page: Any, served: Served) -> None:
    opened(page, served)
    assert "token" not in page.url
    for room in ("Lab", "Studies", "Predict", "Design"):
        page.get_by_role("link", name=room, exact=True).click()
        page.wait_for_selector(f".room.{room.lower()} h1")
        assert page.get_by_role("link", name=room, exact=True).get_attribute("aria-current") == "page"
        assert page.title().startswith(room)


def test_the_rooms_are_reached_by_keyboard(page: Any, served: Served) -> None:
    opened(page, served)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the room"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Lab"
    page.keyboard.press("Enter")
    page.wait_for_selector(".room.lab h1")


def test_without_the_token_it_asks_for_it_and_takes_the_pasted_address(new_page: Any, served: Served) -> None:
    page = new_page()
    page.goto(f"{served.origin}/#design")
    page.get_by_label("Paste the address").fill(served.address)
    page.keyboard.press("Enter")
    costs(page, 4_089_184_256)
    assert page.locator("#banner").is_hidden()


def test_a_lost_server_is_told_and_found_again(new_page: Any, tmp_path: Path) -> None:
    page = new_page()
    with serving(tmp_path) as served:
        opened(page, served)
        costs(page, 4_089_184_256)
    page.get_by_label("Width ×").fill("2")
    banner = page.get_by_role("alert").filter(has_text="does not answer")
    banner.wait_for()
    with serving(tmp_path, served.port):
        banner.wait_for(state="hidden")
        page.get_by_text("resnet50, scaled", exact=True).first.wait_for()  # what was asked while it was away


# ---------------------------------------------------------------- the Design room


@pytest.mark.parametrize("width", [390, 1600])
def test_a_network_is_chosen_by_mouse(page: Any, served: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    box = page.get_by_role("combobox", name="Network")
    box.click()
    box.fill("efficientnet b0")
    page.get_by_role("option", name="efficientnet_b0").click()
    costs(page, nw.cost(nw.network("efficientnet_b0")).macs)
    assert box.input_value() == "efficientnet_b0"
    assert "net=efficientnet_b0" in page.url


@pytest.mark.parametrize("width", [390, 1600])
def test_a_network_is_chosen_by_keyboard(page: Any, served: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, served)
    costs(page, 4_089_184_256)
    box = page.get_by_role("combobox", name="Network")
    box.focus()
    page.keyboard.type("resnet1")
    options = page.get_by_role("option").filter(has_text="resnet1")
    options.first.wait_for()
    names = [text.split("\n")[0] for text in options.all_inner_texts()]
    for _ in range(names.index(next(name for name in names if name.startswith("resnet18")))):
        page.keyboard.press("ArrowDown")
    active = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    costs(page, nw.cost(nw.network("resnet18")).macs)
    box.press("ArrowDown")
    page.keyboard.press("Escape")
    assert box.input_value() == "resnet18"


def test_sliders_scale_it(page: Any, served: Served) -> None:
    opened(page, served)
    slider = page.get_by_label("Compound scaling φ")
    slider.focus()
    for _ in range(10):  # tenths
        page.keyboard.press("ArrowRight")
    costs(page, nw.scale("resnet50", phi=1).cost.macs)
    page.get_by_role("button", name="As published").click()
    costs(page, 4_089_184_256)
    page.get_by_label("Resolution ×").fill("0.5")
    costs(page, nw.cost(nw.network("resnet50"), image=112).macs)


def test_a_family_that_does_not_scale_says_so_beside_the_sliders(page: Any, served: Served) -> None:
    page.goto(f"{served.address}#design?net=inception_resnet_v2")
    costs(page, nw.cost(nw.network("inception_resnet_v2")).macs)
    page.get_by_label("Width ×").fill("1.5")
    page.get_by_text("InceptionResNetV2 has no widths to scale").wait_for()


def test_fields_are_edited_and_what_is_wrong_stands_beside_them(page: Any, served: Served) -> None:
    opened(page, served)
    depths = page.get_by_label("depths")
    depths.fill("2, 2, 0, 2")
    told = page.get_by_text("ResNet: depths is (2, 2, 0, 2), expected a tuple whose item 2 is a whole number at least 1")
    told.wait_for()
    assert depths.get_attribute("aria-invalid") == "true"
    assert depths.get_attribute("aria-describedby") == told.get_attribute("id")
    depths.fill("2, 2, 2, 2")
    told.wait_for(state="hidden")
    page.get_by_label("block is").select_option("Basic")
    costs(page, nw.cost(nw.network("resnet18")).macs)
    page.get_by_label("squeeze is").select_option("SqueezeExcite")
    page.get_by_label("ratio").fill("0.5")
    asked = nw.network("resnet18").fields()["block"]
    squeezed = nw.network(
        "resnet18", block=asked.replace(squeeze=nw.from_json('{"schema": 1, "type": "SqueezeExcite", "ratio": 0.5}'))
    )
    costs(page, nw.cost(squeezed).macs)


def test_stages_are_edited(page: Any, served: Served) -> None:
    page.goto(f"{served.address}#design?net=mobilenet_v2")
    net = nw.network("mobilenet_v2")
    costs(page, nw.cost(net).macs)
    page.locator(".nested summary").nth(1).click()
    page.get_by_role("button", name="One more like it").first.click()
    stages = net.fields()["stages"]
    costs(page, nw.cost(net.replace(stages=(*stages[:2], *stages[1:]))).macs)


def test_rows_and_boxes_mark_each_other(page: Any, served: Served) -> None:
    opened(page, served)
    row = page.get_by_role("row").filter(has_text="layer1.0.conv2")
    settled(page)
    row.hover()
    assert page.locator("svg [data-rows].hot").count() == 1
    places = page.locator("svg [data-rows].hot").get_attribute("data-rows").split()
    made = nw.cost(nw.network("resnet50"))
    assert "layer1.0.conv2" in [made.flat.rows[int(place)].name for place in places]
    box = page.locator("svg [data-rows]").last
    box.click()
    page.locator("tr.hot").filter(has_text="fc").wait_for()


def test_layers_are_walked_through_by_keyboard(page: Any, served: Served) -> None:
    opened(page, served)
    page.get_by_role("row").filter(has_text="conv1").first.focus()
    page.keyboard.press("End")
    assert "fc" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert "bn1" in page.evaluate("document.activeElement.textContent")
    assert page.locator("tr.hot").count() == 1
    page.locator('svg [data-rows][tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("svg [data-rows].hot").count() == 1


def test_a_long_table_draws_only_what_is_seen(page: Any, served: Served) -> None:
    page.goto(f"{served.address}#design?net=efficientnet_b7")
    page.get_by_role("grid", name="Layers").get_by_text("conv_stem").wait_for()
    assert int(page.get_by_role("grid", name="Layers").get_attribute("aria-rowcount")) > 800
    assert page.locator("tr[data-line]").count() < 80
    page.get_by_role("row").filter(has_text="conv_stem").focus()
    page.keyboard.press("End")
    page.get_by_role("row").filter(has_text="classifier").wait_for()
    assert page.locator("tr[data-line]").count() < 80


def test_networks_stand_side_by_side(page: Any, served: Served) -> None:
    opened(page, served)
    costs(page, 4_089_184_256)
    page.get_by_role("button", name="Put side by side").click()
    page.get_by_label("Resolution ×").fill("2")
    costs(page, nw.cost(nw.network("resnet50"), image=448).macs)
    page.get_by_role("button", name="Put side by side").click()
    section = page.get_by_role("region", name="Comparison")
    section.get_by_text("× 4.0").first.wait_for()
    page.reload()  # the link holds it
    section.get_by_text("× 4.0").first.wait_for()
    section.get_by_role("button", name="Remove resnet50", exact=True).click()
    section.get_by_text("× 4.0").first.wait_for(state="detached")


def test_it_is_copied_as_python_and_as_a_command(new_page: Any, served: Served) -> None:
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{served.address}#design?net=resnet18&resolution=1.5")
    costs(page, nw.cost(nw.network("resnet18"), image=336).macs)
    page.get_by_role("button", name="Copy as command").click()
    page.get_by_text("command is copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "netwright cost resnet18 --image 336"
    page.get_by_role("button", name="Copy as Python").click()
    page.get_by_text("Python is copied").wait_for()
    assert "nw.network('resnet18', resolution=336)" in page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("link is copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").endswith("#design?net=resnet18&resolution=1.5")


def test_a_link_says_all(page: Any, served: Served) -> None:
    changes = json.dumps({"depths": [2, 2, 2, 2], "block": {"type": "Basic"}})
    page.goto(f"{served.address}#design?net=resnet50&changes={changes}&batch=4&optimizer=adam&width=1.5")
    scaled = nw.network("resnet18").scaled(width=1.5)
    costs(page, nw.cost(scaled).macs)
    assert page.get_by_label("Batch").input_value() == "4"
    assert page.get_by_label("Optimizer").input_value() == "adam"
    assert page.get_by_label("depths").input_value() == "2, 2, 2, 2"


@pytest.mark.parametrize(
    "words",
    [
        "net=<img src=x onerror=alert(1)>",
        "net=nothing",
        'design={"type":"<b>"}',
        "changes=[",
        "beside={}",
        "batch=x&phi=99&precision=fp8",
    ],
)
def test_a_broken_link_is_told_in_words(page: Any, served: Served, words: str) -> None:
    page.goto(f"{served.address}#design?{words}")
    page.get_by_role("heading", name="Design", exact=True).wait_for()
    settled(page)
    assert page.locator("img").count() == 0
    if not words.startswith(("changes", "beside")):
        page.locator(".wrong:visible").first.wait_for()


def test_a_link_within_the_room_is_followed(page: Any, served: Served) -> None:
    page.goto(f"{served.address}#design?net=resnet50")
    page.get_by_text("25,557,032").first.wait_for()
    page.evaluate("location.hash = '#design?net=resnet18'")
    page.get_by_text("11,689,512").first.wait_for()
    assert page.locator("h1").count() == 1


def test_without_a_calibration_it_says_how(page: Any, served: Served) -> None:
    opened(page, served)
    page.get_by_text("netwright calibrate").first.wait_for()


# ---------------------------------------------------------------- how it is for everybody


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1600, "dark")])
def test_nothing_is_without_a_name_or_too_pale_and_nothing_overflows(page: Any, served: Served, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{served.address}#design?net=efficientnet_b0&phi=1&beside={json.dumps([{'net': 'resnet18'}])}")
    page.get_by_role("grid", name="Layers").get_by_text("conv_stem").wait_for()
    page.get_by_role("region", name="Comparison").get_by_text("resnet18").wait_for()
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("combobox", name="Network").click()
    page.get_by_role("option").first.wait_for()
    assert faults(page) == []
