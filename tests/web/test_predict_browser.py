"""Predict in a real Chromium: a picture chosen, dropped and pasted; classes, maps, reasons; narrow and wide."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import faults
from tests.web.serving import Served
from tests.web.test_predict_room import CLASSES, make_run, picture


@pytest.fixture
def ready(page: Any, served: Served) -> Any:
    make_run(served.app.state.workbench.root / "mine")
    page.goto(f"{served.address}#predict")
    page.wait_for_selector(".predict .drop")
    page.wait_for_selector("text=SqueezeNet: 3 classes")
    return page


def handed_over(page: Any, event: str, content: bytes, name: str, kind: str = "image/png") -> None:
    """A file dropped on the page, or pasted into it."""
    page.evaluate(
        """([event, content, name, type]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type }));
          const place = document.querySelector(".predict .drop");
          if (event === "paste") dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
          else place.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        [event, base64.b64encode(content).decode(), name, kind],
    )


@pytest.mark.parametrize("width", [390, 1600])
def test_by_mouse(ready: Any, width: int) -> None:
    page = ready
    page.set_viewport_size({"width": width, "height": 900})
    handed_over(page, "drop", picture(), "holiday.png")
    page.wait_for_selector(".cover:not([hidden])")
    assert set(page.locator(".class .name").all_inner_texts()) == set(CLASSES)
    shares = [float(text.removesuffix(" %")) for text in page.locator(".class .share").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert page.locator("dd").first.inner_text() == "holiday.png"
    page.get_by_role("button", name="Occlusion").click()
    page.wait_for_selector(".cover:not([hidden])")
    assert page.locator(".cover").get_attribute("alt").startswith("Occlusion map of")
    page.get_by_label("map's opacity").fill("20")
    assert page.locator(".cover").evaluate("one => getComputedStyle(one).opacity") == "0.2"
    page.locator(".class").nth(1).click()
    second = page.locator(".class .name").nth(1).inner_text()
    page.wait_for_function("(name) => document.querySelector('.cover').alt === `Occlusion map of ${name}`", arg=second)
    page.get_by_role("button", name="no map").click()
    assert page.locator(".cover").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("script[src*='onerror'], .class img").count() == 0
    assert faults(page) == []


@pytest.mark.parametrize("width", [390, 1600])
def test_by_keyboard(ready: Any, tmp_path: Path, width: int) -> None:
    page = ready
    page.set_viewport_size({"width": width, "height": 900})
    (tmp_path / "a.png").write_bytes(picture())
    # from here on choosers are caught: one that opens before a browser under load has heard of it would never be seen
    page.on("filechooser", lambda chooser: chooser.set_files(tmp_path / "a.png"))
    page.get_by_label("trained run").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "file"
    page.keyboard.press("Enter")
    page.wait_for_selector(".cover:not([hidden])")
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent"))
        if names[-1].startswith("Occlusion"):
            break
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.cover').alt.startsWith('Occlusion') && !document.querySelector('.cover').hidden"
    )
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_pictures_that_cannot_be_read_have_their_reason(ready: Any) -> None:
    page = ready
    handed_over(page, "paste", picture()[:200], "<b>half</b>.png")
    page.wait_for_selector(".answer .wrong")
    assert page.locator(".answer .wrong").inner_text().startswith("this is not a picture that can be read: ")
    page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(20_000_001)], "large.png", { type: "image/png" }));
          dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
        }"""
    )
    page.wait_for_selector("text=large.png has 20.0 MB: at most 20 MB")
    handed_over(page, "paste", picture("CMYK", form="jpeg"), "<img src=x onerror=alert(1)>.jpg", "image/jpeg")
    page.wait_for_selector("text=CMYK: brought to RGB")
    assert page.locator("dd").first.inner_text() == "<img src=x onerror=alert(1)>.jpg"
    assert page.locator(".answer .wrong").count() == 0


def test_where_nothing_is_trained(page: Any, served: Served) -> None:
    page.goto(f"{served.address}#predict")
    page.wait_for_selector("text=There is no trained run below the server's folder.")
    assert faults(page) == []


def test_the_picture_is_shown_as_the_network_sees_it(ready: Any) -> None:
    page = ready
    content = io.BytesIO()
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, :, 0] = 200
    Image.fromarray(pixels).save(content, "png")
    handed_over(page, "drop", content.getvalue(), "red.png")
    page.wait_for_selector("img.seen")
    seen = page.locator("img.seen").evaluate(
        """async (image) => {
          await image.decode();
          const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return [image.naturalWidth, image.naturalHeight, ...context.getImageData(5, 5, 1, 1).data];
        }"""
    )
    assert seen == [32, 32, 200, 0, 0, 255]
