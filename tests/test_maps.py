"""Where a network sees a class: Grad-CAM against CAM and against a classifier run by hand, occlusion against patches by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

import netwright as nw
from netwright.data import BadPictureError
from netwright.errors import NetwrightError
from netwright.graph import Design, FeatureMap
from netwright.inference.deploy import deploy
from netwright.inference.maps import grad_cam, last_map, occlusion, places
from netwright.preprocessing import Preprocessing
from netwright.runtime.weights import graph_of
from netwright.training.evaluating.looking import heat, look
from netwright.training.run import Run

IMAGE = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))


def small(name: str, classes: int = 5) -> torch.fx.GraphModule:
    return nw.build(name, 64, classes=classes, seed=0).eval()


@pytest.mark.parametrize("place", [0, 3])
def test_grad_cam_of_global_pooling_and_a_linear_layer_is_cam(place: int) -> None:
    """Class activation maps (Zhou et al. 2016): the last map weighted by the class's row of the classifier."""
    model = small("resnet18")
    maps = nw.build("resnet18", 64, classes=5, outputs="layer4").eval()
    maps.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        cam = torch.einsum("k,khw->hw", model.fc.weight[place], maps(IMAGE[None])[0]).relu().numpy()
    found = grad_cam(model, IMAGE, place)
    assert cam.max() > 0
    np.testing.assert_allclose(found * cam.size, cam, rtol=1e-4, atol=1e-5 * cam.max())


class Grid(Design):
    """A classifier of several layers that reads a grid, as AlexNet's and VGG's do."""

    classes: int = 3

    def __call__(self, x: FeatureMap) -> FeatureMap:
        y = (
            x.conv("conv1", 8, 3, padding=0, bias=True)
            .relu()
            .conv("conv2", 6, 3, padding=0, bias=True)
            .relu()
            .max_pool(2, 2)
            .adaptive_pool(3)
        )
        return y.flatten().linear("fc1", 10).relu().linear("fc2", self.classes)


def test_grad_cam_of_a_classifier_of_several_layers() -> None:
    """The gradient through two pools and two linear layers, which are run by hand here."""
    model = nw.build(Grid(), 24, seed=0).eval()
    image = IMAGE[:, :24, :24]
    with torch.no_grad():
        seen = functional.conv2d(image[None], model.conv1.weight, model.conv1.bias).relu()
        seen = functional.conv2d(seen, model.conv2.weight, model.conv2.bias).relu()
    seen.requires_grad_()
    grid = functional.adaptive_avg_pool2d(functional.max_pool2d(seen, 2, 2), 3).flatten(1)
    logits = model.fc2(model.fc1(grid).relu())
    slope = torch.autograd.grad(logits[0, 2], seen)[0]
    expected = (slope.mean((2, 3), keepdim=True) * seen).sum(1)[0].relu().detach().numpy()
    assert expected.shape == (20, 20)
    assert expected.max() > 0
    np.testing.assert_allclose(grad_cam(model, image, 2), expected, rtol=1e-4, atol=1e-6 * expected.max())


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer4.1.relu_1"),
        ("vgg16", "features.29"),  # conv5_3, as in the paper
        ("squeezenet1_1", "classifier.2"),
        ("googlenet", "inception5b.concat"),
        ("alexnet", "features.11"),
        ("efficientnet_b0", "neck_silu"),
    ],
)
def test_the_last_map_is_found_in_the_graph(name: str, layer: str) -> None:
    assert last_map(nw.trace(nw.network(name))) == layer


def test_the_model_stays_as_it_is() -> None:
    model = small("squeezenet1_1")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = grad_cam(model, IMAGE, 1), grad_cam(model, IMAGE, 1)
    np.testing.assert_array_equal(first, second)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_deployed_network_sees_the_same() -> None:
    model = small("resnet18")
    np.testing.assert_allclose(grad_cam(deploy(model), IMAGE, 1), grad_cam(model, IMAGE, 1), rtol=1e-3, atol=1e-6)


class Flat(Design):
    """No map of several pixels: the picture itself is all there is."""

    classes: int = 3

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.flatten().linear("fc", self.classes)


