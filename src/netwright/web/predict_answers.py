"""What the Predict room asks for, computed: the trained runs, what one takes a picture for, and where on it that is seen."""

from __future__ import annotations

import base64
import csv
import io
import secrets
import threading
from collections import OrderedDict
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from netwright.data.pictures import Array, BadPictureError
from netwright.errors import NetwrightError
from netwright.inference.maps import Heat
from netwright.report.charts import BLUE, ORANGE
from netwright.training.evaluating.looking import Kind, heat, look
from netwright.training.run import Run, load
from netwright.web.exchange import Plain
from netwright.web.jobs import Job, Jobs
from netwright.web.shelf import RUN, Found, Shelf

KEPT_RUNS, KEPT_PICTURES = 2, 16
KINDS: dict[str, Kind] = {"grad-cam": "grad-cam", "occlusion": "occlusion"}

T = TypeVar("T")


class Kept(Generic[T]):
    """The last few of something, by their names."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[object, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: object) -> T | None:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def put(self, name: object, value: T) -> None:
        with self._lock:
            self._kept[name] = value
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


class Predicting:
    """Loaded runs and the pictures that they were shown. One picture is read at a time: a large one takes memory."""

    def __init__(self, shelf: Shelf, jobs: Jobs) -> None:
        self.shelf, self.jobs = shelf, jobs
        self._runs: Kept[Run] = Kept(KEPT_RUNS)
        self._pictures: Kept[tuple[str, Array]] = Kept(KEPT_PICTURES)  # a run's id, decoded pixels
        self._reading = threading.Lock()

    def runs(self) -> list[Plain]:
        """The trained networks below the root."""
        return [one.to_json() for one in self.shelf.listing() if _trained(one)]

    def about(self, identity: str) -> Plain:
        """What a run is, and how it is shown pictures."""
        run = self._run(identity)
        shown = run.preprocessing
        told = {"classes": list(run.classes), "channels": run.channels, "image": run.image}
        return told | {"design": type(run.design).__name__, "resize": shown.resize, "filter": shown.filter}

    def look(self, data: bytes, identity: str, name: str) -> Plain:
        """What is on a picture, and how it was read; of one that cannot be read, `bad` says why."""
        run = self._run(identity)
        with self._reading:
            try:
                looked = look(run, io.BytesIO(data), name[:255])
            except BadPictureError as error:
                return {"bad": f"this is not a picture that can be read: {' '.join(error.reason.split())}"}
        picture, file = secrets.token_urlsafe(12), looked.file
        self._pictures.put(picture, (identity, looked.pixels))
        return {
            "picture": picture,
            "name": name[:255],
            "format": file.format,
            "mode": file.mode,
            "size": file.size,
            "notes": file.notes,
            "seen": _address(Image.fromarray(looked.pixels.squeeze())),
            "image": run.image,
            "classes": [{"name": one, "probability": share} for one, share in looked.classes],
        }

    def map(self, question: Plain) -> Plain:
        """Where on a picture that was looked at a class is seen; an occlusion map comes of a long action."""
        picture, kind, name = (str(question.get(key, "")) for key in ("picture", "kind", "class"))
        if kind not in KINDS:
            raise NetwrightError(f"there is no map {kind!r}: choose grad-cam or occlusion")
        if kind == "grad-cam":
            return self._map(picture, KINDS[kind], name, None)
        return self.jobs.start("an occlusion map", lambda job: self._map(picture, KINDS[kind], name, job))

    def _map(self, picture: str, kind: Kind, name: str, job: Job | None) -> Plain:
        """An overlay, and its numbers."""
        run, pixels = self._seen(picture)
        found = heat(run, pixels, kind, name, None if job is None else lambda done, total: job.step(done, total, "covering"))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([f"{value:.6g}" for value in row] for row in found.tolist())
        numbers = {"most": float(found.max()), "least": float(found.min()), "shape": found.shape, "csv": text.getvalue()}
        return {"kind": kind, "class": name, "overlay": _address(overlay(found, run.image)), **numbers}

    def _seen(self, picture: str) -> tuple[Run, Array]:
        found = self._pictures.get(picture)
        if found is None:
            raise NetwrightError("the server no longer has this picture: choose it again")
        return self._run(found[0]), found[1]

    def _run(self, identity: str) -> Run:
        """A run, loaded once as long as its weights stay as they are."""
        found = self.shelf.find(identity)
        weights = found.file("model.safetensors")
        if weights is None or not _trained(found):
            raise NetwrightError("this run holds no trained network (yet)")
        key = (identity, weights.stat().st_mtime_ns)
        run = self._runs.get(key)
        if run is None:
            run = load(found.folder)
            self._runs.put(key, run)
        return run


def overlay(found: Heat, image: int) -> Image.Image:
    """Colour to lay on a picture of `image` pixels: orange for a class, blue against it, the stronger the less transparent."""
    sized = Image.fromarray(found.astype(np.float32)).resize((image, image), Image.Resampling.BILINEAR)
    values = np.asarray(sized, dtype=np.float64)
    strength = np.abs(values) / max(float(np.abs(found).max()), 1e-12)
    colours = np.where(values[..., None] > 0, _rgb(ORANGE), _rgb(BLUE))
    return Image.fromarray(np.dstack([colours, (255 * strength.clip(0, 1)).round()]).astype(np.uint8))


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _trained(found: Found) -> bool:
    files = ("design.json", "model.safetensors")
    return found.kind == RUN and found.finished and all(found.file(name) is not None for name in files)


def _address(picture: Image.Image) -> str:
    """A picture as a data: address, without loss."""
    content = io.BytesIO()
    picture.save(content, "png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
