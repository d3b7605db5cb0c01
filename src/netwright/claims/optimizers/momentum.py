"""O6, O7, O8 and O14: momentum, Nesterov's and the standard one (the notes, 1.3 and 1.4.3)."""

from __future__ import annotations

import math
from typing import Any

from netwright.claims.claim import EXACT, QUICK, Claim, Evidence, Numbers, Terms, Verdict, corrected, settled
from netwright.claims.optimizers.paths import alone, near, paths_figure, walked, whole

_NOTES = {"form": "notes"}
_LR, _MU = 0.02, 0.9


# ---------------------------------------------------------------- O6: momentum against plain descent, and as a filter


@alone
def _first(terms: Terms) -> Evidence:
    from netwright.lab import Canyon, Method, Sphere, race

    methods = [Method("sgd", {"lr": _LR, **_NOTES}), Method("momentum", {"lr": _LR, "momentum": _MU, **_NOTES})]
    numbers: dict[str, Any] = {"lr": _LR, "momentum": _MU}
    rows = []
    for name, place in (("sphere", Sphere()), ("canyon", Canyon())):
        fixed = race(place, methods, budget=200, tune=False)
        best = race(place, ("sgd", "momentum"), budget=200)
        for how, made in (("", fixed), ("_tuned", best)):
            numbers |= {f"{name}_{t.method.name}{how}": t.reached(near(place)) for t in made.trajectories}
        rows += walked(name, fixed.trajectories)
    slow, fast = _gain(0.02 * math.pi), _gain(0.9 * math.pi)
    numbers |= {"gain_of_slow_changes": slow, "gain_of_fast_changes": fast}
    about = (
        f"evaluations until the loss stays below 1/1000 of that at the start, lr {_LR}, momentum {_MU}, condition 30, and each "
        "tuned; gains of the step for gradients that change as a wave of 0.01 and of 0.45 periods a step"
    )
    return Evidence(numbers, rows, about)


def _gain(frequency: float) -> float:
    """The amplitude of the steps, over lr, for gradients cos(frequency t): momentum's gain, measured on the class itself."""
    import torch

    from netwright.optim import SGD

    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([theta], lr=1.0, momentum=_MU)
    before, energy, steps = 0.0, 0.0, 600
    for t in range(2 * steps):
        theta.grad = torch.tensor([math.cos(frequency * t)], dtype=torch.float64)
        optimizer.step()
        moved, before = float(theta.detach()) - before, float(theta.detach())
        energy += moved**2 if t >= steps else 0.0
    return math.sqrt(2 * energy / steps)


def _judge_first(found: Numbers) -> Verdict:
    def sooner(how: str) -> list[bool]:
        pairs = [(found[f"{place}_momentum{how}"], found[f"{place}_sgd{how}"]) for place in ("sphere", "canyon")]
        return [ours is not None and (theirs is None or ours < theirs) for ours, theirs in pairs]

    filters = found["gain_of_fast_changes"] < 0.1 * found["gain_of_slow_changes"]
    told = {
        how: ", ".join(
            f"{place} momentum {whole(found[f'{place}_momentum{how}'])} and SGD {whole(found[f'{place}_sgd{how}'])}"
            for place in ("sphere", "canyon")
        )
        for how in ("", "_tuned")
    }
    why = (
        f"at lr {found['lr']:g} for both: {told['']} evaluations; each tuned: {told['_tuned']}; slow changes of the gradient "
        f"enter the step {found['gain_of_slow_changes']:.3g}-fold, fast ones {found['gain_of_fast_changes']:.2g}-fold"
    )
    return corrected(all(sooner("") + sooner("_tuned")) and filters, all(sooner("")) and filters, why)


def _draw_first(found: Evidence) -> Any:
    from netwright.lab import Canyon, Sphere

    return paths_figure(found, {"sphere": Sphere(), "canyon": Canyon()})


# ---------------------------------------------------------------- O7: Nesterov with and without the look-ahead gradient


