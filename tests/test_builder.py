from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

import netwright as nw
from netwright.errors import DesignError
from netwright.graph import FeatureMap, trace

SMALL = ["resnet18", "resnet20_cifar", "plain20_cifar", "regnetx_002", "regnety_002", "googlenet", "vgg11_bn", "alexnet"]


def image_of(name: str) -> int:
    return 32 if name.endswith("_cifar") else 64 if name != "alexnet" else 80


def made(name: str, seed: int = 0) -> torch.fx.GraphModule:
    slim = {"hidden": 256} if name == "vgg11_bn" else {}
    return nw.build(nw.network(name, classes=10, **slim), image_of(name), seed=seed)


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_ordinary_module(name: str) -> None:
    """Forward, backward to every parameter, state_dict, deepcopy and pickle."""
    model = made(name).train()
    x = torch.randn(3, 3, image_of(name), image_of(name), generator=torch.Generator().manual_seed(0))
    model(x).square().sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []
    model.eval()
    expected = model(x)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    other = made(name, seed=1).eval()
    assert not torch.equal(other(x), expected)
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(x), expected)


def test_channels_last_odd_sizes_and_bfloat16(name: str) -> None:
    model = made(name).eval()
    side = image_of(name)
    x = torch.randn(2, 3, side + 11, side + 3)
    with torch.no_grad():
        expected = model(x)
        last = copy.deepcopy(model).to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, expected, rtol=1e-3, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            assert model(x).isfinite().all()


@pytest.mark.slow
def test_export_keeps_the_outputs(name: str) -> None:
    model = made(name).eval()
    x = torch.randn(2, 3, image_of(name), image_of(name))
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("net", ["resnet20_cifar", "regnety_002"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_compile_keeps_the_outputs(net: str) -> None:
    model = made(net).eval()
    x = torch.randn(2, 3, image_of(net), image_of(net))
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model)(x), model(x), rtol=1e-3, atol=1e-4)


def test_the_code_reads_like_the_block() -> None:
    code = made("resnet18").get_submodule("layer1.0").code
    lines = [line.strip().split(";")[0] for line in code.strip().splitlines()[1:]]
    assert lines[:4] == ["conv1 = self.conv1(x)", "bn1 = self.bn1(conv1)", "relu = self.relu(bn1)", "conv2 = self.conv2(relu)"]
    assert lines[5] == "add = bn2 + x"
    assert "/" not in code


def test_modules_stand_in_execution_order(name: str) -> None:
    model = made(name)
    leaves = [n for n, m in model.named_modules() if not list(m.children()) and list(m.parameters())]
    assert leaves == [row.name for row in trace(nw.network(name, classes=10), image_of(name)).rows() if row.counts[0]]


def test_equal_blocks_do_not_share_weights() -> None:
    model = nw.build(nw.network("resnet34"), device="meta")
    assert len({id(p) for p in model.parameters()}) == len(list(model.parameters())) == len(model.state_dict()) - 3 * 36


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second = made("regnetx_002"), made("regnetx_002")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    unseeded = nw.build(nw.network("regnetx_002", classes=10), 64)
    assert not torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(unseeded.get_parameter("stem.conv.weight"), first.get_parameter("stem.conv.weight"))


def test_residual_blocks_start_as_their_shortcut() -> None:
    model = made("resnet18").eval()
    x = torch.randn(2, 64, 8, 8).relu()
    torch.testing.assert_close(model.get_submodule("layer1.0")(x), x)


def reads_twice(x: FeatureMap) -> FeatureMap:
    y = x.conv("conv", 4, 1)
    return y.relu() + y  # the convolution's output is read after the ReLU: it may not be overwritten


def relu_of_the_input(x: FeatureMap) -> FeatureMap:
    return x.relu()


def test_nothing_that_is_still_needed_is_overwritten() -> None:
    model = nw.build(reads_twice, 4, seed=0)
    x = torch.randn(1, 3, 4, 4)
    y = torch.nn.functional.conv2d(x, model.get_parameter("conv.weight"))
    torch.testing.assert_close(model(x), y.relu() + y)
    kept = x.clone()
    nw.build(relu_of_the_input, 4)(x)
    assert torch.equal(x, kept)


def test_option_a_shortcut_pads_half_before_and_half_after() -> None:
    from netwright.runtime.builder import subsample

    x = torch.arange(2 * 2 * 5 * 4, dtype=torch.float).reshape(2, 2, 5, 4)
    y = subsample(x, 6, 2)
    assert y.shape == (2, 6, 3, 2)
    assert torch.equal(y[:, 2:4], x[:, :, ::2, ::2])
    assert y[:, :2].abs().sum() == y[:, 4:].abs().sum() == 0


def named_like_a_method(x: FeatureMap) -> FeatureMap:
    return x.conv("float", 4, 1)


def inside_a_method(x: FeatureMap) -> FeatureMap:
    return x.conv("train.conv", 4, 1)


@pytest.mark.parametrize("net", [named_like_a_method, inside_a_method])
def test_words_of_torch_are_no_names(net: object) -> None:
    with pytest.raises(DesignError, match="is a word of Python or of torch's own modules"):
        nw.build(net, 4)  # type: ignore[arg-type]
