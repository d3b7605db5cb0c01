"""Several views of each picture: its corners and its centre, also mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing

COUNTS = (1, 5, 10)


@dataclass(frozen=True)
class Crops:
    """Views of `image` px out of pictures of `side` px: four corners and the centre, and for ten each of these mirrored.

    Krizhevsky et al. 2012, Section 4.1: the shorter side is resized to 256, the central 256 x 256 kept, and the
    probabilities of ten 224 x 224 patches of it are averaged.

    >>> Crops.of(Preprocessing(image=224, resize=256), 10).side, Crops.of(Preprocessing(image=32, resize=32), 10).side
    (256, 37)
    """

    count: int
    image: int
    side: int
    rounding: str = "torchvision"

    @classmethod
    def of(cls, shown: Preprocessing, count: int) -> Crops | None:
        """The views of a network that pictures are shown to as `shown` says; None for one, which needs no crops.

        Where `shown` leaves no room around its crop, the pictures are read 256 / 224 times as large. Raises
        NetwrightError for another count than 1, 5 or 10.
        """
        if count not in COUNTS:
            raise NetwrightError(f"crops is {count}, expected 1, 5 (corners and centre) or 10 (these, mirrored too)")
        if count == 1:
            return None
        side = shown.resize if shown.resize > shown.image else max(round(shown.image * 256 / 224), shown.image + 1)
        return cls(count, shown.image, side, shown.rounding)

    def read(self, shown: Preprocessing) -> Preprocessing:
        """How the pictures are read: whole, but for what is longer than the shorter side."""
        return shown.replace(image=self.side, resize=self.side)

    def views(self, batch: Tensor) -> Iterator[Tensor]:
        """(n, channels, side, side) -> `count` batches (n, channels, image, image), one after another.

        The order is torchvision's: top left, top right, bottom left, bottom right, centre, then all of these mirrored.
        """
        far = self.side - self.image
        centre = (round if self.rounding == "torchvision" else int)(far / 2)
        places = ((0, 0), (0, far), (far, 0), (far, far), (centre, centre))
        for whole in (batch, batch.flip(3))[: self.count // 5]:
            for top, left in places:
                yield whole[..., top : top + self.image, left : left + self.image]
