"""The libraries that netwright's weights and pictures are compared with: `from tests.compat import oracles`."""

from __future__ import annotations

import pytest
import torch

try:
    # torchvision, installed without its compiled part, asks for these two when it is imported
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm
    import torchvision
except ImportError as error:
    pytest.skip(f"timm and torchvision are not both here: {error}", allow_module_level=True)

__all__ = ["timm", "torchvision"]
