"""The part of a report that says how good a network is, and where it errs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netwright.report import charts
from netwright.report.html import figure, table
from netwright.units import counted

Accuracy = dict[str, Any]  # what training.results.accuracy_of gives
Pixels = NDArray[np.uint8]  # (side, side, channels)

MOST_CLASSES = 30  # of a confusion matrix that can be read
MOST_PAIRS = 15
MOST_LEFT_OUT = 100
THUMBNAIL = 128  # px


def evaluation_sections(accuracy: Accuracy, worst: Sequence[Pixels] = (), missing: str = "") -> list[str]:
    """Figures, worst mistakes, confusion matrix, reliability diagram and a table of the classes, as pieces of HTML.

    `worst` are the pixels of the pictures of `accuracy["worst"]`, in their order; without them there is no grid, and
    `missing` says why.
    """
    sections = [_figures(accuracy), _left_out(accuracy), _worst(accuracy, worst, missing)]
    return [section for section in [*sections, _confusion(accuracy), _reliability(accuracy), _classes(accuracy)] if section]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _figures(accuracy: Accuracy) -> str:
    over = accuracy["averaged_over"]
    crops = accuracy["crops"]
    views = "one view of each picture" if crops == 1 else f"the mean probabilities of {crops} crops of each picture"
    rows = [
        (
            "top-1",
            f"{100 * accuracy['top1']:.2f} %",
            f"{accuracy['correct']:,} of {counted(accuracy['of'], 'picture')}, by {views}",
        ),
        ("top-5", f"{100 * accuracy['top5']:.2f} %", "the right class is among the five most probable"),
        (
            "balanced accuracy",
            f"{100 * accuracy['balanced_accuracy']:.2f} %",
            f"mean recall of the {_classes_word(over['balanced_accuracy'])} with pictures",
        ),
        (
            "macro-F1",
            f"{100 * accuracy['macro_f1']:.2f} %",
            f"mean F1 of the {_classes_word(over['macro_f1'])} with pictures or predictions",
        ),
        (
            "calibration error",
            f"{100 * accuracy['calibration_error']:.2f} %",
            "how far confidence is from accuracy, over 15 bins",
        ),
        ("cross entropy", f"{accuracy['loss']:.3f}", "nats"),
    ]
    caption = f"Measured on {counted(accuracy['of'], 'picture')}."
    return f"<h2>How good it is</h2>{table(('measure', 'value', 'what it is'), rows, caption, kind='words')}"


def _classes_word(count: int) -> str:
    return f"{count:,} {'class' if count == 1 else 'classes'}"


def _left_out(accuracy: Accuracy) -> str:
    bad = accuracy["left_out"]
    if not bad:
        return ""
    rows = [(one["picture"], one["reason"]) for one in bad[:MOST_LEFT_OUT]]
    more = f" The first {MOST_LEFT_OUT} are:" if len(bad) > MOST_LEFT_OUT else ""
    count = f"{len(bad):,} pictures" if len(bad) > 1 else "1 picture"
    caption = f"{count} could not be read and {'are' if len(bad) > 1 else 'is'} in no figure of this page.{more}"
    return f"<h2>Left out</h2>{table(('picture', 'reason'), rows, caption, kind='words')}"


def _worst(accuracy: Accuracy, pixels: Sequence[Pixels], missing: str) -> str:
    if not pixels:
        told = f'<h2>Worst mistakes</h2><p class="note">Not shown: {escape(missing)}.</p>'
        return told if missing and accuracy["worst"] else ""
    cells = []
    for one, shown in zip(accuracy["worst"], pixels, strict=True):
        said = f"{one['predicted']} ({_percent(one['probability'])} %)"
        told = f"{one['picture']}: {one['class']}, taken for {said}"
        picture = f'<img src="{thumbnail(shown)}" alt="{escape(told)}" title="{escape(told)}">'
        cells.append(f"<li>{picture}<b>{escape(said)}</b><span>is {escape(one['class'])}</span></li>")
    caption = (
        f"The {len(cells)} surest of {counted(accuracy['of'] - accuracy['correct'], 'mistake')}: what each was taken for, "
        "and what it is."
    )
    return f'<h2>Worst mistakes</h2><p class="note">{caption}</p><ul class="grid">{"".join(cells)}</ul>'


def thumbnail(pixels: Pixels) -> str:
    """A picture (side, side, channels) as a data: URI; small ones as they are, large ones as JPEG of 128 px."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    held = io.BytesIO()
    if max(picture.size) <= THUMBNAIL // 2:
        picture.save(held, "PNG", optimize=True)
        kind = "png"
    else:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        picture.save(held, "JPEG", quality=82)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(held.getvalue()).decode()}"


