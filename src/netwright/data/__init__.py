"""Reading pictures: class folders and the embedded digits."""

from netwright.data.pictures import BadPictureError, read_picture
from netwright.data.sources import Data, Listing, Pictures, Source, open_source

__all__ = ["BadPictureError", "Data", "Listing", "Pictures", "Source", "open_source", "read_picture"]
