"""Weights into a model that `build` makes, what they bring with them, and back into files of any naming."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import fx, nn

from netwright.errors import NetwrightError
from netwright.files import writing
from netwright.graph import Design, Graph, trace
from netwright.graph.folding import folds, form_for, inference
from netwright.preprocessing import Preprocessing
from netwright.runtime.checkpoints import METADATA, Checkpoint, read_weights
from netwright.runtime.conventions import adapted, as_transformed, convention, to_note
from netwright.runtime.fetch import fetch
from netwright.runtime.fitting import Fitted, WeightsNote, classes_of, everything, fitted, tensor_shapes
from netwright.runtime.naming import naming as naming_of
from netwright.runtime.naming import recognised
from netwright.zoo import RegNet, ResNet, name_of, network, networks

_META = "netwright"  # what a built model carries in its `meta`


@dataclass(frozen=True)
class Weights:
    """Weights for a design, read from a file: the design as they need it, and what came with them.

    `source` is whose names the file has. `classes` are None where nobody says what the outputs mean; there are `count`
    of them, None for a file of features only.
    """

    design: Design
    checkpoint: Checkpoint
    source: str
    preprocessing: Preprocessing
    classes: tuple[str, ...] | None
    count: int | None

    @property
    def about(self) -> dict[str, Any]:
        """What netwright wrote beside the tensors, empty in files of others."""
        return self.checkpoint.about

    def carried_by(self, design: Design, channels: int) -> tuple[Preprocessing, tuple[str, ...] | None]:
        """What a model of `design` is to carry: the names of the classes only if they are still its own."""
        kept = self.classes is not None and len(self.classes) == design.fields().get("classes")
        return self.preprocessing.of_channels(channels), self.classes if kept else None

    @property
    def digest(self) -> str:
        """The file's name and the start of its sha256: what tells these weights from others."""
        with self.checkpoint.path.open("rb") as file:
            return f"{self.checkpoint.path.name} ({hashlib.file_digest(file, 'sha256').hexdigest()[:16]})"

    def fit(self, graph: Graph) -> Fitted:
        """The tensors for a graph of the design, or of a part of it."""
        return fitted(self.design, graph, self.checkpoint)


def open_weights(design: Design, weights: str | os.PathLike[str]) -> Weights:
    """Read a file, a folder, weights of the hub or of torchvision for a design (see `fetch` for what may be named).

    Raises NetwrightError for what leads nowhere or cannot be read, FailedError where the network or the disk fails.
    """
    fetched = fetch(weights, _public_name(design))
    checkpoint = read_weights(fetched.path)
    about = checkpoint.about
    if about.get("folded"):
        raise NetwrightError(
            f"{fetched.path} holds the weights of a deployed network, whose norms are folded: give those that it was made from"
        )
    whole = trace(everything(design))
    source = recognised(design, tensor_shapes(whole), checkpoint.state).source
    noted = about.get("fields")
    design = adapted(design, source, os.fspath(weights), noted if isinstance(noted, dict) else {})
    told = as_transformed(fetched.preprocessing, design) if fetched.preprocessing else None
    shown = _noted(about) or told or convention(design, source, fetched.path.name)
    if isinstance(design, ResNet) and getattr(design.block, "stride_first", False) and not about:
        warnings.warn(
            f"{fetched.path.name}: public weights stride in the 3x3, this design in the first 1x1", WeightsNote, stacklevel=3
        )
    classes = tuple(map(str, about["classes"])) if isinstance(about.get("classes"), list) else fetched.classes
    return Weights(design, checkpoint, source, shown, classes, classes_of(design, whole, checkpoint))


def _public_name(design: Design) -> str:
    """What torchvision calls a design, for its weights' names; its RegNets are not all the paper's."""
    if isinstance(design, RegNet):
        for name in networks("regnet_?_*"):
            other = network(name)
            if isinstance(other, RegNet) and (other.stages(), other.squeeze) == (design.stages(), design.squeeze):
                return name
        return f"{name_of(design) or 'RegNet'} of the paper"
    return name_of(design) or ""


def _noted(about: Mapping[str, Any]) -> Preprocessing | None:
    """What netwright noted beside the weights; the older files do not say how the picture was resized."""
    if not {"image", "mean", "std"} <= about.keys():
        return None
    try:
        image = int(about["image"])
        noted = {"resize": image} | {name: about[name] for name in ("resize", "filter", "rounding") if name in about}
        return Preprocessing(image, mean=tuple(about["mean"]), std=tuple(about["std"]), **noted)
    except (TypeError, ValueError):
        return None


# ---------------------------------------------------------------- what a model carries


def remember(
    model: fx.GraphModule,
    design: Design,
    channels: int,
    shown: Preprocessing | None = None,
    classes: tuple[str, ...] | None = None,
) -> None:
    """Let a model carry its design, and how pictures are shown to it; copies and pickles of it keep them."""
    carried = {"design": design, "channels": channels, "preprocessing": shown, "classes": classes}
    model.meta[_META] = model.meta.get(_META, {}) | carried


def remember_graph(model: fx.GraphModule, graph: Graph, outputs: tuple[str, ...]) -> None:
    """Let a model carry what tells its graph from others of its design: the image's size in pixels, and what it gives out."""
    model.meta[_META] |= {"image": graph.nodes[0].shape[1:], "outputs": outputs}


