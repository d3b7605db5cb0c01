"""How a picture is shown to a network: resized, cropped, normalized. Weights carry theirs (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from netwright.errors import DesignError
from netwright.graph.values import AtLeast, Count, Value

Filter = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Deviation = Annotated[float, AtLeast(1e-6)]


class Preprocessing(Value):
    """The shorter side is resized to `resize` pixels, then the central `image` x `image` pixels are kept and normalized.

    `filter` is Pillow's antialiased one of that name; `mean` and `std` are per channel, on a scale from 0 to 1.
    `rounding` "torchvision" cuts the longer side to whole pixels and rounds the crop's place (to even), as torchvision
    and timm do; "nearest" rounds the longer side and cuts the place.
    The default is what netwright trains from scratch with, before the mean and deviation of the pictures are known.

    >>> Preprocessing(image=224, resize=256, filter="bilinear").at(112).resize
    128
    """

    image: Count = 224
    resize: Count = 224
    filter: Filter = "bicubic"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[Deviation, ...] = (1.0, 1.0, 1.0)
    rounding: Literal["torchvision", "nearest"] = "torchvision"

    def check(self) -> None:
        if self.resize < self.image:
            raise DesignError(f"Preprocessing: resize is {self.resize}, expected at least the {self.image} px of image")
        if len(self.mean) != len(self.std):
            raise DesignError(f"Preprocessing: {len(self.mean)} means but {len(self.std)} deviations, expected one per channel")

    def of_channels(self, channels: int) -> Preprocessing:
        """The same for pictures of another number of channels: each has the average of the means and deviations."""
        if len(self.mean) == channels:
            return self
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return self.replace(mean=(mean,) * channels, std=(std,) * channels)

    def at(self, image: int) -> Preprocessing:
        """The same for another image size: the crop keeps its share of the picture."""
        return self if image == self.image else self.replace(image=image, resize=round(self.resize * image / self.image))


def whole(image: int) -> Preprocessing:
    """The largest central square at `image` pixels, as training from scratch shows it, not normalized."""
    return Preprocessing(image=image, resize=image)


@dataclass(frozen=True)
class Squeezed:
    """All of a picture at `image` x `image` pixels, whatever its aspect: what random crops are cut from."""

    image: int
    filter: Filter = "bicubic"


View = Preprocessing | Squeezed


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of its training pictures
