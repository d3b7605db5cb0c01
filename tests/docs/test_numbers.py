"""Numbers in pages: each quoted text stands here with what it is computed from, or the committed result that it is quoted from.

A quotation is a page, its words with {} for each number, and the numbers. When a benchmark is run again, or the zoo
grows, the test names the words that have become stale. The README has no number outside of code that is not quoted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import netwright as nw
from netwright.costing.states import STATES
from netwright.graph.folding import deployed_graph
from netwright.studies.samplers import SAMPLERS
from netwright.training.recipes.presets import NOT_MEASURED, PRESETS

ROOT = Path(__file__).parents[2]


class Quotation(NamedTuple):
    page: str
    words: str
    numbers: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.words.format(*self.numbers)


@functools.cache
def plain(page: str) -> str:
    """A page's text in one line."""
    return " ".join((ROOT / page).read_text().split())


@functools.cache
def result(name: str) -> str:
    return (ROOT / "benchmarks" / "results" / f"{name}.md").read_text()


def said(name: str, words: str, which: int = 0) -> tuple[str, ...]:
    """The numbers in a sentence of a result: where {} stands in `words`, at its `which`-th place."""
    found = [made.groups() for made in re.finditer(re.escape(words).replace(r"\{\}", r"([\d.,]*\d)"), result(name))]
    return found[which]


def cells(name: str, column: str, first: str) -> list[str]:
    """The cells of a column of the rows that begin with `first` (cells joined by |), in all tables of a result that have it."""
    found: list[str] = []
    heads: list[str] = []
    for line in result(name).splitlines():
        words = [word.strip().strip("*") for word in line.strip("|").split("|")] if line.startswith("|") else []
        heads = heads if words and heads else words
        if column in heads and line.startswith(f"| {first.replace('|', ' | ')} |"):
            found.append(words[heads.index(column)])
    assert found, f"no such cell in {name}.md: {column}, {first}"
    return found