def graph_of(model: fx.GraphModule, form: Design | None = None) -> Graph:
    """The graph that a model computes, or that of another form of its design for the same pictures and outputs.

    Raises NetwrightError for a module that `build` did not make.
    """
    design, carried = design_of(model), model.meta[_META]
    graph = trace(form or design, carried.get("image"), carried["channels"], carried.get("outputs", ()))
    return inference(graph) if carried.get("deployed") else graph


def deployed_form(model: fx.GraphModule) -> Design:
    """The design of a model in its form for inference."""
    design, carried = design_of(model), model.meta[_META]
    form = form_for(design, carried.get("image"), carried["channels"], carried.get("outputs", ()))
    assert isinstance(form, Design)
    return form


def is_deployed(model: nn.Module) -> bool:
    """Whether `deploy` made a model."""
    return bool(getattr(model, "meta", {}).get(_META, {}).get("deployed"))


def is_built(model: nn.Module) -> bool:
    """Whether `build` made a model (or `deploy`, `convert` or `grow`) of a design that it carries."""
    return isinstance(getattr(model, "meta", {}).get(_META, {}).get("design"), Design)


def refuse_deployed(model: nn.Module, what: str) -> None:
    """Raise NetwrightError for a model that `deploy` made; `what` could not be done with it."""
    if is_deployed(model):
        raise NetwrightError(f"a deployed network cannot be {what}: its norms are folded; take the one that it was made from")


def channels_of(model: fx.GraphModule) -> int:
    """Of the pictures that a model takes."""
    design_of(model)
    channels: int = model.meta[_META]["channels"]
    return channels


def remembered(model: fx.GraphModule, other: fx.GraphModule, design: Design, *, deployed: bool = False) -> None:
    """Let another model of `design` carry what this one does; it is the whole network, unless it was `deployed` from it."""
    kept = model.meta.get(_META, {})
    other.meta[_META] = kept | {"design": design} | ({"deployed": True} if deployed else {"outputs": ()})


def noted_by(model: nn.Module) -> dict[str, Any]:
    """What a model carries, as plain values to be written beside its weights."""
    carried = getattr(model, "meta", {}).get(_META, {})
    if not carried:
        return {}
    shown, classes, fields = carried["preprocessing"], carried["classes"], to_note(carried["design"])
    noted = {"channels": carried["channels"]} | (shown.fields() if shown else {}) | ({"folded": True} if _folded(model) else {})
    return noted | ({"classes": list(classes)} if classes else {}) | ({"fields": fields} if fields else {})


def _folded(model: nn.Module) -> bool:
    """Whether weights took up norms: then they are no weights of the model's design."""
    carried = getattr(model, "meta", {}).get(_META, {})
    if not carried.get("deployed"):
        return False
    return bool(folds(trace(carried["design"], carried["image"], carried["channels"], carried["outputs"])))


def design_of(model: nn.Module) -> Design:
    """The design that a model was built from; raises NetwrightError for a module that `build` did not make."""
    design = getattr(model, "meta", {}).get(_META, {}).get("design")
    if not isinstance(design, Design):
        raise NetwrightError(f"{type(model).__name__} was not made by netwright's build: its design is not known")
    return design


def preprocessing_of(model: nn.Module) -> Preprocessing | None:
    """How pictures are shown to a model that was built with weights; None for fresh ones.

    >>> from netwright.runtime import build
    >>> preprocessing_of(build("resnet18", device="meta")) is None
    True
    """
    design_of(model)
    shown: Preprocessing | None = getattr(model, "meta", {})[_META].get("preprocessing")
    return shown


# ---------------------------------------------------------------- writing


def save_weights(
    model: nn.Module, path: str | os.PathLike[str], naming: str = "netwright", about: Mapping[str, Any] | None = None
) -> None:
    """Write parameters and buffers of a model that `build` made, whole or not at all.

    `naming` says whose names they get: netwright's own (which each family shares with one public source),
    "timm" or "torchvision", whose networks of that name then load the file with strict=True. A path that ends
    with .pth or .pt is written by torch.save, any other as safetensors; its metadata are the classes and the
    preprocessing that the model carries, and `about` (plain values). Weights of a deployed model are for a deployed model
    (`deploy(build(design, device="meta"))` has its names); `build` does not take them. Raises NetwrightError for a model without
    weights and for a naming that does not know the network.

    >>> nw.save_weights(nw.build("resnet18", seed=0), "resnet18.safetensors")
    >>> model = nw.build("resnet18", weights="resnet18.safetensors")
    """
    path = Path(path)
    if any(value.is_meta for value in model.state_dict().values()):
        raise NetwrightError("a model on the meta device has no weights to save: build it on another")
    if naming != "netwright":
        refuse_deployed(model, f"saved under {naming}'s names")
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if naming != "netwright":
        names = naming_of(design_of(model), naming)
        shapes = names.shapes or {}
        state = {names.of(name): value.reshape(shapes.get(name, value.shape)) for name, value in state.items()}
    with writing(path) as temporary:
        if path.suffix in (".pth", ".pt"):
            torch.save(state, temporary)
        else:
            save_file(state, temporary, metadata={METADATA: json.dumps(noted_by(model) | dict(about or {}))})
