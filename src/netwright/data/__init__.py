"""Reading pictures: class folders, tables, CIFAR's files, tars of these, and the embedded digits."""

from netwright.data.opening import open_source
from netwright.data.pictures import BadPictureError, read_picture
from netwright.data.sources import Data, Listing, Pictures, Source

__all__ = ["BadPictureError", "Data", "Listing", "Pictures", "Source", "open_source", "read_picture"]