@alone
def _forms(terms: Terms) -> Evidence:
    numbers, rows = {}, []
    for name, lrs in (("constant_lr", [_LR] * 60), ("halved_lr", [_LR] * 30 + [_LR / 2] * 30)):
        looked = _look_ahead(lrs)
        for form in ("notes", "torch"):
            paired = zip(looked, _without(lrs, form), strict=True)
            apart = [max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) for ours, theirs in paired]
            numbers[f"{name}_{form}_form_differs_by"] = max(apart)
            label = f"{form} form, {name.replace('_', ' ')}"
            rows += [{"x": t, "y": max(value, 1e-18), "label": label} for t, value in enumerate(apart) if t % 3 == 0]
    about = (
        "60 steps in a canyon of condition 30, lr 0.02 and halved after 30 steps: largest distance to theta with the look-ahead"
    )
    return Evidence(numbers, rows, about)


def _look_ahead(lrs: list[float]) -> list[tuple[float, float]]:
    """The formula of the notes, with the gradient at theta + mu v: x has curvature 1, y has 30."""
    theta, v, places = [-4.0, 1.2], [0.0, 0.0], []
    for lr in lrs:
        slopes = [curvature * (theta[i] + _MU * v[i]) for i, curvature in enumerate((1.0, 30.0))]
        v = [_MU * v[i] - lr * slopes[i] for i in range(2)]
        theta = [theta[i] + v[i] for i in range(2)]
        places.append((theta[0], theta[1]))
    return places


