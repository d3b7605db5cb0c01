"""What Inception networks are made of: the naive module (A8), 1x1 convolutions (A9), global average pooling (A10)."""

from __future__ import annotations

from typing import Any

from netwright.blocks import NaiveInception
from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.drawing import bars
from netwright.claims.reading import Convs, entered, listed
from netwright.costing.fields import fields
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, trace
from netwright.graph.layers import Conv, Linear
from netwright.graph.tracing import smallest_image
from netwright.zoo import network
from netwright.zoo.googlenet import TABLE_1

# ---------------------------------------------------------------- A8


class NaiveStack(Design):
    """GoogLeNet's nine modules without dimension reduction: as many outputs of each kernel, and the pooled input as it is."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for name, module in TABLE_1.items():
            if name in ("4a", "5a"):
                x = x.max_pool(3, 2, ceil=True)
            x = x.block(f"inception{name}", NaiveInception(module.one, module.three, module.five))
        return x


def _naive(terms: Terms) -> Evidence:
    naive, real = trace(NaiveStack(), 28, channels=192), trace(network("inception_v1"), 224)
    rows, channels, macs = [], {}, {}
    for label, graph in (("naive", naive), ("with 1x1s", real)):
        flat = graph.flat()
        modules = {name: [i for i, row in enumerate(flat.rows) if row.name.startswith(f"inception{name}.")] for name in TABLE_1}
        channels[label] = [flat.rows[places[-1]].shape[0] for places in modules.values()]
        macs[label] = sum(flat.rows[i].counts[1] for places in modules.values() for i in places)
        came = [entered(flat, places)[0] for places in modules.values()]
        grown = [out - given for out, given in zip(channels[label], came, strict=True)]
        rows += [{"x": name, "y": out, "label": label} for name, out in zip(modules, channels[label], strict=True)]
        if label == "naive":
            least = min(grown)
    numbers: dict[str, Any] = {
        "naive_channels": channels["naive"],
        "real_channels": channels["with 1x1s"],
        "least_growth": least,
        "naive_gmacs": macs["naive"] / 1e9,
        "real_gmacs": macs["with 1x1s"] / 1e9,
    }
    return Evidence(numbers, rows, "GoogLeNet's nine modules without and with dimension reduction, from 192 channels on 28 px")


def _judge_naive(found: Numbers) -> Verdict:
    why = (
        f"every naive module adds at least {found['least_growth']} channels: {found['naive_channels'][0]} after the first one, "
        f"{found['naive_channels'][-1]:,} after nine, where the real ones have {found['real_channels'][-1]:,}; nine modules take "
        f"{found['naive_gmacs']:.1f} G macs instead of {found['real_gmacs']:.1f}"
    )
    return settled(found["least_growth"] > 0 and found["naive_gmacs"] > found["real_gmacs"], why)


# ---------------------------------------------------------------- A9


def _one_by_one(terms: Terms) -> Evidence:
    import torch

    chance = torch.Generator().manual_seed(terms.seed)
    x, weight, bias = [
        torch.randn(shape, dtype=torch.float64, generator=chance) for shape in ((4, 192, 28, 28), (64, 192), (64,))
    ]
    whole = torch.nn.functional.conv2d(x, weight[..., None, None], bias)
    placed = torch.nn.functional.linear(x.movedim(1, -1), weight, bias).movedim(-1, 1)
    stacked = trace(Convs(((1, 1),) * 5, 64), 28, channels=64).flat()
    numbers: dict[str, Any] = {
        "largest_difference": float((whole - placed).abs().max()),
        "largest_output": float(whole.abs().max()),
        "conv_params": Conv(192, 64, (1, 1), bias=True).counts((64, 28, 28))[0],
        "linear_params": Linear(192, 64).counts((64,))[0],
        "field_of_five": max(fields(stacked)[-1].size),
    }
    return Evidence(numbers, about="a 1x1 convolution and a linear layer of equal weights, at each of 28 x 28 places, float64")


def _judge_one_by_one(found: Numbers) -> Verdict:
    equal = found["largest_difference"] < 1e-12 * found["largest_output"] and found["conv_params"] == found["linear_params"]
    why = (
        f"the outputs differ by at most {found['largest_difference']:.1e} (the largest is {found['largest_output']:.2f}), both "
        f"have {found['conv_params']:,} params; nothing is seen of the neighbours: five of them one after the other still see "
        f"{found['field_of_five']} px, so stacks of 1x1s do not replace larger kernels"
    )
    return settled(equal, why)


# ---------------------------------------------------------------- A10

SIDES = (64, 97, 160, 224)


class FlattenedHead(Design):
    """A head that flattens what comes, as before global average pooling, made for maps of one size."""

    features: Count = 512 * 7 * 7

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.flatten().layer(Linear(self.features, 1000), "fc")


def _pooled(terms: Terms) -> Evidence:
    import torch

    from netwright.runtime import build

    net = network("googlenet")
    model = build(net, seed=terms.seed).eval()
    chance = torch.Generator().manual_seed(terms.seed)
    with torch.no_grad():
        outputs = [tuple(model(torch.randn(1, 3, side, side, generator=chance)).shape) for side in SIDES]
    head = trace(FlattenedHead(), 7, channels=512).params
    pooled = trace(net, 224).flat().rows[-1].counts[0]
    numbers: dict[str, Any] = {
        "sides": list(SIDES),
        "output_sizes": sorted({shape[1] for shape in outputs}),
        "params": sorted({trace(net, side).params for side in SIDES}),
        "flattened_takes": [side for side in (6, 7, 8) if _takes(side)],
        "smallest_image": smallest_image(net),
        "head_params_pooled": pooled,
        "head_params_flattened": head,
    }
    return Evidence(numbers, about="googlenet run on images of several sizes, and a head that flattens 512 maps of 7 px")


def _takes(side: int) -> bool:
    try:
        trace(FlattenedHead(), side, channels=512)
    except DesignError:
        return False
    return True


def _judge_pooled(found: Numbers) -> Verdict:
    same = found["output_sizes"] == [1000] and len(found["params"]) == 1
    why = (
        f"with images of {listed(found['sides'])} px one network of {found['params'][0]:,} params gives "
        f"{listed(found['output_sizes'])} outputs (from {found['smallest_image']} px on: the strides must leave a pixel); a head "
        f"that flattens 7 px takes maps of {listed(found['flattened_takes'])} px only; the pooled classifier has "
        f"{found['head_params_pooled']:,} params, a flattening one on 512 maps of 7 px {found['head_params_flattened']:,}"
    )
    return settled(same and found["flattened_takes"] == [7], why)


CLAIMS = (
    Claim(
        "a8-naive-inception",
        EXACT,
        "The channels of naive Inception modules, which keep the pooled input as it is, only grow, and computation with them.",
        "Architectures, Inception v1, naive module",
        _naive,
        _judge_naive,
        bars("channels after the module"),
    ),
    Claim(
        "a9-one-by-one-convolution",
        EXACT,
        "A 1x1 convolution is a linear layer at each place.",
        "Architectures, Inception v1, 1x1 convolutions",
        _one_by_one,
        _judge_one_by_one,
    ),
    Claim(
        "a10-global-average-pooling",
        EXACT,
        "With global average pooling a network takes images of any size, with the same parameters.",
        "Architectures, Inception v1, final layers",
        _pooled,
        _judge_pooled,
    ),
)
