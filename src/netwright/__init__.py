"""netwright: budget in, trained network out.

Designs, costs, searches and trains convolutional image classifiers. What needs torch is imported
when it is first asked for: `import netwright` and everything about cost does without.

>>> import netwright as nw
>>> nw.cost(nw.network("resnet50"), image=224).params
25557032
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netwright.costing import Cost
from netwright.costs import compare, cost
from netwright.errors import DesignError, NetwrightError
from netwright.graph import Design, FeatureMap, Graph, concat, from_json, to_json, trace
from netwright.version import VERSION
from netwright.zoo import network, networks

if TYPE_CHECKING:
    from netwright.costing.comparing import Comparison
    from netwright.inference.deploy import deploy
    from netwright.measuring.bench import bench
    from netwright.measuring.calibrate import calibrate
    from netwright.report.diagram.draw import draw
    from netwright.runtime import build, preprocessing_of, save_weights
    from netwright.runtime.forms import convert, grow
    from netwright.scaling import scale
    from netwright.studies import Study, design, grid_search, join_study, read_study, search
    from netwright.training import Recipe
    from netwright.training.exporting import export, export_int8
    from netwright.training.run import Run, evaluate, load
    from netwright.training.train import train

__version__ = VERSION

_LATER = {
    "Comparison": "netwright.costing.comparing",
    "Recipe": "netwright.training",
    "Run": "netwright.training.run",
    "Study": "netwright.studies",
    "bench": "netwright.measuring.bench",
    "blocks": "",
    "build": "netwright.runtime",
    "calibrate": "netwright.measuring.calibrate",
    "convert": "netwright.runtime.forms",
    "deploy": "netwright.inference.deploy",
    "design": "netwright.studies",
    "draw": "netwright.report.diagram.draw",
    "evaluate": "netwright.training.run",
    "export": "netwright.training.exporting",
    "export_int8": "netwright.training.exporting",
    "grid_search": "netwright.studies",
    "grow": "netwright.runtime.forms",
    "join_study": "netwright.studies",
    "load": "netwright.training.run",
    "lab": "",
    "optim": "",
    "preprocessing_of": "netwright.runtime",
    "read_study": "netwright.studies",
    "save_weights": "netwright.runtime",
    "scale": "netwright.scaling",
    "scaling": "",
    "search": "netwright.studies",
    "spaces": "",
    "train": "netwright.training.train",
    "zoo": "",
}

__all__ = [
    "Comparison",
    "Cost",
    "Design",
    "DesignError",
    "FeatureMap",
    "Graph",
    "NetwrightError",
    "Recipe",
    "Run",
    "Study",
    "bench",
    "build",
    "calibrate",
    "compare",
    "concat",
    "convert",
    "cost",
    "deploy",
    "design",
    "draw",
    "evaluate",
    "export",
    "export_int8",
    "from_json",
    "grid_search",
    "grow",
    "join_study",
    "load",
    "network",
    "networks",
    "preprocessing_of",
    "read_study",
    "save_weights",
    "scale",
    "search",
    "to_json",
    "trace",
    "train",
]


def __getattr__(name: str) -> Any:
    where = _LATER.get(name)
    if where is None:
        raise AttributeError(f"module 'netwright' has no attribute {name!r}")
    value = getattr(importlib.import_module(where), name) if where else importlib.import_module(f"netwright.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
