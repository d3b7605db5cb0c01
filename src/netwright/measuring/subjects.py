"""What is measured: a network from wherever it comes, the shape of its images, and the memory that a batch of them takes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from netwright.costing.memory import memory_of
from netwright.errors import FailedError, NetwrightError
from netwright.graph import Design, Graph, own_image, read_design, trace
from netwright.graph.layers import Pair
from netwright.inference.onnx_files import session_of
from netwright.inference.runtimes import Place, logits_of
from netwright.runtime.builder import build
from netwright.runtime.weights import (
    channels_of,
    design_of,
    graph_of,
    is_built,
    is_deployed,
    open_weights,
    preprocessing_of,
)
from netwright.zoo import name_of, network

Shape = tuple[int, int, int]
Net = str | os.PathLike[str] | Design | nn.Module


@dataclass(frozen=True)
class Subject:
    """A network to be measured: a model in evaluation mode, or an ONNX file, for images of (channels, height, width)."""

    name: str
    shape: Shape
    model: nn.Module | None
    file: Path | None = None

    def batch(self, images: int) -> Tensor:
        """Noise of the form of so many images, float32, the same each time."""
        return torch.randn(images, *self.shape, generator=torch.Generator().manual_seed(0))


def subject(net: Net, image: int | Pair | None = None, weights: str | os.PathLike[str] | None = None, name: str = "") -> Subject:
    """What `net` names: a network of the zoo, a design, a run's folder, an ONNX file or a torch module.

    Fresh weights come from seed 0: how fast a network runs hardly depends on them. Raises NetwrightError for what is
    none of these, for a module without an image size, and for a file with weights given as well.
    """
    if isinstance(net, nn.Module) or (not isinstance(net, Design) and Path(net).suffix == ".onnx"):
        if weights is not None:
            raise NetwrightError("weights are loaded into a design: a module or an ONNX file has its own")
        return _of_module(net, image, name) if isinstance(net, nn.Module) else _of_file(Path(net), image, name)
    path = None if isinstance(net, Design) else Path(net)
    if path is not None and path.is_dir():
        net, weights = read_design(path / "design.json"), weights or path / "model.safetensors"
    design = net if isinstance(net, Design) else network(os.fspath(net))
    model = _built(design, image, weights)
    name = name or (str(path) if path else name_of(design) or type(design).__name__)
    return Subject(name, _shape_of_built(model, image), model.eval())


def _built(design: Design, image: int | Pair | None, weights: str | os.PathLike[str] | None) -> fx.GraphModule:
    """In the form for inference, with the classes and channels of its weights."""
    if design.fields().get("aux"):
        design = design.replace(aux=False)
    if weights is None:
        return build(design, image, seed=0)
    opened = open_weights(design, weights)
    channels = opened.about.get("channels", 3)
    classes = opened.count if "classes" in design.fields() else None
    return build(design, image, channels=channels, classes=classes, weights=weights, seed=0)


def _shape_of_built(model: fx.GraphModule, image: int | Pair | None) -> Shape:
    shown = preprocessing_of(model)
    side = image or (shown.image if shown else own_image(design_of(model)))
    return (channels_of(model), *_pair(side))


def _pair(image: int | Pair) -> Pair:
    pair = (image, image) if isinstance(image, int) else tuple(image)
    if len(pair) != 2 or any(type(side) is not int or side < 1 for side in pair):
        raise NetwrightError(f"image is {image!r}, expected a side in pixels, or height and width")
    return pair


def _of_module(model: nn.Module, image: int | Pair | None, name: str) -> Subject:
    name = name or type(model).__name__
    if isinstance(model, fx.GraphModule) and is_built(model):
        return Subject(name, _shape_of_built(model, image), model)
    if image is None:
        raise NetwrightError(f"the images of a {type(model).__name__} are not known: give their size (image=224)")
    layer = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return Subject(name, (layer.in_channels if layer else 3, *_pair(image)), model)


def _of_file(path: Path, image: int | Pair | None, name: str) -> Subject:
    given = session_of(path, 1).get_inputs()
    shape = given[0].shape if len(given) == 1 else []
    if len(shape) != 4 or given[0].type != "tensor(float)":
        raise NetwrightError(f"{path} does not take one float batch of (images, channels, height, width)")
    wanted = _pair(image) if image is not None else shape[2:]
    for fixed, side in zip(shape[2:], wanted, strict=True):
        if not isinstance(side, int):
            raise NetwrightError(f"{path} takes images of any size: give one (--image N)")
        if isinstance(fixed, int) and fixed != side:
            raise NetwrightError(f"{path} takes images of {shape[2]} x {shape[3]} px only, not of {wanted[0]} x {wanted[1]}")
    channels = shape[1] if isinstance(shape[1], int) else 3
    return Subject(name or str(path), (channels, *wanted), None, path)


# ---------------------------------------------------------------- memory


def check_fits(subject: Subject, batch: int, place: Place) -> None:
    """Raise FailedError where a batch surely does not fit into the memory that is free: the machine would kill the process."""
    needed, free = batch * _image_bytes(subject), _free_bytes(place)
    if free is not None and needed > free:
        raise FailedError(
            f"a batch of {batch:,} images takes {needed / 2**30:,.1f} GiB or more, {free / 2**30:,.1f} are free: "
            "choose a smaller --batch"
        )


def graph_for(subject: Subject) -> Graph | None:
    """The graph of a network at the size that is measured; None for a module that `build` did not make, and for a file."""
    model = subject.model
    if not isinstance(model, fx.GraphModule) or not is_built(model):
        return None
    return graph_of(model) if is_deployed(model) else trace(design_of(model), subject.shape[1:], subject.shape[0])


def _image_bytes(subject: Subject) -> int:
    """Of the feature maps that are alive at once for one image, in fp32."""
    model, picture = subject.model, 4 * math.prod(subject.shape)
    if model is None:
        return 2 * picture
    graph = graph_for(subject)
    if graph is not None:
        return max(memory_of(graph).maps, picture)
    return max(_largest_call(model, subject.batch(1)), picture)


def _largest_call(model: nn.Module, image: Tensor) -> int:
    """Bytes that the largest module of a network reads and writes for one image; tells also whether it can be called."""
    found = [0]

    def watch(module: nn.Module, given: Any, made: Any) -> None:
        if not list(module.children()):
            found.append(sum(x.numel() * x.element_size() for x in (*given, made) if isinstance(x, Tensor)))

    hooks = [module.register_forward_hook(watch) for module in model.modules()]
    try:
        with torch.inference_mode():
            logits_of(model(image.to(next((p.device for p in model.parameters()), torch.device("cpu")))))
    except NetwrightError:
        raise
    except Exception as error:  # whatever a user's module does
        told = " ".join(str(error).split())[:200]
        raise NetwrightError(
            f"{type(model).__name__} cannot be called with an image of {' x '.join(map(str, image.shape[1:]))}: "
            f"{type(error).__name__}: {told}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return max(found)


def _free_bytes(place: Place) -> int | None:
    """Memory that is free on a device; None where the system does not say."""
    if place.device.type == "cuda":
        return int(torch.cuda.mem_get_info(place.device)[0])
    limits = [limit for read in (_meminfo, _cgroup) if (limit := read()) is not None]
    return min(limits, default=None)


def _meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)


def _cgroup() -> int | None:
    """What a container's limit leaves; pages that only cache files are given back on demand."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = [(folder / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current")]
        pages = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return None if most == "max" else int(most) - int(used) + int(pages.get("file", 0))
    except (OSError, ValueError):
        return None
