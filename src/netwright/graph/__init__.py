"""The core: layers, the feature map, the memoised trace and the graph. Imports no torch."""

from netwright.graph.graph import Graph, Node, Row
from netwright.graph.layers import Counts, Layer, Shape
from netwright.graph.tracing import FeatureMap, concat, smallest_image, trace
from netwright.graph.values import Count, Design, Fraction, Positive, Size, Value, from_json, to_json

__all__ = [
    "Count",
    "Counts",
    "Design",
    "FeatureMap",
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
    "from_json",
    "smallest_image",
    "to_json",
    "trace",
]