def _confusion(accuracy: Accuracy) -> str:
    matrix = accuracy["confusion"]
    wrong = [(name, guess, n) for name, row in matrix.items() for guess, n in row.items() if name != guess]
    wrong.sort(key=lambda one: -one[2])
    order = _most_confused(accuracy, wrong)
    shown = set(order)
    cells = [
        {"class": name, "taken for": guess, "pictures": n, "share": n / sum(row.values())}
        for name, row in matrix.items()
        for guess, n in row.items()
        if name in shown and guess in shown
    ]
    everything = len(accuracy["by_class"])
    which = f"Of {everything:,} classes the {len(order)} that are confused most often. " if len(order) < everything else ""
    caption = which + "A row is a class, its columns are what its pictures were taken for; colour is the share of the row."
    pairs = ""
    if wrong:
        rows = [(name, guess, f"{n:,}", _percent(n / sum(matrix[name].values()))) for name, guess, n in wrong[:MOST_PAIRS]]
        pairs = table(("class", "taken for", "pictures", "% of the class"), rows, "What is confused most often.", kind="pairs")
    label = f"Confusion matrix of {len(order)} classes: " + _most_told(wrong)
    drawn = figure(charts.confusion_matrix(cells, order), label, caption, cells, "confusion")
    return f"<h2>What is taken for what</h2>{drawn}{pairs}"


def _most_told(wrong: list[tuple[str, str, int]]) -> str:
    """The matrix in words."""
    return "; ".join(f"{n:,} of {name} taken for {guess}" for name, guess, n in wrong[:3]) or "no mistakes"


def _most_confused(accuracy: Accuracy, wrong: list[tuple[str, str, int]]) -> list[str]:
    """The classes of the matrix: all that occur or were predicted or, of many, those of the pairs confused most often."""
    names = list(accuracy["by_class"])
    if len(names) <= MOST_CLASSES:
        return names
    most: set[str] = set()
    for name, guess, _ in wrong:
        if len(most | {name, guess}) <= MOST_CLASSES:
            most |= {name, guess}
    return [name for name in names if name in most] or names[:MOST_CLASSES]


def _reliability(accuracy: Accuracy) -> str:
    bins = accuracy["calibration"]
    rows = [
        {"pictures": one["pictures"]} | {name: 100 * one[name] for name in ("low", "high", "confidence", "accuracy")}
        for one in bins
    ]
    error = f"{100 * accuracy['calibration_error']:.1f}"
    sure = sum(one["pictures"] * one["confidence"] for one in bins) / accuracy["of"]
    caption = (
        f"On average {_percent(sure)} % sure and {_percent(accuracy['top1'])} % right. Bars are shares of right pictures, dots "
        f"stand at the mean confidence; a dot below the dashed line is surer than it is right. Calibration error: {error} %."
    )
    label = f"Reliability diagram: {_percent(sure)} % sure on average, {_percent(accuracy['top1'])} % right"
    drawn = figure(charts.reliability(rows), label, caption, rows, "calibration")
    return f"<h2>Can its probabilities be trusted</h2>{drawn}"


def _classes(accuracy: Accuracy) -> str:
    scores = accuracy["by_class"]
    rows = [
        (name, f"{one['pictures']:,}", *(_percent(one[key]) for key in ("recall", "precision", "f1")))
        for name, one in scores.items()
    ]
    absent = len(accuracy["per_class"]) - sum(one["pictures"] > 0 for one in scores.values())
    more = f" Of {_classes_word(absent)} of the network there are no pictures." if absent else ""
    caption = (
        f"Recall: share of the class's pictures that were recognized; precision: share of its predictions that were right.{more}"
    )
    listed = table(("class", "pictures", "recall %", "precision %", "F1 %"), rows, caption)
    if len(rows) > MOST_CLASSES:
        listed = f"<details><summary>All {_classes_word(len(rows))}</summary>{listed}</details>"
    return f"<h2>Class by class</h2>{listed}"
