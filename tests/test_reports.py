"""The HTML reports: complete in themselves, small, accessible, and with the numbers of what they show."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch

import netwright as nw
from netwright.cli import main
from netwright.cli.report_command import kind_of
from netwright.costing.comparing import compare
from netwright.measuring.bench_table import Bench, Measured
from netwright.report.html import figure, page
from netwright.report.net_page import net_page
from netwright.report.pages import Beside, run_page
from netwright.report.population_page import population_page
from netwright.report.study_page import study_page
from netwright.training.evaluating.evaluation import Evaluation
from netwright.training.results import accuracy_of
from tests.conftest import make_photos
from tests.studies.evaluators import at_once
from tests.studies.helpers import SMALL
from tests.test_charts import CHARTS
from tests.test_population_page import population

CHROMIUM = Path("/usr/bin/chromium")
EVIL = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>"
VOID = ("meta", "br", "img", "link", "input", "hr")


class Page(HTMLParser):
    """A page, taken apart: what it refers to, its headings, tables, figures, downloads and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.images: list[dict[str, str | None]] = []
        self.downloads: dict[str, list[dict[str, str]]] = {}
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.references += [str(told[name]) for name in ("src", "href", "xlink:href", "srcset", "action", "data") if name in told]
        self.ids += [str(told["id"])] if "id" in told else []
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if told.get("role") == "img" or tag == "img":
            self.images.append(told)
        if "download" in told:
            text = unquote(str(told["href"]).removeprefix("data:text/csv;charset=utf-8,"))
            self.downloads[str(told["download"])] = list(csv.DictReader(io.StringIO(text)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def accuracy(classes: int, n: int = 400) -> tuple[dict[str, Any], tuple[str, ...]]:
    source = np.random.default_rng(0)
    probabilities = torch.from_numpy(source.dirichlet(np.full(classes, 0.2), n))
    names = (EVIL, *(f"class {i}" for i in range(1, classes)))
    labels = torch.from_numpy(source.integers(0, classes, n))
    return accuracy_of(Evaluation(probabilities, labels, tuple(f"{EVIL}{i}" for i in range(n))), names), names


def result(classes: int) -> dict[str, Any]:
    """A run's result as `train` writes it, with hostile names wherever a user's words come in."""
    told, names = accuracy(classes)
    recipe = {"epochs": 3, "batch": 64, "optimizer": {"name": "nesterov", "lr": 0.2, "lr_batch": 128}}
    curve = [
        {"epoch": e, "loss": 2 / e, "accuracy": 0.1 * e, "validation": 0.2 * e, "seconds": 1.0, "lr": 0.1} for e in (1, 2, 3)
    ]
    return {
        "command": "train",
        "network": "ResNet",
        "curve_measured_on": "validation pictures",
        "data": {"source": f"/photos/{EVIL}", "seed": 0, "classes": list(names), "pictures": {"train": 900, "test": 400}},
        "cost": {"image": 224, "macs": 5, "params": 6},
        "recipe": recipe,
        "accuracy": told,
        "curve": curve,
        "training_seconds": 3.0,
        "machine": {"system": "Linux", "processor": EVIL, "threads": 2},
        "versions": {"netwright": "1"},
        "finished": "2026-01-01",
    }


def study(trials: int) -> tuple[dict[str, Any], Any]:
    source = np.random.default_rng(1)
    rows = []
    for number in range(trials):
        share = float(source.uniform(0.4, 0.9))
        rows.append(
            {
                "number": number,
                "status": "failed" if number % 50 == 7 else "complete",
                "accuracy": None if number % 50 == 7 else share,
                "values": None if number % 50 == 7 else [share],
                "macs": int(source.integers(1e6, 5e7)),
                "params": int(source.integers(1e5, 5e6)),
                "acts": 7,
                "costs": {},
                "chosen": {"depth": number % 9, "word": EVIL},
                "curve": {str(e): share * e / 10 for e in range(1, 11)},
                "seconds": 3.0,
                "host": EVIL,
                "versions": {"torch": "2"},
                "reason": EVIL,
            }
        )
    best = max((row for row in rows if row["accuracy"] is not None), key=lambda row: row["accuracy"])
    plain = {
        "study": EVIL,
        "question": {"goal": {"kind": "accuracy", "measure": "macs"}},
        "counts": {"complete": trials},
        "front": [best["number"]],
        "trials": rows,
    }
    return plain, best


@cache
def made(name: str) -> str:
    """The pages that tests look at, each made once."""
    if name == "run":
        net = nw.network("resnet18")
        table = nw.cost(net, image=224, by="block")
        rows = [{"epoch": e / 10, "lr": 0.1 * e, "momentum": 0.9} for e in range(31)]
        told = result(1000)
        pixels = [np.zeros((64, 64, 3), np.uint8)] * len(told["accuracy"]["worst"])
        return run_page(told, table, Beside(pixels, schedule=rows))
    if name == "study":
        plain, _ = study(500)
        table = nw.cost(nw.network("resnet20_cifar"), image=32, by="block")
        return study_page(plain, population(EVIL, 490), [("space", EVIL)], table)
    if name == "nets":
        from tests.test_latency import Law

        profile = Law().profile()
        nets = [nw.cost(nw.network(net), by="block", name=net, profile=profile) for net in ("resnet18", "squeezenet1_1")]
        return net_page(compare(*nets), [Bench.from_json(benched())])
    if name == "charts":
        return page("Every chart", [figure(make(), name, name, [{"name": name}], name) for name, make in CHARTS.items()])
    return population_page([population("A", 20), population(EVIL, 20, 1)])


PAGES = ("run", "study", "nets", "populations")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_complete_in_itself_and_small(name: str) -> None:
    page = Page(made(name))
    assert len(page.source.encode()) < 3e6
    assert page.references
    assert [one[:40] for one in page.references if not one.startswith("data:")] == []
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for style in re.findall(r"<style>(.*?)</style>", page.source, re.DOTALL):
        assert "@import" not in style
        assert "url(" not in style
    assert set(re.findall(r"url\((.)", page.source)) <= {"#"}
    assert "default-src 'none'" in page.source


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_seeing_it(name: str) -> None:
    page = Page(made(name))
    assert page.images
    assert all(one.get("aria-label") or one.get("alt") or one.get("aria-labelledby") for one in page.images)
    assert len(set(page.ids)) == len(page.ids)
    for named in (str(one["aria-labelledby"]) for one in page.images if one.get("aria-labelledby")):
        assert set(named.split()) <= set(page.ids)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert page.tags.count("table") == len(re.findall(r"<caption>[^<]", page.source))
    # every figure has its numbers beside it; a diagram is not one of numbers
    figures = re.findall(r"<figure>.*?</figure>", page.source, re.DOTALL)
    assert figures
    assert all("download=" in one for one in figures)


def test_a_notebook_shows_a_study_and_a_run(run: tuple[Path, Path], tmp_path: Path) -> None:
    made = nw.load(run[0])
    one = Page(str(made._repr_html_()))
    assert f"{100 * made.result['accuracy']['top1']:.1f} %" in one.text
    assert [float(row["loss"]) for row in one.downloads["loss.csv"]] == [epoch["loss"] for epoch in made.result["curve"]]
    tried = nw.search(space=SMALL, macs="5M", evaluate=at_once, image=32, trials=3, out=tmp_path / EVIL.replace("/", "|"))
    two = Page(tried._repr_html_())
    assert {int(row["number"]) for row in two.downloads["trials-macs.csv"]} == {trial.number for trial in tried.complete}
    for shown in (one, two):
        assert shown.images
        assert "script" not in shown.tags
        assert [word for word in shown.references if not word.startswith("data:")] == []
    assert nw.load(run[0])._repr_html_() == made._repr_html_()


@pytest.mark.parametrize("name", ["run", "study", "populations"])
def test_hostile_names_are_shown_as_text(name: str) -> None:
    page = Page(made(name))
    assert "alert(1)" in page.text
    assert "script" not in page.tags
    assert all("onerror" not in told for told in page.images)


def test_the_numbers_of_a_figure_are_those_that_were_given() -> None:
    told, run = result(1000), Page(made("run"))
    curve = run.downloads["learning-curve.csv"]
    assert [float(row["validation"]) for row in curve] == [epoch["validation"] for epoch in told["curve"]]
    for row in run.downloads["confusion.csv"]:
        assert told["accuracy"]["confusion"][row["class"]][row["taken for"]] == int(row["pictures"])
    cost = nw.cost(nw.network("resnet18"), image=224, by="block")
    assert [int(row["macs"]) for row in run.downloads["blocks.csv"]] == [line.macs for line in cost.lines]
    plain, best = study(500)
    trials = Page(made("study")).downloads["trials-macs.csv"]
    complete = {trial["number"]: trial for trial in plain["trials"] if trial["accuracy"] is not None}
    assert {int(row["number"]): float(row["accuracy"]) for row in trials} == {
        number: pytest.approx(100 * trial["accuracy"]) for number, trial in complete.items()
    }
    assert [int(row["number"]) for row in trials if row["winner"] == "True"] == [best["number"]]


def test_networks_stand_side_by_side() -> None:
    page = Page(made("nets"))
    for name, macs in (("resnet18", "1.81 G"), ("squeezenet1_1", "349 M")):
        assert f"{name}: {macs} macs" in page.text
        assert name in page.downloads["macs.csv"][0]["network"] + page.downloads["macs.csv"][1]["network"]
    assert {"roofline-1.csv", "roofline-2.csv", "times-1.csv", "blocks-2.csv"} <= set(page.downloads)
    assert "Roofline of resnet18" in page.text


def benched(**changes: Any) -> dict[str, Any]:
    """What `netwright bench --json` prints, of a machine that was calibrated."""
    rows = (Measured("eager", "fp32", 1, 20.0, 22.0, 9), Measured("folded", "fp32", 1, 10.0, 12.0, 9))
    rows += (Measured("eager", "fp32", 8, 80.0, 90.0, 9), Measured("compiled", "fp32", 8, failure="no compiler"))
    return Bench(EVIL, (3, 224, 224), "cpu", 2, rows, {1: 18.0, 8: 88.0}).to_json() | changes


@pytest.mark.parametrize("nets", [[], ["squeezenet1_1"]])
def test_what_was_measured_stands_beside_what_was_predicted(nets: list[str], tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(benched()))
    assert main(["report", *nets, str(tmp_path / "b.json"), "-o", str(tmp_path / "x.html")]) == 0
    page = Page((tmp_path / "x.html").read_text())
    assert [(float(row["predicted"]), float(row["measured"])) for row in page.downloads["predicted.csv"]] == [(18, 20), (88, 80)]
    assert "from 0.90 to 1.10 times what was measured" in page.text
    assert "folded fp32 1 10.00 12.00 100.0 2.00" in re.sub(r"</td>", " ", page.source).replace("<td>", "")
    assert "script" not in page.tags
    assert ("squeezenet1_1: 349 M macs" in page.text) == bool(nets)


def test_a_measurement_without_a_calibration_has_no_prediction(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(benched(predicted_ms=None)))
    assert main(["report", str(tmp_path / "b.json"), "-o", str(tmp_path / "x.html")]) == 0
    page = Page((tmp_path / "x.html").read_text())
    assert "Measured" in page.text
    assert page.downloads == {}


# ---------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a real, tiny training, and its pictures."""
    root = tmp_path_factory.mktemp("reported")
    photos = make_photos(root / "photos", each=10)
    net = nw.zoo.RegNet(depth=2, w_0=8, w_a=8.0, w_m=2.0, group_width=8, stem=8, stem_stride=2, classes=3, resolution=24)
    with torch.random.fork_rng():
        nw.train(net, photos, out=root / "run", recipe=nw.Recipe(epochs=2, batch=8), cache=None)
    return root / "run", photos


def test_a_run_is_reported_again_with_its_pictures(run: tuple[Path, Path], tmp_path: Path) -> None:
    folder, photos = run
    out = tmp_path / "page.html"
    assert main(["report", str(folder), "-o", str(out)]) == 0
    assert out.read_text() == (folder / "report.html").read_text()  # as the training itself wrote it
    page = Page(out.read_text())
    told = nw.load(folder).result
    assert f"{100 * told['accuracy']['top1']:.1f} %" in page.text
    assert page.tags.count("img") == len(told["accuracy"]["worst"]) > 0
    rates = page.downloads["schedule.csv"]
    assert float(rates[-1]["lr"]) == pytest.approx(0, abs=1e-9)
    assert {float(row["momentum"]) for row in rates} == {0.9}
    peak = max(float(row["lr"]) for row in rates)
    assert peak == pytest.approx(0.2 * 8 / 128, rel=0.02)
    for part in ("Asked: train RegNet from scratch", "What was decided", "Worst mistakes", "On which data and machine"):
        assert part in page.text
    moved = tmp_path / "elsewhere"
    shutil.move(photos, moved)
    assert main(["report", str(folder), "-o", str(out)]) == 0
    shutil.move(moved, photos)
    page = Page(out.read_text())
    assert "Not shown: the pictures cannot be read" in page.text
    assert "img" not in page.tags
    (photos / "blue" / "new.jpg").write_bytes((photos / "red" / "00.jpg").read_bytes())
    assert main(["report", str(folder), "-o", str(out)]) == 0
    (photos / "blue" / "new.jpg").unlink()
    assert "are not those of the training any more" in Page(out.read_text()).text


def test_an_evaluation_is_reported_from_its_figures(tmp_path: Path) -> None:

    told, _ = accuracy(4)
    (tmp_path / "e.json").write_text(json.dumps(told))
    assert main(["report", str(tmp_path / "e.json"), "-o", str(tmp_path / "e.html")]) == 0
    page = Page((tmp_path / "e.html").read_text())
    assert f"{100 * told['top1']:.1f} %" in page.text
    assert "a file of figures has no pictures" in page.text


def test_words_are_told_apart(run: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "study" / "work").mkdir(parents=True)
    (tmp_path / "people.json").write_text('{"members": []}')
    folder = str(run[0])
    words = {folder: "run", "resnet50": "net", "postgresql://h/s": "study", "net.py:mine": "net", f"{folder}/design.json": "net"}
    words |= {str(tmp_path / "study"): "study", str(tmp_path / "people.json"): "study"}
    assert {word: kind_of(word) for word in words} == words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["resnet18"], "say where the page is to be written with -o FILE"),
        (["resnet18", "postgresql://h/s", "-o", "x.html"], "is no study: report studies and networks on pages of their own"),
        (["nothing.json", "-o", "x.html"], "cannot read nothing.json"),
        (["e.json", "resnet18", "-o", "x.html"], "report one evaluation at a time"),
        (["torn.json", "-o", "x.html"], "torn.json is no measurement of netwright bench --json"),
        (["resnet81", "-o", "x.html"], "resnet18"),
    ],
)
def test_what_cannot_be_reported_is_said(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.json").write_text('{"confusion": {}, "top1": 1.0}')
    (tmp_path / "torn.json").write_text('{"fastest": [], "threads": 2, "rows": [1]}')
    assert main(["report", *words]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Traceback" not in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.json", "torn.json"]


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright drives the browser")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: apt install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PAGES, "charts"])
def test_a_browser_without_a_network_shows_every_figure(name: str, browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe checks accessibility").Axe()
    file = tmp_path / "page.html"
    file.write_text(made(name))
    context = browser.new_context(offline=True, bypass_csp=True, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg, img')].map(e => (b => [b.width, b.height])(e.getBoundingClientRect()))"
    )
    assert len(boxes) == len(Page(made(name)).images)
    assert min(min(box) for box in boxes) > 20
    marks = "figure:not(.diagram) svg :is(.mark-symbol, .mark-rect, .mark-line, .mark-area, .mark-rule) path, figure.diagram rect"
    assert page.evaluate(f"[...document.querySelectorAll('figure')].every((one) => one.querySelector('{marks}'))")
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 390  # what is wider scrolls by itself
    dark = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill") != dark  # printed light
    rows = "[...document.querySelectorAll('details tr')].map((row) => row.checkVisibility())"
    assert all(page.evaluate(rows))  # what was folded is printed
    page.emulate_media(media="screen", color_scheme="light")
    assert not any(page.evaluate(rows))
    assert page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill") != dark
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:2]]) for one in found] == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    context.close()
