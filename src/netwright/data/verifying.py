"""What is in a data set, and what is wrong with it: counts, sizes, bad pictures, duplicates, leaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from netwright.data.listings import BadPicture, Step
from netwright.data.pictures import Inspected
from netwright.data.reading import read_many
from netwright.data.sources import Source

FEW = 10  # pictures of a class to train on; below, or below a hundredth of the largest class, it is near-empty
SHOWN = 20  # of a kind, in the text; JSON has all
ORDER = ("train", "validation", "test", "all")


@dataclass(frozen=True)
class Info:
    """What a data set holds, from the headers of its pictures.

    `counts` are pictures per class and split; `sizes` the least, median and largest width and height in pixels;
    `modes` pictures per format and Pillow mode; `near_empty` classes with fewer than 10 pictures to train on, or fewer
    than a hundredth of the largest class; `ignored` files that are no pictures by their endings; `unread` pictures whose
    header cannot be read.
    """

    source: str
    classes: tuple[str, ...]
    channels: int
    counts: dict[str, tuple[int, ...]]
    sizes: dict[str, tuple[int, int, int]]
    modes: dict[str, int]
    near_empty: tuple[str, ...]
    groups: int | None
    ignored: tuple[str, ...]
    unread: tuple[BadPicture, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        counts = {split: dict(zip(self.classes, mine, strict=True)) for split, mine in self.counts.items()}
        sizes = {side: dict(zip(("least", "median", "largest"), three, strict=True)) for side, three in self.sizes.items()}
        return {
            "source": self.source,
            "classes": list(self.classes),
            "channels": self.channels,
            "pictures": {split: sum(mine) for split, mine in self.counts.items()},
            "counts": counts,
            "sizes_px": sizes,
            "modes": self.modes,
            "near_empty": list(self.near_empty),
            "groups": self.groups,
            "ignored_files": list(self.ignored),
            "bad": _told(self.unread),
        }

    def __str__(self) -> str:
        splits = list(self.counts)
        total = ", ".join(f"{split} {sum(self.counts[split]):,}" for split in splits)
        lines = [self.source, f"{len(self.classes):,} classes; pictures: {total}"]
        wide = max(map(len, (*self.classes, "class")))
        lines.append(f"  {'class':{wide}}" + "".join(f"{split:>12}" for split in splits))
        for i, name in enumerate(self.classes):
            lines.append(f"  {name:{wide}}" + "".join(f"{self.counts[split][i]:>12,}" for split in splits))
        for side, (least, median, largest) in self.sizes.items():
            lines.append(f"{side} (px): {least:,} to {largest:,}, median {median:,}")
        lines.append("formats: " + ", ".join(f"{mode} {count:,}" for mode, count in self.modes.items()))
        if self.groups is not None:
            lines.append(f"{self.groups:,} groups")
        lines += _some("near-empty classes", list(self.near_empty))
        lines += _some("files that are no pictures, left out", list(self.ignored))
        lines += _some("pictures that cannot be opened", [f"{bad.name}: {bad.reason}" for bad in self.unread])
        return "\n".join(lines)


@dataclass(frozen=True)
class Verified:
    """A data set all of whose pictures were decoded.

    `bad` cannot be read; `notes` say what reading does to a picture (EXIF rotation, 16 bits, CMYK, ...). `leaks` are
    the names of pictures that are decoded alike and stand in several splits, `shared_groups` groups that do;
    `conflicts` are alike but of several classes, `duplicates` alike within one split.
    """

    info: Info
    bad: tuple[BadPicture, ...]
    notes: dict[str, tuple[str, ...]]
    leaks: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    duplicates: tuple[tuple[str, ...], ...]
    shared_groups: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether every picture can be read and none of them, and no group, stands in two splits."""
        return not (self.bad or self.leaks or self.shared_groups)

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            **self.info.to_json(),
            "good": self.good,
            "bad": _told(self.bad),
            "notes": {name: list(notes) for name, notes in self.notes.items()},
            "leaks": [list(names) for names in self.leaks],
            "conflicts": [list(names) for names in self.conflicts],
            "duplicates": [list(names) for names in self.duplicates],
            "shared_groups": list(self.shared_groups),
        }

    def __str__(self) -> str:
        lines = [str(self.info)]
        lines += _some("bad pictures", [f"{bad.name}: {bad.reason}" for bad in self.bad])
        lines += _some("pictures in several splits", [" = ".join(names) for names in self.leaks])
        lines += _some("groups in several splits", list(self.shared_groups))
        lines += _some("one picture under several classes", [" = ".join(names) for names in self.conflicts])
        lines += _some("duplicates", [" = ".join(names) for names in self.duplicates])
        lines += _some("notes", [f"{name}: {'; '.join(notes)}" for name, notes in self.notes.items()])
        found = {"bad pictures": self.bad, "leaks": self.leaks, "groups in several splits": self.shared_groups}
        wrong = [f"{len(what):,} {name}" for name, what in found.items() if what]
        return "\n".join([*lines, ", ".join(wrong) or "every picture can be read, and none stands in two splits"])


