"""From a graph to torch: modules, initialization, files, ONNX."""

from netwright.runtime.builder import build
from netwright.runtime.weights import preprocessing_of, save_weights

__all__ = ["build", "preprocessing_of", "save_weights"]
