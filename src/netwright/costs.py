"""What networks cost, whatever they are given as: designs, graphs, torch modules. Imports torch for modules only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from netwright import costing
from netwright.costing.table import By, Cost
from netwright.errors import NetwrightError
from netwright.graph import Design, Graph

if TYPE_CHECKING:
    from torch import nn

    from netwright.costing.comparing import Comparison
    from netwright.costing.latency import Profile
    from netwright.costing.memory import Precision


def is_module(subject: object) -> TypeGuard[nn.Module]:
    """Whether it is a torch module; torch is not imported to find out: without it nobody has one."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(subject, torch.nn.Module)


def cost(
    subject: Design | Callable[..., Any] | Graph | nn.Module,
    image: int | tuple[int, ...] | None = None,
    *,
    channels: int | None = None,
    by: By = "layer",
    name: str = "",
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
    deploy: bool = False,
    profile: Profile | str | os.PathLike[str] | None = None,
) -> Cost:
    """The cost of a design, a traced graph or a torch module, for images of `image` pixels (one side, or height and width).

    `by` groups the lines by layer, block or stage; the totals are the same for each. Counts are exact integers for one
    image: params without buffers, macs of convolutions and linear layers without biases, flops twice the macs, acts
    the outputs of those layers (the convention of torchvision and of RegNet's paper). Bytes are for a `batch` at a
    `precision` (fp32 or bf16) with an `optimizer`. `deploy` costs the network as it is deployed: branches merged, norms
    folded, without dropout and auxiliary classifiers. With a `profile` of a machine, time is predicted for it.

    The image is the design's own resolution by default, and of 3 channels. A torch module, whoever wrote it, is run once on
    a copy that holds nothing, and not changed (see `netwright.counting.module`); its image may have any number of sides.
    It has no receptive fields, no `deploy` and no `profile`.

    Raises DesignError and VanishedError as `trace` does, and NetwrightError for a grouping, batch, precision or optimizer
    that cannot be, and for a module that cannot be run on such an image.

    >>> from netwright.zoo import network
    >>> cost(network("resnet50"), image=224).macs
    4089184256
    """
    if not is_module(subject):
        return costing.cost(
            _design(subject),
            image,  # type: ignore[arg-type]  # trace refuses what is no size
            channels=3 if channels is None else channels,
            by=by,
            name=name,
            batch=batch,
            precision=precision,
            optimizer=optimizer,
            deploy=deploy,
            profile=profile,
        )
    if deploy or profile is not None:
        asked = "deployed form" if deploy else "time on a profile"
        raise NetwrightError(f"the {asked} of a torch module cannot be told from it: cost the design that it was built from")
    from netwright.counting.module import cost_module

    return cost_module(subject, image, channels=channels, by=by, name=name, batch=batch, precision=precision, optimizer=optimizer)


def _design(subject: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(subject, type) and issubclass(subject, torch.nn.Module):
        raise NetwrightError(f"{subject.__name__} is a class of torch modules: cost an instance, {subject.__name__}(...)")
    return subject


def compare(
    *subjects: str | Design | Callable[..., Any] | Graph | nn.Module | Cost,
    image: int | tuple[int, ...] | None = None,
    channels: int | None = None,
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
    deploy: bool = False,
    profile: Profile | str | os.PathLike[str] | None = None,
    fit: int | str | None = None,
) -> Comparison:
    """Networks side by side: names of the zoo, designs, graphs, torch modules, or costs made before (which stay as they are).

    Each is costed at `image` pixels, or at its own resolution; a graph at that of its trace. The other arguments are those
    of `cost`; `fit` (bytes, or '24GB') adds the largest batch that trains in so much. Raises NetwrightError where there is
    nothing to compare, and what `cost` raises.

    >>> [row["params_ratio"] for row in compare("vgg16", "vgg16", image=64).rows()]
    [1.0, 1.0]
    """
    from netwright.costing import comparing

    made = [
        cost(
            subject,
            image,
            channels=channels,
            batch=batch,
            precision=precision,
            optimizer=optimizer,
            deploy=deploy,
            profile=profile,
        )
        if is_module(subject)
        else _design(subject)
        for subject in subjects
    ]
    return comparing.compare(
        *made,
        image=image,  # type: ignore[arg-type]
        channels=3 if channels is None else channels,
        batch=batch,
        precision=precision,
        optimizer=optimizer,
        deploy=deploy,
        profile=profile,
        fit=fit,
    )
