"""One picture looked at closely: how it was read, what a network takes it for, and where it sees that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

import numpy as np
import torch
from torch import fx

from netwright.data.pictures import Array, Inspected, inspect_picture, read_picture, unwarned
from netwright.errors import NetwrightError, did_you_mean
from netwright.inference.maps import Heat, Step, grad_cam, occlusion
from netwright.training.evaluating.predicting import Labelled, likeliest, shown_to

Kind = Literal["grad-cam", "occlusion"]


class Trained(Labelled, Protocol):
    """A network with what says how pictures are shown to it: a run."""

    @property
    def model(self) -> fx.GraphModule: ...


@dataclass(frozen=True)
class Looked:
    """A picture: what its file is, the pixels that the network was shown (image, image, channels), the likeliest classes."""

    file: Inspected
    pixels: Array = field(repr=False)
    classes: tuple[tuple[str, float], ...]


def look(run: Trained, file: BinaryIO, name: str = "", top: int = 5) -> Looked:
    """Read a picture and name its `top` most probable classes.

    `name` is what the file is called: where its ending is another format's, the notes say so. Raises BadPictureError for a
    file that cannot be read to its end.
    """
    with unwarned():
        inspected = inspect_picture(file, name, run.channels, whole=True)
        file.seek(0)
        pixels = read_picture(file, run.preprocessing, run.channels)
    with torch.no_grad():
        classes = likeliest(run.model, run, np.stack([pixels]), top)[0]
    return Looked(inspected, pixels, classes)


def heat(run: Trained, pixels: Array, kind: Kind, name: str, step: Step | None = None) -> Heat:
    """Where the network sees the class `name` on a decoded picture: `grad_cam` or `occlusion` of it.

    Raises NetwrightError for a class or a kind that is not there.
    """
    if name not in run.classes:
        raise NetwrightError(f"the network knows no class {name!r}{did_you_mean(name, run.classes)}")
    image, place = shown_to(run, np.stack([pixels]))[0].contiguous(), run.classes.index(name)
    if kind == "grad-cam":
        return grad_cam(run.model, image, place)
    if kind == "occlusion":
        return occlusion(run.model, image, place, step)
    raise NetwrightError(f"there is no map {kind!r}: choose grad-cam or occlusion")
