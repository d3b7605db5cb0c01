"""From a graph to torch: modules, initialization, files, ONNX."""

from netwright.runtime.builder import build

__all__ = ["build"]
