"""The optimizers of the notes and of the recipes of record: torch optimizers, each with a reference and faster paths.

>>> import netwright as nw
>>> model = nw.build(nw.network("resnet20_cifar"))
>>> optimizer = nw.optim.AdamW(nw.optim.no_decay(model, weight_decay=0.05), lr=1e-3)
"""

from __future__ import annotations

from typing import Any

from netwright.costing.states import state_copies
from netwright.optim.base import FirstOrder
from netwright.optim.descent import SGD, Adagrad, RMSprop
from netwright.optim.groups import layer_decay, no_decay
from netwright.optim.layerwise import LAMB, Muon
from netwright.optim.moments import Adam, AdamW, Lion, NAdam
from netwright.optim.newton import Newton
from netwright.optim.newton_cg import NewtonCG
from netwright.optim.schedules import set_lr, set_momentum

OPTIMIZERS: dict[str, tuple[type[FirstOrder], dict[str, Any]]] = {  # the names of costing's table of states
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (Adagrad, {}),
    "rmsprop": (RMSprop, {}),
    "adam": (Adam, {}),
    "adamw": (AdamW, {}),
    "nadam": (NAdam, {}),
    "lion": (Lion, {}),
    "muon": (Muon, {}),
    "lamb": (LAMB, {}),
}


def named(name: str) -> tuple[type[FirstOrder], dict[str, Any]]:
    """The class of an optimizer and the arguments that its name fixes. Raises NetwrightError for an unknown name.

    >>> named("nesterov")
    (<class 'netwright.optim.descent.SGD'>, {'momentum': 0.9, 'nesterov': True})
    """
    state_copies(name)
    return OPTIMIZERS[name][0], dict(OPTIMIZERS[name][1])


__all__ = [
    "LAMB",
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "FirstOrder",
    "Lion",
    "Muon",
    "NAdam",
    "Newton",
    "NewtonCG",
    "RMSprop",
    "layer_decay",
    "named",
    "no_decay",
    "set_lr",
    "set_momentum",
]