def pinned(name: str) -> str:
    """The three numbers of the version in constraints.txt."""
    found = re.search(rf"^{name}==(\d+\.\d+\.\d+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def about(text: str, digits: int) -> str:
    return f"{float(text.replace(',', '')):.{digits}f}"


def counted() -> Iterator[Quotation]:
    yield Quotation("README.md", "names {} networks, from AlexNet to ParNet", (str(len(nw.networks())),))
    yield Quotation("README.md", "sets of weights [1]; here {} and none of our own", (str(len(nw.networks())),))
    yield Quotation("README.md", "optimizers, here {}.", (str(len(STATES)),))
    yield Quotation("README.md", "pruners, here {} and one", (str(len(SAMPLERS)),))
    for name, package in (("timm", "timm"), ("torchvision", "torchvision"), ("fvcore", "fvcore"), ("Optuna", "optuna")):
        yield Quotation("README.md", f"**{name}** {{}} |", (pinned(package),))
    here = [preset for preset in PRESETS.values() if NOT_MEASURED not in preset.result]
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    yield Quotation("docs/limits.md", "Of the {} presets {} were run here", (words[len(PRESETS)], words[len(here)]))
    net = nw.network("repvgg_a0")
    before, after = nw.trace(net), deployed_graph(net)
    yield Quotation(
        "docs/deploy.md",
        "RepVGG-A0: {:.2f} G macs become {:.2f} G, {:.2f} M acts become {:.2f} M",
        (before.macs / 1e9, after.macs / 1e9, before.acts / 1e6, after.acts / 1e6),  # type: ignore[arg-type]
    )


def measured() -> Iterator[Quotation]:
    training = [said("training", "netwright over timm: {} (rounds", place)[0] for place in (0, 1)]
    yield Quotation("README.md", "a training has {} and {} times timm's images per second", tuple(training))
    ratios = [ratio for name in ("mobilenetv2_100", "efficientnet_b0", "regnety_016", "resnet50") for ratio in runtimes(name)]
    yield Quotation("README.md", "the best runtime {} to {} times those of its eager models", span(ratios))
    crops = cells("input", "ratio", "imagenette224|224|none") + cells("input", "ratio", "imagenette224|96|none")
    crops += cells("input", "ratio", "cifar10_png|32|none")
    yield Quotation("README.md", "come {} to {} times as fast as from timm's", span(crops))
    faster = cells("costing", "netwright is", "fvcore")[0].removesuffix(" x")
    yield Quotation("README.md", "random RegNets are costed {} times as fast", (faster.partition(".")[0],))
    asked = [cells("page", "95 %, ms", f"{how}, 200 each second")[0] for how in ("sliders dragged", "every query new")]
    words = "95 % of the answers came within {} ms, and within {} ms where every query is new"
    yield Quotation("docs/limits.md", words, tuple(asked))
    yield Quotation("docs/ui.md", "play at {} ms between frames (95 %)", (cells("frames", "95 % ms", "1: lab plays")[0],))


def runtimes(network: str) -> list[str]:
    return [ratio for batch in ("1", "16") for ratio in cells("runtimes", "x timm eager", f"{network}|{batch}")]


def span(numbers: list[str]) -> tuple[str, str]:
    return min(numbers, key=float), max(numbers, key=float)


def trained() -> Iterator[Quotation]:
    exact = said("fashion_mnist", "Test accuracy {} % (95 % interval {} to {} %)")
    macs, params = said("fashion_mnist", "one seed (0); {} macs, {} params")
    least, most = exact[1:]
    short = (about(exact[0], 1), least, most, about(str(int(macs.replace(",", "")) / 1e6), 1), params)
    yield Quotation("README.md", "The preset `small` reaches {} % on Fashion-MNIST", short[:1])
    yield Quotation("CHANGELOG.md", "`small` gives {} % on Fashion-MNIST", short[:1])
    yield Quotation("docs/limits.md", "The figure of `small` ({} %)", exact[:1])
    words = "Fashion-MNIST, test: {} % (95 % interval {} to {} %; one seed; {} M macs, {} params)"
    yield Quotation("docs/training.md", words, short)
    column = "held-out accuracy, % (95 % interval)"
    tuned, fresh = (cells("finetuning", column, start)[0].split()[0] for start in ("public weights", "from scratch"))
    words = "2 epochs of Imagenette's 2,000: {} % (95 % interval 83.9 to 90.4 %); from scratch {} %"
    yield Quotation("docs/training.md", words, (tuned, fresh))
    lost = [
        about(cells("crops", "mean absolute difference (of 255)", row)[0], 1)
        for row in (
            "resized, .35 to 1|all of it, 280 px, its own crops",
            "shift|all of it, 256 px, its own crops",
            "resized, .35 to 1|square, 280 px",
            "shift|square, 256 px",
            "resized, .35 to 1|all of it, 336 px, its own crops",
        )
    ]
    words = "by {} of 255 on average from Pillow's crops of the originals, for `shift` by {} (crops of a central square kept at"
    words += " the same size: {} and {}; of all of the picture at 1.5 times the image, for 1.44 times the disk: {};"
    yield Quotation("docs/training.md", words, tuple(lost))


def predicted() -> Iterator[Quotation]:
    words = "Batch {}, {} networks: Spearman {}, absolute relative error median {} %, nine tenths within {} %"
    (_, networks, rank, error, most), (_, _, rank_8, error_8, most_8) = said("latency", words), said("latency", words, 1)
    words = "{} networks of the zoo side by side, predicted and measured, on a machine that others share: Spearman's rank"
    words += " correlation {}, median error {} % at batch 1; {} and {} % at batch 8"
    yield Quotation("docs/latency.md", words, (networks, rank, error, rank_8, error_8))
    words = "Ranks of {} networks agree to {}; a single time is off by {} % at the median at batch 1"
    yield Quotation("docs/concepts/latency.md", words, (networks, rank, error))
    words = "the median error is {} % at batch 1 and {} % at batch 8, nine tenths are within {} and {} %"
    yield Quotation("docs/limits.md", words, (error, error_8, most, most_8))


def searched() -> Iterator[Quotation]:
    points, p = said("populations", "its mean error is {} points higher (p {})")
    yield Quotation("docs/search.md", "RegNetX has lower errors than AnyNetX E by {} points (p {})", (about(points, 1), p))
    yield Quotation("docs/limits.md", "**Spaces**: {} networks of each", (cells("populations", "n", "regnetx")[0],))
    best = re.findall(r"[\d.]+", cells("samplers", "best, over random's", "tpe")[0])
    yield Quotation("docs/samplers.md", "+{} of the best over random's, {} to {})", tuple(about(one, 3) for one in best))
    yield Quotation("docs/scaling.md", "finish {} times the trials of one", said("workers", "Two over one: {} (rounds"))
    kinds = ("PostgreSQL", "journal file")
    for kind in kinds:
        columns = ("ms of a worker for a trial", "first thousand", "last thousand")
        row = tuple(cells("studies", column, kind)[0] for column in columns)
        yield Quotation("docs/scaling.md", f"| {kind} | {{}} | {{}} | {{}} |", row)
    rates = tuple(cells("studies", "trials/s", kind)[0] for kind in kinds)
    yield Quotation("docs/scaling.md", "That is {} trials a second for the database ({} for the journal)", rates)
    yield Quotation("docs/scaling.md", "reads all trials: {} s for 100,000", said("studies", "have read the study after {} s"))


QUOTATIONS = [*counted(), *measured(), *trained(), *predicted(), *searched()]


@pytest.mark.parametrize("quotation", QUOTATIONS, ids=lambda one: f"{one.page}: {one.words[:40]}")
def test_a_quoted_number_is_what_it_is_quoted_from(quotation: Quotation) -> None:
    assert quotation.text in plain(quotation.page), f"{quotation.page} does not say: {quotation.text}"


# what is counted by `make compat` (tests/compat/test_counts.py), which has timm and torchvision, or below
COUNTED_ELSEWHERE = (
    "1,371 networks, transformers among them, and 1,826 sets of weights",
    "101 optimizers",
    "80 classifiers with 115 sets of weights",
    "10 samplers and 7 pruners",
)
# words with digits that are no figures of ours
NAMES = ("Python (3.11 or later)", "make demo", "30M", "1 and 16", "On two cores", "8 V100", "Apache-2.0", "ResNet-50")


def prose(text: str) -> str:
    """Without code, addresses and marks of footnotes, in one line."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"^ {4}.*$", " ", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"`[^`]*`|\]\([^)]*\)|\[\d\]", " ", text).split())


def test_the_readme_has_no_number_that_nothing_checks() -> None:
    text = prose((ROOT / "README.md").read_text())
    quoted = [one.text for one in QUOTATIONS if one.page == "README.md"]
    checked: set[int] = set()
    for words in [prose(known) for known in (*quoted, *COUNTED_ELSEWHERE, *NAMES)]:
        for found in re.finditer(re.escape(words), text) if words else ():
            checked.update(range(*found.span()))
    assert [found[0] for found in re.finditer(r"\S*\d\S*", text) if not checked.issuperset(digits(found))] == []


def digits(found: re.Match[str]) -> set[int]:
    """The places of the digits of a word."""
    return {found.start() + place for place, letter in enumerate(found[0]) if letter.isdigit()}


def test_optuna_has_what_the_readme_says() -> None:
    import optuna

    bases = {"BaseSampler", "BaseGASampler", "BasePruner", "NopPruner"}  # the last one prunes nothing
    samplers = [name for name in optuna.samplers.__all__ if name.endswith("Sampler") and name not in bases]
    pruners = [name for name in optuna.pruners.__all__ if name.endswith("Pruner") and name not in bases]
    assert f"{len(samplers)} samplers and {len(pruners)} pruners" in plain("README.md")
