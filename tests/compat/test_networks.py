"""Each network of the zoo as a torch module: trained, saved, copied, laid out and computed otherwise, exported."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, fx

import netwright as nw
from netwright.graph import Design, smallest_image, trace
from netwright.runtime import preprocessing_of, save_weights
from netwright.runtime.weights import design_of
from netwright.zoo import ResNet

LARGE = 200_000_000  # parameters; larger networks are tested with fewer blocks of the same kind


@dataclass
class Built:
    design: Design
    model: fx.GraphModule
    pictures: Tensor


def reduced(design: Design) -> Design:
    """The same blocks, fewer of them."""
    return design.replace(depths=(1, 1, 1, 1)) if isinstance(design, ResNet) else design.replace(depth=8)


@pytest.fixture(scope="module", params=nw.networks())
def built(request: pytest.FixtureRequest) -> Built:
    """A network with fresh weights, and two odd, rectangular pictures hardly larger than the smallest that it takes."""
    design = nw.network(request.param)
    if trace(design).params > LARGE:
        design = reduced(design)
        assert trace(design).params < LARGE
    side = max(33, smallest_image(design) or 0)
    pictures = torch.randn(2, 3, side, side + 12 + side % 2, generator=torch.Generator().manual_seed(0))
    return Built(design, nw.build(design, seed=0).eval(), pictures)


def test_every_parameter_gets_a_finite_gradient(built: Built) -> None:
    built.model.train()(built.pictures).square().mean().backward()
    poor = [name for name, value in built.model.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
    built.model.eval().zero_grad()
    assert poor == []


@torch.no_grad()
def test_files_and_copies_are_the_same_network(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(built.model, path)
    read = nw.build(built.design, weights=path).eval()
    path.unlink()
    outputs = built.model(built.pictures)
    for again in (read, copy.deepcopy(read), pickle.loads(pickle.dumps(read))):
        assert list(again.state_dict()) == list(built.model.state_dict())
        assert again(built.pictures).equal(outputs)
        assert design_of(again) == built.design
        assert preprocessing_of(again) == preprocessing_of(read) is not None


@torch.no_grad()
def test_channels_last_and_bfloat16(built: Built) -> None:
    """The layout changes rounding only, in evaluation: oneDNN 3.12 cannot train all networks in it (docs/architecture.md)."""
    outputs = built.model(built.pictures)
    built.model.to(memory_format=torch.channels_last)
    last = built.model(built.pictures.contiguous(memory_format=torch.channels_last))
    built.model.to(memory_format=torch.contiguous_format)
    assert (last - outputs).abs().max() <= 1e-4 * outputs.abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        assert built.model(built.pictures).isfinite().all()


def test_code_names_no_path_of_this_machine(built: Built) -> None:
    codes = [module.code for module in built.model.modules() if isinstance(module, fx.GraphModule)]
    assert len(codes) > 0
    assert [code for code in codes if "/" in code or "\\" in code] == []


def test_exported_it_computes_the_same(built: Built) -> None:
    exported = torch.export.export(built.model, (built.pictures,)).module()
    torch.testing.assert_close(exported(built.pictures), built.model(built.pictures), rtol=1e-5, atol=1e-6)
