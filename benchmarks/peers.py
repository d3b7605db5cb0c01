"""The libraries that benchmarks are run beside: import timm and torchvision from here.

A torchvision that was built for another torch does not find its kernels, and fails for want of the declarations of two. No
benchmark needs them.
"""

from __future__ import annotations

import sys

import torch

try:
    import torchvision
except RuntimeError:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what was imported of it before it failed
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
import timm
from torchvision import transforms

__all__ = ["timm", "torchvision", "transforms"]
