"""Design spaces: functions that pick a design, and sampling from them under a budget. Imports no torch."""

from netwright.spaces.pick import Pick
from netwright.spaces.regnet import RegNetSpace, regnet_for
from netwright.spaces.sampling import Sample, sample, smallest

__all__ = ["Pick", "RegNetSpace", "Sample", "regnet_for", "sample", "smallest"]
