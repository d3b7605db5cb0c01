"""What optimizers keep for each parameter: the one table that costs and optimizers both read."""

from __future__ import annotations

from netwright.errors import NetwrightError, did_you_mean

# Numbers of fp32 kept for each parameter, besides itself and its gradient. Adam's means of gradients and of their
# squares are two; Lion's and Muon's one is the mean of gradients. Step counts (one number for a whole tensor) are not here.
STATES: dict[str, int] = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adagrad": 1,
    "rmsprop": 1,
    "adam": 2,
    "adamw": 2,
    "nadam": 2,
    "lion": 1,
    "muon": 1,
    "lamb": 2,
}


def state_copies(optimizer: str) -> int:
    """How many numbers of fp32 the optimizer keeps for each parameter. Raises NetwrightError for an unknown name.

    >>> state_copies("adam")
    2
    """
    if not isinstance(optimizer, str) or optimizer not in STATES:
        near = did_you_mean(optimizer, STATES) if isinstance(optimizer, str) else ""
        raise NetwrightError(f"there is no optimizer {optimizer!r}{near} (known: {', '.join(STATES)})")
    return STATES[optimizer]
