"""O15: L2 regularization and weight decay (the notes, 1.4.4)."""

from __future__ import annotations

from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.optimizers.paths import alone

_LR, _DECAY, _STEPS = 0.05, 0.1, 40


@alone
def _decays(terms: Terms) -> Evidence:
    sgd, momentum = ("sgd", {"lr": _LR}), ("momentum", {"lr": _LR, "momentum": 0.9})
    numbers: dict[str, Any] = {"lr": _LR, "lambda": _DECAY}
    rows = []
    for label, (name, settings) in (("sgd", sgd), ("sgd with momentum", momentum), ("adam", ("adam", {"lr": _LR}))):
        in_gradient, apart = (_path(name, settings, how) for how in ("gradient", "apart"))
        gaps = [
            max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) for ours, theirs in zip(in_gradient, apart, strict=True)
        ]
        numbers[f"{label.replace(' ', '_')}_paths_differ_by"] = max(gaps)
        rows += [{"x": t, "y": max(gap, 1e-18), "label": label} for t, gap in enumerate(gaps)]
    numbers |= {f"adamw_{form}_form_keeps": _kept(form) for form in ("notes", "torch")}
    about = (
        f"{_STEPS} steps on (x^2 + 30 y^2) / 2 from (-4, 1.2): lambda theta added to the gradient, or lr lambda theta taken of "
        "theta apart from the step; AdamW's one step without a gradient"
    )
    return Evidence(numbers, rows, about)


def _path(name: str, settings: dict[str, Any], how: str) -> list[list[float]]:
    """The optimizer with L2 in its gradient, or without it and a decay of theta beside it."""
    import torch

    from netwright.lab import Canyon, Method

    canyon, places = Canyon(), []
    theta = torch.tensor(canyon.start, dtype=torch.float64, requires_grad=True)
    optimizer = Method(name, {**settings, **({"weight_decay": _DECAY} if how == "gradient" else {})}).make(theta)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        canyon(theta).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            shrunk = theta * (_LR * _DECAY if how == "apart" else 0.0)
            optimizer.step()
            theta -= shrunk
        places.append(theta.tolist())
    return places


def _kept(form: str) -> float:
    """What AdamW leaves of a parameter of 1 in a step without a gradient."""
    import torch

    from netwright.optim import AdamW

    theta = torch.ones(1, dtype=torch.float64, requires_grad=True)
    theta.grad = torch.zeros_like(theta)
    AdamW([theta], lr=_LR, weight_decay=_DECAY, form=form).step()
    return float(theta.detach())


def _judge_decays(found: Numbers) -> Verdict:
    same, other = found["sgd_paths_differ_by"], found["adam_paths_differ_by"]
    lr, decay, notes, torch = found["lr"], found["lambda"], found["adamw_notes_form_keeps"], found["adamw_torch_form_keeps"]
    forms = abs(notes - (1 - decay)) < 1e-12 and abs(torch - (1 - lr * decay)) < 1e-12
    why = (
        f"for SGD the two paths differ by {same:.1g}, for Adam by {other:.2g} (and for SGD with momentum by "
        f"{found['sgd_with_momentum_paths_differ_by']:.2g}); in a step without a gradient AdamW as in the notes keeps {notes:g} "
        f"of a parameter, as in torch {torch:g} (lambda {decay:g}, lr {lr:g})"
    )
    return settled(same < 1e-12 and other > 1e-3 and forms, why)


def _draw_decays(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "steps", "distance between the paths", log_y=True)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o15-l2-and-weight-decay",
        EXACT,
        "For SGD L2 regularization is weight decay; for Adam it is not, since the term enters the running means. AdamW as in "
        "the notes decays by lambda, torch's by lr x lambda.",
        "Optimizers, 1.4.4",
        _decays,
        _judge_decays,
        _draw_decays,
    ),
)