def info(source: Source, step: Step | None = None) -> Info:
    """What a data set holds; reads the header of every picture."""
    seen, bad = _inspected(source, False, step)
    return _info(source, seen, bad)


def verify(source: Source, step: Step | None = None) -> Verified:
    """Decode every picture of a data set and say what is wrong."""
    seen, bad = _inspected(source, True, step)
    splits: dict[str, set[str]] = {}
    labels: dict[str, set[int]] = {}
    groups: dict[str, set[str]] = {}
    for split, listing in source.splits.items():
        for name, label in zip(listing.names, listing.labels.tolist(), strict=True):
            splits.setdefault(name, set()).add(split)
            labels.setdefault(name, set()).add(label)
        for group in set(listing.groups or ()):
            groups.setdefault(group, set()).add(split)
    alike: dict[bytes, list[str]] = {}
    for name, looked in seen.items():
        alike.setdefault(looked.digest, []).append(name)
    sets = [tuple(names) for names in alike.values() if len(names) > 1 or len(splits[names[0]]) > 1]
    leaks = [names for names in sets if len(set().union(*(splits[name] for name in names))) > 1]
    conflicts = [names for names in sets if len(set().union(*(labels[name] for name in names))) > 1]
    return Verified(
        info=_info(source, seen, ()),
        bad=bad,
        notes={name: looked.notes for name, looked in seen.items() if looked.notes},
        leaks=tuple(leaks),
        conflicts=tuple(conflicts),
        duplicates=tuple(names for names in sets if names not in leaks),
        shared_groups=tuple(sorted(group for group, mine in groups.items() if len(mine) > 1)),
    )


def _inspected(source: Source, whole: bool, step: Step | None) -> tuple[dict[str, Inspected], tuple[BadPicture, ...]]:
    names = list(dict.fromkeys(name for split in _ordered(source) for name in source.splits[split].names))
    seen: dict[str, Inspected] = {}

    def keep(i: int, looked: Inspected) -> None:
        seen[names[i]] = looked

    bad = read_many(lambda i: source.contents.inspect(names[i], whole), range(len(names)), keep, source.threads(), step)
    return seen, tuple(BadPicture(names[i], error.reason) for i, error in bad.items())


def _ordered(source: Source) -> list[str]:
    return [split for split in ORDER if split in source.splits]


def _info(source: Source, seen: dict[str, Inspected], bad: tuple[BadPicture, ...]) -> Info:
    counts = {split: np.bincount(source.splits[split].labels, minlength=len(source.classes)) for split in _ordered(source)}
    training = counts["all"] if "all" in counts else counts["train"]
    few = training < max(FEW, training.max(initial=0) / 100)
    sizes = {}
    for axis, side in enumerate(("width", "height")):
        all_of_it = np.array([looked.size[axis] for looked in seen.values()] or [0])
        sizes[side] = (int(all_of_it.min()), int(np.median(all_of_it)), int(all_of_it.max()))
    groups = {group for listing in source.splits.values() for group in listing.groups or ()}
    return Info(
        source=source.name,
        classes=source.classes,
        channels=source.channels,
        counts={split: tuple(mine.tolist()) for split, mine in counts.items()},
        sizes=sizes,
        modes=dict(Counter(f"{looked.format} {looked.mode}" for looked in seen.values()).most_common()),
        near_empty=tuple(name for name, wrong in zip(source.classes, few, strict=True) if wrong),
        groups=len(groups) if groups else None,
        ignored=source.ignored,
        unread=bad,
    )


def _told(bad: tuple[BadPicture, ...]) -> list[dict[str, str]]:
    return [{"name": one.name, "reason": one.reason} for one in bad]


def _some(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  and {len(lines) - SHOWN:,} more (--json has all)"] if len(lines) > SHOWN else []
    return [f"{title}: {len(lines):,}", *(f"  {line}" for line in lines[:SHOWN]), *more]
