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

from netwright.costing import Cost, cost
from netwright.errors import DesignError, NetwrightError
from netwright.graph import Design, FeatureMap, Graph, concat, from_json, to_json, trace
from netwright.version import VERSION
from netwright.zoo import network, networks

if TYPE_CHECKING:
    from netwright.runtime import build, preprocessing_of, save_weights
    from netwright.runtime.forms import convert, grow
    from netwright.studies import design
    from netwright.training import Recipe
    from netwright.training.run import Run, evaluate, export, load
    from netwright.training.train import train

__version__ = VERSION

_LATER = {
    "Recipe": "netwright.training",
    "Run": "netwright.training.run",
    "blocks": "",
    "build": "netwright.runtime",
    "convert": "netwright.runtime.forms",
    "design": "netwright.studies",
    "evaluate": "netwright.training.run",
    "export": "netwright.training.run",
    "grow": "netwright.runtime.forms",
    "load": "netwright.training.run",
    "preprocessing_of": "netwright.runtime",
    "save_weights": "netwright.runtime",
    "spaces": "",
    "train": "netwright.training.train",
    "zoo": "",
}

__all__ = [
    "Cost",
    "Design",
    "DesignError",
    "FeatureMap",
    "Graph",
    "NetwrightError",
    "Recipe",
    "Run",
    "build",
    "concat",
    "convert",
    "cost",
    "design",
    "evaluate",
    "export",
    "from_json",
    "grow",
    "load",
    "network",
    "networks",
    "preprocessing_of",
    "save_weights",
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
