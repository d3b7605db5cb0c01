"""Where profiles of machines are kept, and how they are read: whole, checked, and only for the machine that they are of."""

from __future__ import annotations

import math
import os
import platform
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from netwright.costing.kept import folder, kept
from netwright.costing.latency import EAGER, RUNTIMES, ChainSample, Machine, Profile, Sample
from netwright.costing.workload import Work
from netwright.errors import NetwrightError, did_you_mean
from netwright.files import read_json, write_json

SCHEMA = 1  # of the file's form; raised when an old file would be read wrongly, or a layer's traits change
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def describe_processor() -> str:
    """The processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (also runs on its own)
            for line in file:
                if line.startswith(("model name", "Hardware", "cpu model")) and line.partition(":")[2].strip():
                    return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def this_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(describe_processor(), os.cpu_count() or 1, f"{platform.system()} {platform.machine()}")


def default_name(machine: Machine, runtime: str, device: str, threads: int) -> str:
    """What a profile is called unless the user names it: processor, threads, runtime."""
    words = re.findall(r"[a-z0-9]+", machine.processor.lower())
    kept = [word for word in words if word not in ("r", "tm", "cpu", "processor", "core")][:5] or ["machine"]
    return "-".join([*kept, f"{threads}-threads" if device == "cpu" else device.replace(":", "-"), runtime])


# ---------------------------------------------------------------- files


def to_json(profile: Profile) -> dict[str, Any]:
    """A profile as plain values."""
    machine = profile.machine
    return {
        "schema": SCHEMA,
        "kind": "netwright profile",
        "name": profile.name,
        "machine": {"processor": machine.processor, "cores": machine.cores, "system": machine.system},
        "runtime": profile.runtime,
        "device": profile.device,
        "precision": profile.precision,
        "threads": profile.threads,
        "date": profile.date,
        "versions": dict(profile.versions),
        "brought": profile.brought,
        "samples": [{**sample.work._asdict(), "seconds": sample.seconds} for sample in profile.samples],
        "chains": [{"works": [w._asdict() for w in chain.works], "seconds": chain.seconds} for chain in profile.chains],
    }


def from_json(value: Any, where: str) -> Profile:
    """The profile of plain values; raises NetwrightError, which says `where` it stood, for anything that cannot be one."""
    if not isinstance(value, dict) or value.get("kind") != "netwright profile":
        raise NetwrightError(f"{where} is no profile of a machine: netwright calibrate makes one")
    schema = value.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise NetwrightError(
            f"{where} has schema {schema}, this netwright reads up to {SCHEMA}: update netwright or calibrate again"
        )
    if schema != SCHEMA:
        raise NetwrightError(f"{where} has schema {schema!r}, this netwright reads {SCHEMA}: calibrate again")
    try:
        machine = Machine(
            _word(value["machine"], "processor"), _count(value["machine"], "cores"), _word(value["machine"], "system")
        )
        versions = tuple(sorted((str(k), str(v)) for k, v in value["versions"].items()))
        samples = tuple([Sample(_work(one), _seconds(one)) for one in value["samples"]])
        chains = tuple([ChainSample(tuple(map(_work, one["works"])), _seconds(one)) for one in value["chains"]])
        how = {"threads": _count(value, "threads"), "date": _word(value, "date"), "brought": value["brought"] is True}
        words = {key: _word(value, key) for key in ("name", "runtime", "device", "precision")}
        made = Profile(machine=machine, versions=versions, samples=samples, chains=chains, **words, **how)  # type: ignore[arg-type]
        _check(made)
    except KeyError as error:
        raise NetwrightError(f"{where} is a damaged profile: it has no {error.args[0]}; calibrate again") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NetwrightError(f"{where} is a damaged profile: {error}; calibrate again") from None
    return made


def _word(values: dict[str, Any], key: str) -> str:
    word = values[key]
    if not isinstance(word, str) or not word:
        raise ValueError(f"{key} is {word!r}, expected a word")
    return word


def _count(values: dict[str, Any], key: str) -> int:
    count = values[key]
    if type(count) is not int or count < 1:
        raise ValueError(f"{key} is {count!r}, expected a whole number of at least 1")
    return count


def _work(value: dict[str, Any]) -> Work:
    amounts, traits = [value[key] for key in ("macs", "read", "written", "weights")], value["traits"]
    if not isinstance(traits, list) or not all(_is_number(n) for n in [*amounts, *traits]) or min(amounts) < 0:
        raise ValueError("a sample has a number that cannot be")
    macs, read, written, weights = amounts
    return Work(_word(value, "kind"), macs, read, written, weights, tuple(map(float, traits)))


def _seconds(value: dict[str, Any]) -> float:
    if not _is_number(value["seconds"]) or value["seconds"] <= 0:
        raise ValueError(f"a sample took {value['seconds']!r} seconds")
    return float(value["seconds"])


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _check(profile: Profile) -> None:
    if profile.runtime not in RUNTIMES:
        raise ValueError(f"its runtime is {profile.runtime!r}, expected {' or '.join(RUNTIMES)}")
    lengths: dict[str, int] = {}
    for work, _ in profile.samples:
        if lengths.setdefault(work.kind, len(work.traits)) != len(work.traits):
            raise ValueError(f"its samples of kind {work.kind} differ in their traits")
    missing = [kind for kind in ("conv", "pointwise", "add") if kind not in lengths]
    if missing:
        raise ValueError(f"it has no samples of kind {missing[0]}")


def save(profile: Profile, path: Path | None = None) -> Path:
    """Write a profile, whole or not at all, to `path` or where profiles are kept; returns the path.

    Raises NetwrightError for a name that cannot be a file's, FailedError where the disk refuses.
    """
    if path is None:
        check_name(profile.name)
        path = folder() / f"{profile.name}.json"
    write_json(path, to_json(profile))
    return path


def check_name(name: str) -> None:
    """Raise NetwrightError unless a profile can be kept under this name."""
    if not _NAME.fullmatch(name) or name.endswith(".json"):
        raise NetwrightError(f"{name!r} is no name for a profile: write letters, digits, '-', '_' and '.', without .json")


def load(path: Path) -> Profile:
    """The profile of a file; raises NetwrightError where it is not there or damaged."""
    return from_json(read_json(path), str(path))


def bring(path: Path, name: str | None = None) -> Profile:
    """The profile of a file, marked as brought in for another device, and kept under a name (its own by default)."""
    profile = load(path)
    made = replace(
        profile, name=name or profile.name, brought=profile.brought or name is not None or profile.machine != this_machine()
    )
    save(made)
    return made


# ---------------------------------------------------------------- which one


def find(name: str | None, device: str = "cpu", threads: int | None = None) -> Profile | None:
    """See `latency.find_profile`."""
    return _own(device, threads) if name is None else _named(name)


def _own(device: str = "cpu", threads: int | None = None) -> Profile | None:
    """The newest eager profile of this machine's device; damaged ones and those of other machines are passed over."""
    here, found = this_machine(), []
    for path in kept():
        try:
            profile = load(path)
        except NetwrightError:
            continue
        mine = profile.machine == here and not profile.brought and threads in (None, profile.threads)
        if mine and (profile.runtime, profile.device) == (EAGER, device):
            found.append((path.stat().st_mtime, profile))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _named(name: str) -> Profile:
    path = folder() / f"{name}.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        path = Path(name)
        if not path.suffix and not os.path.exists(name):  # noqa: PTH110 (which takes a name of any length)
            names = [file.stem for file in kept()]
            near = did_you_mean(name, names) or f"; kept are {', '.join(names)}" if names else ""
            raise NetwrightError(f"there is no profile {name!r}{near}; netwright calibrate makes one, or give a file")
    profile = load(path)
    if profile.machine != this_machine() and not profile.brought:
        raise NetwrightError(
            f"the profile {name} is of another machine ({profile.machine}): calibrate this one with `netwright calibrate`, "
            f"or bring it in for that device with `netwright calibrate --import {path} --name NAME`"
        )
    return profile


def listed() -> list[dict[str, Any]]:
    """What is kept: name, what it is of, whether `cost` takes it by itself; damaged files say so."""
    rows = []
    own = _own()
    for path in kept():
        try:
            profile = load(path)
            about, chosen = str(profile) + (", brought in" if profile.brought else ""), profile == own
        except NetwrightError as error:
            about, chosen = str(error), False
        rows.append({"name": path.stem, "about": about + ("  <- what cost uses" if chosen else ""), "default": chosen})
    return rows
