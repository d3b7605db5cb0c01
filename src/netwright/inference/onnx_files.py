"""ONNX files that netwright wrote: opened for ONNX Runtime, with what their metadata says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing
from netwright.version import VERSION

INPUT, OUTPUT = "image", "logits"
MARK = "netwright"  # the metadata's key that tells our files from others; its value is the version that wrote them


def annotate(proto: onnx.ModelProto, about: Mapping[str, Any]) -> None:
    """Set the metadata of a file: each value as JSON, words as they are; keys that it has already are replaced."""
    said = {prop.key: prop.value for prop in proto.metadata_props} | {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in {MARK: VERSION, **about}.items()
    }
    del proto.metadata_props[:]
    for key, value in said.items():
        proto.metadata_props.add(key=key, value=value)


def rewrite(source: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Write a file again, with more metadata; `target` is a path that the caller holds with `writing`."""
    proto = onnx.load(source)
    annotate(proto, about)
    onnx.save(proto, target)


@dataclass(frozen=True)
class OnnxNetwork:
    """A network in ONNX Runtime: give it normalized pictures, it gives logits.

    `about` is the file's metadata as plain values; `preprocessing` says how pictures are shown to it.
    """

    path: Path
    session: onnxruntime.InferenceSession = field(repr=False)
    about: dict[str, Any] = field(repr=False)
    classes: tuple[str, ...]
    channels: int
    preprocessing: Preprocessing

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, channels, image, image) float32, normalized -> (n, classes)."""
        (logits,) = self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(batch, dtype=np.float32)})
        made: NDArray[np.float32] = logits
        return made


def open_onnx(path: str | os.PathLike[str], threads: int | None = None) -> OnnxNetwork:
    """Open a file that `export` wrote; it computes on the CPU, with `threads` (all cores where None).

    Raises NetwrightError for a file that is not there, that cannot be read to its end, or that netwright did not write.
    """
    path = Path(path)
    session = session_of(path, threads)
    about = _plain(session.get_modelmeta().custom_metadata_map)
    names = ([value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()])
    if MARK not in about or names != ([INPUT], [OUTPUT]):
        raise NetwrightError(f"{path} is an ONNX file, but not one that netwright wrote: write one with netwright export")
    try:
        given = {name: about[name] for name in Preprocessing().fields()}
        shown = Preprocessing().replace(**{name: tuple(v) if isinstance(v, list) else v for name, v in given.items()})
        classes, channels = about["classes"], about["channels"]
        if not isinstance(classes, list) or channels != len(shown.mean) or not all(isinstance(name, str) for name in classes):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise NetwrightError(f"{path} does not say how pictures are shown to it, or its classes: export it again") from None
    return OnnxNetwork(path, session, about, tuple(classes), channels, shown)


def session_of(path: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """ONNX Runtime's session of any ONNX file, on the CPU; raises NetwrightError where the file cannot be run."""
    if not path.is_file():
        raise NetwrightError(f"{path} is {'a folder, not' if path.is_dir() else 'not there: expected'} an ONNX file")
    if threads is not None and threads < 1:
        raise NetwrightError(f"threads is {threads}, expected at least 1")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is told here, in one line
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a dozen classes for broken files
        reason = (str(error).splitlines() or [type(error).__name__])[0].replace(str(path), "file")
        raise NetwrightError(f"{path} is not an ONNX file that can be run ({reason})") from None


def _plain(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Values of JSON, and words (those that are no JSON, and those that are known to be words)."""
    about: dict[str, Any] = {}
    for key, text in metadata.items():
        try:
            about[key] = text if key in (MARK, "network", "filter", "rounding", "precision") else json.loads(text)
        except (ValueError, RecursionError):
            about[key] = text
    return about
