"""Design spaces: functions that pick a design, and sampling from them under a budget. Imports no torch.

A space is called on a `Pick`, which it asks for its choices, and returns a design or None. There are named ones
(`anynetx_a` to `anynetx_e`, `regnetx`, `regnety`, `mbconv`, `vgg_resnet`, `residual`, `compact`), and any function is one.
"""

from netwright.spaces.anynet import AnyNetSpace
from netwright.spaces.base import OwnSpace, RefinedSpace, Space
from netwright.spaces.budgets import Budget
from netwright.spaces.checking import SpaceReport, check_space
from netwright.spaces.classic import VGGResNetSpace
from netwright.spaces.compact import CompactSpace, ResidualSpace, compact_for
from netwright.spaces.inverted import MBConvSpace
from netwright.spaces.named import SPACES, space
from netwright.spaces.pick import Pick
from netwright.spaces.regnet import RegNetSpace, regnet_for
from netwright.spaces.sampling import Sample, SampleNote, sample, smallest
from netwright.spaces.triples import ScalingSpace, scalings

anynetx_a = SPACES["anynetx_a"]
anynetx_b = SPACES["anynetx_b"]
anynetx_c = SPACES["anynetx_c"]
anynetx_d = SPACES["anynetx_d"]
anynetx_e = SPACES["anynetx_e"]
regnetx = SPACES["regnetx"]
regnetx_constrained = SPACES["regnetx_constrained"]
regnetx_whole = SPACES["regnetx_whole"]
regnety = SPACES["regnety"]
mbconv = SPACES["mbconv"]
vgg_resnet = SPACES["vgg_resnet"]
residual = SPACES["residual"]
compact = SPACES["compact"]

__all__ = [
    "SPACES",
    "AnyNetSpace",
    "Budget",
    "CompactSpace",
    "MBConvSpace",
    "OwnSpace",
    "Pick",
    "RefinedSpace",
    "RegNetSpace",
    "ResidualSpace",
    "Sample",
    "SampleNote",
    "ScalingSpace",
    "Space",
    "SpaceReport",
    "VGGResNetSpace",
    "anynetx_a",
    "anynetx_b",
    "anynetx_c",
    "anynetx_d",
    "anynetx_e",
    "check_space",
    "compact",
    "compact_for",
    "mbconv",
    "regnet_for",
    "regnetx",
    "regnetx_constrained",
    "regnetx_whole",
    "regnety",
    "residual",
    "sample",
    "scalings",
    "smallest",
    "space",
    "vgg_resnet",
]
