"""The core: layers, the feature map, the memoised trace and the graph. Imports no torch."""

from netwright.graph.flat import Flat, Row
from netwright.graph.graph import Graph, Node
from netwright.graph.layers import Counts, Layer, Shape
from netwright.graph.tracing import DEFAULT_IMAGE, FeatureMap, concat, forget, own_image, smallest_image, trace
from netwright.graph.values import Count, Design, Fraction, Positive, Size, Value, from_json, read_design, to_json

__all__ = [
    "DEFAULT_IMAGE",
    "Count",
    "Counts",
    "Design",
    "FeatureMap",
    "Flat",
    "Fraction",
    "Graph",
    "Layer",
    "Node",
    "Positive",
    "Row",
    "Shape",
    "Size",
    "Value",
    "concat",
    "forget",
    "from_json",
    "own_image",
    "read_design",
    "smallest_image",
    "to_json",
    "trace",
]