def _without(lrs: list[float], form: str) -> list[tuple[float, float]]:
    """The optimizer, which takes gradients at its parameter only; theta is what it says the iterate is."""
    import torch

    from netwright.lab import Canyon
    from netwright.optim import SGD

    canyon, places = Canyon(), []
    theta = torch.tensor(canyon.start, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([theta], lr=lrs[0], momentum=_MU, nesterov=True, form=form)
    for lr in lrs:
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        canyon(theta).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        x, y = optimizer.iterates()[0][0].tolist()
        places.append((x, y))
    return places


def _judge_forms(found: Numbers) -> Verdict:
    constant = max(found["constant_lr_notes_form_differs_by"], found["constant_lr_torch_form_differs_by"]) < 1e-12
    always = found["halved_lr_notes_form_differs_by"] < 1e-12
    why = (
        f"at constant lr the paths differ by at most {found['constant_lr_notes_form_differs_by']:.1g} (lr within the velocity, "
        f"as in the notes) and {found['constant_lr_torch_form_differs_by']:.1g} (lr outside, as in torch); when lr is halved on "
        f"the way, by {found['halved_lr_notes_form_differs_by']:.1g} and {found['halved_lr_torch_form_differs_by']:.1g}"
    )
    return corrected(constant and always, constant, why)


def _draw_forms(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "steps", "distance to the path with look-ahead gradients", log_y=True)


# ---------------------------------------------------------------- O8: Nesterov against standard momentum


_CONDITIONS = (3.0, 10.0, 30.0, 100.0)


@alone
def _nesterov(terms: Terms) -> Evidence:
    from netwright.lab import Canyon, run, tuned

    rows, numbers = [], {"conditions": list(_CONDITIONS)}
    found: dict[str, list[int | None]] = {}
    for condition in _CONDITIONS:
        place = Canyon(condition=condition)
        for name in ("sgd", "momentum", "nesterov"):
            fixed = {"lr": 0.6 / condition, **({} if name == "sgd" else {"momentum": _MU})}
            best = tuned(place, name, loss=near(place), budget=150).method.settings
            for how, settings in (("", fixed), ("_tuned", best)):
                made = run(place, name, settings, budget=400).reached(near(place))
                found.setdefault(f"{name}{how}", []).append(made)
                if made is not None:
                    rows.append({"x": condition, "y": made, "label": f"{name}{how.replace('_', ', ')}"})
    about = (
        "evaluations to 1/1000 of the loss at the start, in canyons: at lr 0.6 / condition, momentum 0.9, and each tuned for it"
    )
    return Evidence(numbers | found, rows, about)


def _judge_nesterov(found: Numbers) -> Verdict:
    def ahead(how: str) -> list[bool]:
        pairs = zip(found[f"nesterov{how}"], found[f"momentum{how}"], strict=True)
        return [ours is not None and (theirs is None or ours < theirs) for ours, theirs in pairs]

    wins = {how: sum(ahead(how)) for how in ("", "_tuned")}
    count = len(found["conditions"])
    why = (
        f"at one lr and momentum Nesterov was first in {wins['']} of {count} canyons ({found['nesterov']} evaluations against "
        f"{found['momentum']}), and in {wins['_tuned']} with each tuned ({found['nesterov_tuned']} against "
        f"{found['momentum_tuned']})"
    )
    return corrected(wins[""] == wins["_tuned"] == count, wins[""] == count, why)


def _draw_curves(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "condition number", "evaluations", log=True)


# ---------------------------------------------------------------- O14: wide basins

_WINDOW = (-3.6, 3.6, -2.4, 2.4)
_WIDTHS = (0.3, 0.4, 0.5, 0.6)  # of the narrow basin; the wide one has 1.2


@alone
def _basins(terms: Terms) -> Evidence:
    from netwright.lab import Basins, Method, basins

    shares: dict[str, list[float]] = {"sgd": [], "momentum": [], "nesterov": []}
    rows = []
    for width in _WIDTHS:
        for name, mine in shares.items():
            settings = {"lr": 0.1, **({} if name == "sgd" else {"momentum": _MU})}
            made = basins(Basins(narrow=width), Method(name, settings), _WINDOW, resolution=36, budget=300)
            mine.append(made.share(0))
            rows.append({"x": width, "y": 100 * made.share(0), "label": name})
    about = (
        f"the share of {36 * 24} starts that end in the wide basin (width 1.2), lr 0.1, momentum {_MU}, 300 steps without noise"
    )
    return Evidence({"widths_of_the_narrow_basin": list(_WIDTHS)} | shares, rows, about)


def _judge_basins(found: Numbers) -> Verdict:
    more = [
        all(ours > theirs for ours, theirs in zip(found[name], found["sgd"], strict=True)) for name in ("momentum", "nesterov")
    ]
    told = "; ".join(
        f"narrow basin {width:g}: SGD {100 * a:.0f} %, momentum {100 * b:.0f} %, Nesterov {100 * c:.0f} %"
        for width, a, b, c in zip(
            found["widths_of_the_narrow_basin"], found["sgd"], found["momentum"], found["nesterov"], strict=True
        )
    )
    return settled(all(more), f"share of the starts that end in the wide basin: {told}")


def _draw_basins(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "width of the narrow basin", "starts that end in the wide basin (%)")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o6-momentum-before-sgd",
        QUICK,
        "Momentum converges before plain SGD both in a sphere and in a canyon, and acts as a low-pass filter on the gradients.",
        "Optimizers, 1.3 and figure 1.1",
        _first,
        _judge_first,
        _draw_first,
    ),
    Claim(
        "o7-nesterov-without-look-ahead",
        EXACT,
        "Nesterov momentum can be written without the gradient at the look-ahead point, and takes the same path.",
        "Optimizers, 1.3",
        _forms,
        _judge_forms,
        _draw_forms,
    ),
    Claim(
        "o8-nesterov-before-momentum",
        QUICK,
        "Nesterov momentum converges before standard momentum in a canyon.",
        "Optimizers, figure 1.3",
        _nesterov,
        _judge_nesterov,
        _draw_curves,
    ),
    Claim(
        "o14-wide-basins",
        QUICK,
        "Methods with momentum tend to prefer wide basins: they escape from narrow ones.",
        "Optimizers, 1.4.3",
        _basins,
        _judge_basins,
        _draw_basins,
    ),
)