def test_what_cannot_be_looked_at() -> None:
    with pytest.raises(NetwrightError, match="no map of several pixels"):
        last_map(nw.trace(Flat(), 8))
    with pytest.raises(NetwrightError, match="there is no class 5: the network has 5"):
        grad_cam(small("resnet18"), IMAGE, 5)
    with pytest.raises(NetwrightError, match="there is no class -1"):
        occlusion(small("resnet18"), IMAGE, -1)


def corner(batch: Tensor) -> Tensor:
    """Logits of two classes that look at the upper left 4 x 4 pixels only."""
    seen = batch[:, :, :4, :4].mean((1, 2, 3))
    return torch.stack([seen, torch.zeros_like(seen)], 1)


def test_occlusion_of_a_network_that_looks_at_one_corner() -> None:
    image = torch.ones(3, 20, 25)
    found = occlusion(corner, image, 0)
    assert found.shape == (20, 25)
    assert found[:4, :4].min() > 0
    assert np.abs(found[8:, :]).max() == 0  # no patch of 4 px that reaches here touches the corner
    assert np.abs(found[:, 8:]).max() == 0
    # a patch of 4 px exactly over the corner takes all that is seen: the logit falls from 1 to 0
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(-1)) - 0.5, abs=1e-6)
    np.testing.assert_allclose(occlusion(corner, image, 1), -found, atol=1e-7)


def test_occlusion_against_patches_one_by_one() -> None:
    model = small("squeezenet1_1", 4)
    image = IMAGE[:, :34, :30]
    side = 6
    fallen, covered = np.zeros((34, 30)), np.zeros((34, 30))
    with torch.no_grad():
        whole = model(image[None]).softmax(1)[0, 2]
        for top in places(34, side):
            for left in places(30, side):
                patched = image.clone()
                patched[:, top : top + side, left : left + side] = 0
                fall = float(whole - model(patched[None]).softmax(1)[0, 2])
                fallen[top : top + side, left : left + side] += fall
                covered[top : top + side, left : left + side] += 1
    assert covered.min() >= 1
    np.testing.assert_allclose(occlusion(model, image, 2), fallen / covered, atol=1e-6)


def test_occlusion_tells_its_progress_and_can_be_ended() -> None:
    told: list[tuple[int, int]] = []
    occlusion(corner, torch.ones(3, 20, 20), 0, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(places(20, 4)) ** 2
    assert [done for done, _ in told] == sorted({done for done, _ in told})

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        occlusion(corner, torch.ones(3, 20, 20), 0, stop)


# ---------------------------------------------------------------- a picture looked at


@pytest.fixture(scope="module")
def run() -> Run:
    net = nw.network("squeezenet1_1").replace(classes=3)
    shown = Preprocessing(image=32, resize=40, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    return Run(net, nw.build(net, 32, seed=0).eval(), ("cat", "dog", "newt"), 3, shown)


def test_a_picture_is_looked_at_as_predict_does(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 50, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    looked = look(run, io.BytesIO(path.read_bytes()), "a.jpg")
    (prediction,) = run.predict(path)
    assert looked.classes == prediction.classes
    assert looked.pixels.shape == (32, 32, 3)
    assert looked.file.size == (50, 60)
    assert looked.file.notes == ("called .jpg, but is PNG",)
    first = looked.classes[0][0]
    assert heat(run, looked.pixels, "occlusion", first).shape == (32, 32)
    assert heat(run, looked.pixels, "grad-cam", first).min() >= 0
    assert graph_of(run.model) == nw.trace(run.design, 32)


def test_what_is_no_picture_or_no_class_is_said(run: Run) -> None:
    with pytest.raises(BadPictureError) as caught:
        look(run, io.BytesIO(b"GIF89a"), "a.gif")
    assert "0x" not in caught.value.reason
    with pytest.raises(NetwrightError, match="knows no class 'cut'; did you mean cat"):
        heat(run, np.zeros((32, 32, 3), dtype=np.uint8), "occlusion", "cut")
    with pytest.raises(NetwrightError, match="there is no map 'x'"):
        heat(run, np.zeros((32, 32, 3), dtype=np.uint8), "x", "cat")  # type: ignore[arg-type]
