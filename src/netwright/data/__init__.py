"""Reading pictures: class folders, tables, tars, IDX, CIFAR's files, archives, torch Datasets; splits, checks, the cache."""

from netwright.data.cache import default_cache
from netwright.data.opening import open_source
from netwright.data.pictures import BadPictureError, read_picture
from netwright.data.sources import BadPicture, Data, Listing, Pictures, Source
from netwright.data.store import store
from netwright.data.verifying import Info, Verified, info, verify

__all__ = [
    "BadPicture",
    "BadPictureError",
    "Data",
    "Info",
    "Listing",
    "Pictures",
    "Source",
    "Verified",
    "default_cache",
    "info",
    "open_source",
    "read_picture",
    "store",
    "verify",
]
