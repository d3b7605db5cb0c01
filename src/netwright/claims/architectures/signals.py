"""What layers do to signals: overlapping pooling (A26), the place of the last ReLU (A27), strides and fine gratings (A30)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netwright.claims.claim import QUICK, Claim, Evidence, Numbers, Terms, Verdict, by_interval, settled
from netwright.claims.drawing import intervals, lines
from netwright.claims.reading import conv_of, convs, readers, traced
from netwright.graph.layers import Activation, Add

Array = NDArray[np.float64]

# ---------------------------------------------------------------- A26

FILTERS, DRAWS = 12, 12


def _pooling(terms: Terms) -> Evidence:
    from sklearn.datasets import load_digits

    from netwright.training.seeds import spread

    digits = load_digits()
    pixels, targets = digits.images / 16, np.eye(10)[digits.target]
    errors: dict[str, list[float]] = {"overlapping": [], "apart": []}
    for draw in range(DRAWS):
        chance = np.random.default_rng((terms.seed, draw))
        order = chance.permutation(len(pixels))
        maps = _responses(pixels, chance.standard_normal((FILTERS, 3, 3)))
        for name, window, pad in (("overlapping", 3, 1), ("apart", 2, 0)):
            errors[name].append(_read_error(_pool(maps, window, pad)[order], targets[order]))
    fewer = spread([a - b for a, b in zip(errors["apart"], errors["overlapping"], strict=True)])
    assert fewer.interval is not None
    numbers: dict[str, Any] = {
        "overlapping_error": float(np.mean(errors["overlapping"])),
        "apart_error": float(np.mean(errors["apart"])),
        "difference_low": fewer.interval[0],
        "difference_high": fewer.interval[1],
        "draws": DRAWS,
    }
    rows = [{"label": "2x2/2 less 3x3/2", "x": fewer.mean, "low": fewer.interval[0], "high": fewer.interval[1]}]
    about = (
        f"digits through {FILTERS} random 3x3 filters, ReLU and a pooling to 4 x 4, read by ridge regression learned on a fifth; "
        f"{DRAWS} draws of filters and parts"
    )
    return Evidence(numbers, rows, about)


def _responses(pixels: Array, filters: Array) -> Array:
    """(pictures, filters, height, width): what 3x3 filters answer, above zero."""
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    answers = windows.reshape(*pixels.shape, 9) @ filters.reshape(-1, 9).T
    found: Array = np.maximum(np.moveaxis(answers, -1, 1), 0)
    return found


def _pool(maps: Array, window: int, pad: int) -> Array:
    """(pictures, features): maxima of windows two places apart; values are not negative, so that zeros pad well."""
    padded = np.pad(maps, ((0, 0), (0, 0), (pad, 0), (pad, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(2, 3))
    found: Array = views[:, :, ::2, ::2].max((-2, -1)).reshape(len(maps), -1)
    return found


def _read_error(features: Array, targets: Array) -> float:
    """The error (%) of a ridge regression on the first fifth, on the others: few to learn from leave more to tell apart."""
    cut = len(features) // 5
    features = (features - features[:cut].mean(0)) / (features[:cut].std(0) + 1e-9)
    features = np.hstack([features, np.ones((len(features), 1))])
    seen = features[:cut]
    weights = np.linalg.solve(seen.T @ seen + 10 * np.eye(seen.shape[1]), seen.T @ targets[:cut])
    return 100 * float(((features[cut:] @ weights).argmax(1) != targets[cut:].argmax(1)).mean())


def _judge_pooling(found: Numbers) -> Verdict:
    low, high = found["difference_low"], found["difference_high"]
    why = (
        f"over {found['draws']} draws the error is {found['overlapping_error']:.2f} % with overlapping 3x3/2 windows and "
        f"{found['apart_error']:.2f} % with 2x2/2 ones; the 95 % interval of the difference is {low:.2f} to {high:.2f} points"
    )
    return by_interval(low, high, why)


# ---------------------------------------------------------------- A27

BLOCKS, WIDTH, EXAMPLES = 16, 64, 512


def _last_relu(terms: Terms) -> Evidence:
    placed = _additions()
    chance = np.random.default_rng(terms.seed)
    start = np.maximum(chance.standard_normal((EXAMPLES, WIDTH)), 0)
    x = {"before": start, "after": start}
    below = dict.fromkeys(x, 0.0)
    rows = []
    for block in range(BLOCKS):
        inner, outer = [chance.standard_normal((WIDTH, WIDTH)) / math.sqrt(WIDTH) for _ in range(2)]
        for name, given in x.items():
            branch = np.maximum(given @ inner, 0) @ outer
            branch = (branch - branch.mean(0)) / branch.std(0)  # a norm of scale 1
            x[name] = np.maximum(given + branch, 0) if name == "before" else given + np.maximum(branch, 0)
            below[name] += float((x[name] < given).mean()) / BLOCKS
            rows.append({"x": block + 1, "y": float(x[name].mean() / start.mean()), "label": f"added {name} the ReLU"})
    missed = _missed(start, chance)
    numbers: dict[str, Any] = {
        "additions": len(placed),
        "followed_by_relu": sum(placed),
        "lowered_before": below["before"],
        "lowered_after": below["after"],
        "growth_before": float(x["before"].mean() / start.mean()),
        "growth_after": float(x["after"].mean() / start.mean()),
        "halving_missed_before": missed[0],
        "halving_missed_after": missed[1],
    }
    about = (
        f"the additions of resnet18 and resnet50; {BLOCKS} random residual blocks of {WIDTH} channels with the skip added before "
        "and after the last ReLU; and what of halving its input a block misses, its last layer solved by least squares"
    )
    return Evidence(numbers, rows, about)


def _additions() -> list[bool]:
    """Of each sum with a shortcut, whether a ReLU is what reads it first."""
    found = []
    for name in ("resnet18", "resnet50"):
        flat = traced(name).flat()
        reading = readers(flat)
        for i, row in enumerate(flat.rows):
            if isinstance(row.layer, Add):
                found.append([reader.layer for reader in reading[i]] == [Activation("relu")])
    return found


def _missed(x: Array, chance: np.random.Generator) -> tuple[float, float]:
    """What share of the change to x / 2 blocks with the skip before and after the ReLU miss, their last layer solved for it."""
    hidden = np.maximum(x @ chance.standard_normal((WIDTH, 4 * WIDTH)), 0)
    wanted = -x / 2
    outer, *_ = np.linalg.lstsq(hidden, wanted, rcond=None)
    branch = hidden @ outer
    made = np.maximum(x + branch, 0), x + np.maximum(branch, 0)
    before, after = [float(((one - x / 2) ** 2).sum() / (wanted**2).sum()) for one in made]
    return before, after


def _judge_last_relu(found: Numbers) -> Verdict:
    built = found["followed_by_relu"] == found["additions"] > 0
    why = (
        f"{found['followed_by_relu']} of {found['additions']} additions of resnet18 and resnet50 come before a ReLU; added "
        f"before it a block lowers {100 * found['lowered_before']:.0f} % of its values, added after it "
        f"{100 * found['lowered_after']:.0f} %, and {BLOCKS} blocks let the mean grow {found['growth_before']:.1f} and "
        f"{found['growth_after']:.1f} times; of halving its input the first form misses "
        f"{100 * found['halving_missed_before']:.1f} % of the change, the second, which can only add, "
        f"{100 * found['halving_missed_after']:.0f} %"
    )
    cannot = found["lowered_after"] == 0 < found["lowered_before"] and found["growth_after"] > 2 * found["growth_before"]
    return settled(built and cannot and found["halving_missed_before"] < 0.2 and found["halving_missed_after"] > 0.9, why)


# ---------------------------------------------------------------- A30

OUTPUTS = 256


def _gratings(terms: Terms) -> Evidence:
    frequencies = [i / 100 for i in range(1, 50)]
    numbers: dict[str, Any] = {"gratings": len(frequencies)}
    rows, kept = [], {}
    for name in ("alexnet_2012", "zfnet"):
        first = conv_of(convs(traced(name, 224).rows())[0])
        seen = [_apparent(frequency, first.kernel[0], first.stride[0]) for frequency in frequencies]
        kept[name] = [abs(found - frequency) <= 1 / OUTPUTS for found, frequency in zip(seen, frequencies, strict=True)]
        rows += [{"x": f, "y": found, "label": f"{name}: {first}"} for f, found in zip(frequencies, seen, strict=True)][::2]
        key = "zfnet" if name == "zfnet" else "alexnet"
        numbers |= {f"{key}_kernel": first.kernel[0], f"{key}_stride": first.stride[0]}
        numbers |= {
            f"{key}_kept": sum(kept[name]),
            f"{key}_highest": max(f for f, ok in zip(frequencies, kept[name], strict=True) if ok),
        }
    both = list(zip(kept["alexnet_2012"], kept["zfnet"], strict=True))
    numbers |= {"only_zfnet": sum(b and not a for a, b in both), "only_alexnet": sum(a and not b for a, b in both)}
    return Evidence(
        numbers,
        rows,
        "gratings of 0.01 to 0.49 cycles per px through a filter tuned to each, of the first layer's kernel and stride",
    )


def _apparent(frequency: float, kernel: int, stride: int) -> float:
    """The frequency (cycles per px of the image) at which the answer of a strided filter to a grating has its peak."""
    taps = np.arange(kernel) - kernel // 2
    tuned = np.hanning(kernel + 2)[1:-1] * np.cos(2 * math.pi * frequency * taps)
    places = np.arange(OUTPUTS * stride + kernel)
    grating = np.cos(2 * math.pi * frequency * places + 0.7)
    answer = np.correlate(grating, tuned, "valid")[::stride][:OUTPUTS]
    power = np.abs(np.fft.rfft((answer - answer.mean()) * np.hanning(OUTPUTS)))
    return float(power.argmax() / OUTPUTS / stride)


def _judge_gratings(found: Numbers) -> Verdict:
    why = (
        f"of {found['gratings']} gratings the {found['alexnet_kernel']}x{found['alexnet_kernel']}/{found['alexnet_stride']} "
        f"keeps {found['alexnet_kept']}, up to {found['alexnet_highest']:.2f} cycles per px, and turns finer ones into coarse "
        f"ones that are not there; the {found['zfnet_kernel']}x{found['zfnet_kernel']}/{found['zfnet_stride']} keeps "
        f"{found['zfnet_kept']}, up to {found['zfnet_highest']:.2f}: {found['only_zfnet']} that the other aliases"
    )
    return settled(found["only_zfnet"] > 0 == found["only_alexnet"] and found["zfnet_highest"] > found["alexnet_highest"], why)


CLAIMS = (
    Claim(
        "a26-overlapping-pooling",
        QUICK,
        "Pooling with overlapping windows, 3x3 with stride 2, makes fewer errors than 2x2 with stride 2.",
        "Architectures, AlexNet, pooling layers",
        _pooling,
        _judge_pooling,
        intervals("fewer errors with overlapping windows (points)", at=0),
    ),
    Claim(
        "a27-skip-before-the-last-relu",
        QUICK,
        "The skip is added before the last ReLU: added after it, only positive values would be summed, and the identity hardly "
        "perturbed.",
        "Architectures, residual networks, remark on skip connections",
        _last_relu,
        _judge_last_relu,
        lines("residual block", "mean value over that of the input"),
    ),
    Claim(
        "a30-zfnet-keeps-fine-gratings",
        QUICK,
        "ZFNet's 7x7 with stride 2 keeps frequencies that AlexNet's 11x11 with stride 4 aliases.",
        "Architectures, ZFNet",
        _gratings,
        _judge_gratings,
        lines("frequency of the grating (cycles per px)", "apparent frequency"),
    ),
)
