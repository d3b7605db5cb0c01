"""Newton and NewtonCG against linear algebra, analytic derivatives and scipy; their counts, their limits, their faults."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize
from torch import Tensor, nn

from netwright.errors import NetwrightError
from netwright.optim.newton import Newton
from netwright.optim.newton_cg import NewtonCG
from netwright.optim.schedules import set_lr

Kind = type[Newton] | type[NewtonCG]
BOTH: list[Kind] = [Newton, NewtonCG]
both = pytest.mark.parametrize("kind", BOTH)


def rosenbrock(x: Tensor) -> Tensor:
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def leaf(values: Any, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def symmetric(values: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """A matrix with these eigenvalues and random eigenvectors."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    return basis @ np.diag(values) @ basis.T


def quadratic(matrix: Tensor, b: Tensor, *parts: Tensor) -> Tensor:
    x = torch.cat([part.reshape(-1) for part in parts])
    return x @ matrix @ x / 2 - b @ x


# ---------------------------------------------------------------- quadratics: one step


@settings(deadline=None)
@given(
    st.lists(st.floats(0.01, 100.0), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.integers(0, 2**20),
)
def test_newton_solves_a_quadratic_in_one_step_whatever_its_signs(sizes: list[float], signs: list[bool], seed: int) -> None:
    """Also a saddle's and a maximum's: numpy.linalg.solve says where the stationary point is."""
    values = np.array([size if sign else -size for size, sign in zip(sizes, signs, strict=False)])
    matrix = symmetric(values, seed)
    b, start = np.random.default_rng(seed + 1).normal(size=(2, len(values)))
    x = leaf(start)
    optimizer = Newton([x])
    optimizer.step(lambda: quadratic(torch.tensor(matrix), torch.tensor(b), x))
    wanted = np.linalg.solve(matrix, b)
    condition = abs(values).max() / abs(values).min()
    scale = 1 + abs(wanted).max() + abs(start).max()
    assert abs(x.detach().numpy() - wanted).max() < 1e-14 * len(values) * condition * scale
    assert optimizer.evaluations == 1 + len(values)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=8), st.integers(0, 2**20))
@example([1 / 3, 2.1267199244068036, 8.670859741650023, 9.703942805254096], 0)  # a direction whose square is 0
def test_conjugate_gradients_solve_it_too_where_it_is_convex(sizes: list[float], seed: int) -> None:
    matrix = symmetric(np.array(sizes), seed)
    b, start = np.random.default_rng(seed + 1).normal(size=(2, len(sizes)))
    x = leaf(start)
    NewtonCG([x], tolerance=0.0, max_iterations=50).step(lambda: quadratic(torch.tensor(matrix), torch.tensor(b), x))
    assert np.allclose(x.detach().numpy(), np.linalg.solve(matrix, b), atol=1e-8)


@pytest.mark.parametrize("lr", [1.0, 0.25, torch.tensor(0.5, dtype=torch.float64)])
@pytest.mark.parametrize("damping", [0.0, 3.0])
def test_lr_and_damping_are_those_of_the_formula(lr: float | Tensor, damping: float) -> None:
    matrix, b = symmetric(np.array([5.0, -1.0, 0.5, 20.0]), 3), np.arange(4.0)
    start = np.ones(4)
    x = leaf(start)
    Newton([x], lr=lr, damping=damping).step(lambda: quadratic(torch.tensor(matrix), torch.tensor(b), x))
    wanted = start - float(lr) * np.linalg.solve(matrix + damping * np.eye(4), matrix @ start - b)
    assert np.allclose(x.detach().numpy(), wanted, rtol=1e-12)


def test_damped_conjugate_gradients_solve_the_damped_system() -> None:
    matrix, b, start = symmetric(np.array([5.0, -1.0, 0.5, 20.0]), 3), np.arange(4.0), np.ones(4)
    x = leaf(start)
    optimizer = NewtonCG([x], lr=0.5, damping=3.0, tolerance=0.0, line_search=False)
    optimizer.step(lambda: quadratic(torch.tensor(matrix), torch.tensor(b), x))
    wanted = start - 0.5 * np.linalg.solve(matrix + 3 * np.eye(4), matrix @ start - b)
    assert np.allclose(x.detach().numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize("kind", BOTH)
def test_groups_have_their_own_lr_and_damping(kind: Kind) -> None:
    """The Hessian is that of all groups together."""
    matrix, b = symmetric(np.array([5.0, 1.0, 0.5, 20.0, 3.0]), 5), np.arange(5.0)
    one, two = leaf([1.0, 2.0]), leaf([[3.0], [4.0], [5.0]])
    start = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    groups = [{"params": [one], "lr": 0.5, "damping": 2.0}, {"params": [two]}]
    exact: dict[str, Any] = {} if kind is Newton else {"tolerance": 0.0, "line_search": False}
    kind(groups, lr=0.25, **exact).step(lambda: quadratic(torch.tensor(matrix), torch.tensor(b), one, two))
    damped = matrix + np.diag([2.0, 2.0, 0.0, 0.0, 0.0])
    wanted = start - np.array([0.5, 0.5, 0.25, 0.25, 0.25]) * np.linalg.solve(damped, matrix @ start - b)
    found = torch.cat([one.detach(), two.detach().reshape(-1)]).numpy()
    assert np.allclose(found, wanted, rtol=1e-10)
    assert two.shape == (3, 1)


def test_newton_in_one_dimension_is_the_notes_step() -> None:
    """-f' / f'', from a tensor without dimensions too; the fourth power's step is a third of the way."""
    x = leaf(3.0)
    optimizer = Newton([x])
    loss = optimizer.step(lambda: x**4)
    assert x.item() == pytest.approx(3.0 - (4 * 27) / (12 * 9))
    assert (loss.item(), loss.requires_grad, optimizer.evaluations) == (81.0, False, 2)


def test_badly_scaled_is_not_singular() -> None:
    x = leaf([1.0, 1.0, 1.0])
    scale = torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)
    Newton([x]).step(lambda: ((scale * x) ** 2).sum())
    assert x.abs().max() < 1e-12
    y = leaf([1.0, 1.0])
    Newton([y]).step(lambda: y[0] * y[1] * 1e-12)  # indefinite, with nothing on its diagonal
    assert y.abs().max() < 1e-12


# ---------------------------------------------------------------- Rosenbrock: analytic derivatives, scipy


def test_newton_takes_the_steps_of_the_analytic_derivatives() -> None:
    start = np.array([-1.2, 1.0, 0.7, -0.3])
    x, point = leaf(start), start.copy()
    optimizer = Newton([x])
    for _ in range(25):
        optimizer.step(lambda: rosenbrock(x))
        point = point - np.linalg.solve(optimize.rosen_hess(point), optimize.rosen_der(point))
        assert np.allclose(x.detach().numpy(), point, rtol=1e-6, atol=1e-9)
    assert np.allclose(optimize.rosen_der(point), 0, atol=1e-8)  # a stationary point, if not the minimum
    assert optimizer.evaluations == 25 * 5


def test_newton_finds_the_minimum_of_rosenbrock_in_a_few_steps() -> None:
    x = leaf([-1.2, 1.0])
    optimizer = Newton([x])
    losses = [optimizer.step(lambda: rosenbrock(x)).item() for _ in range(8)]
    assert losses[-1] == 0.0
    assert max(losses[1:]) > losses[0]  # no step of descent


@pytest.mark.parametrize("size", [2, 10, 50])
def test_newton_cg_does_what_scipys_does(size: int) -> None:
    """scipy's Newton-CG is the same algorithm with another line search: the same minimum, in no more than twice its work."""
    start = np.random.default_rng(size).normal(size=size) / 3 + 1  # in the basin of the minimum at 1
    peer = optimize.minimize(
        optimize.rosen, start, jac=optimize.rosen_der, hessp=optimize.rosen_hess_prod, method="Newton-CG", tol=1e-10
    )
    x = leaf(start)
    optimizer = NewtonCG([x])
    losses: list[float] = []
    while (not losses or losses[-1] > 1e-18) and len(losses) < 2000:
        losses.append(optimizer.step(lambda: rosenbrock(x)).item())
    assert np.allclose(x.detach().numpy(), peer.x, atol=1e-7)
    assert all(after <= before for before, after in pairwise(losses))
    assert optimizer.evaluations <= 2 * (peer.nfev + peer.njev + peer.nhev)


def test_a_smaller_tolerance_takes_fewer_steps() -> None:
    def steps(tolerance: float) -> int:
        x = leaf([-1.2, 1.0])
        optimizer = NewtonCG([x], tolerance=tolerance)
        count = 0
        while optimizer.step(lambda: rosenbrock(x)) > 1e-18:
            count += 1
        return count

    assert steps(0.01) < steps(0.5) < 200


# ---------------------------------------------------------------- saddles and maxima


def saddle(x: Tensor) -> Tensor:
    return x[0] ** 2 - x[1] ** 2


def test_plain_newton_converges_to_the_saddle_and_to_a_maximum() -> None:
    x = leaf([3.0, 1e-3])
    Newton([x]).step(lambda: saddle(x))
    assert x.tolist() == [0.0, 0.0]
    top = leaf([0.3])
    optimizer = Newton([top])
    for _ in range(8):
        optimizer.step(lambda: top.cos().sum())
    assert abs(top.item()) < 1e-12  # where the cosine is largest


@pytest.mark.parametrize("start", [[3.0, 1e-3], [1e-3, 3.0], [0.0, 1e-6], [-2.0, -1e-4]])
def test_newton_cg_leaves_the_saddle_along_negative_curvature(start: list[float]) -> None:
    x = leaf(start)
    optimizer = NewtonCG([x])
    for _ in range(40):
        optimizer.step(lambda: saddle(x))
    assert abs(x[1].item()) > 1e3
    assert np.sign(x[1].item()) == np.sign(start[1])
    assert abs(x[0].item()) < 10


def test_newton_cg_leaves_a_maximum_and_finds_a_minimum() -> None:
    x = leaf([0.3, -0.1])
    optimizer = NewtonCG([x])
    for _ in range(30):
        optimizer.step(lambda: x.cos().sum())
    assert np.allclose(x.detach().cos().numpy(), -1)


def test_exactly_on_the_ridge_newton_cg_ends_at_the_saddle_as_its_docstring_says() -> None:
    x = leaf([1.0, 0.0])
    optimizer = NewtonCG([x])
    for _ in range(5):
        optimizer.step(lambda: saddle(x))
    assert x.tolist() == [0.0, 0.0]


def test_damping_above_the_negative_curvature_makes_newton_descend() -> None:
    x = leaf([3.0, 1e-3])
    optimizer = Newton([x], damping=2.5)
    losses = [optimizer.step(lambda: saddle(x)).item() for _ in range(10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < -1


# ---------------------------------------------------------------- real modules, types, counts


def regression(dtype: torch.dtype) -> tuple[nn.Module, Callable[[], Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).to(dtype)
    x, y = torch.randn(64, 4, dtype=dtype), torch.randn(64, 1, dtype=dtype)
    return model, lambda: nn.functional.mse_loss(model(x), y) + 1e-3 * sum((p**2).sum() for p in model.parameters())


def test_the_step_on_a_network_is_that_of_torchs_own_hessian() -> None:
    model, _ = regression(torch.float64)
    names = [name for name, _ in model.named_parameters()]
    values = tuple(p.detach().clone() for p in model.parameters())
    x, y = torch.randn(64, 4, dtype=torch.float64), torch.randn(64, 1, dtype=torch.float64)

    def of(*given: Tensor) -> Tensor:
        return nn.functional.mse_loss(torch.func.functional_call(model, dict(zip(names, given, strict=True)), x), y)

    blocks = torch.autograd.functional.hessian(of, values)
    sizes = [value.numel() for value in values]
    rows = [[b.reshape(n, m) for b, m in zip(row, sizes, strict=True)] for row, n in zip(blocks, sizes, strict=True)]
    hessian = torch.cat([torch.cat(row, 1) for row in rows]).numpy() + 0.5 * np.eye(sum(sizes))
    gradient = torch.cat([g.reshape(-1) for g in torch.func.grad(of, argnums=tuple(range(4)))(*values)]).numpy()
    before = torch.cat([value.reshape(-1) for value in values]).numpy()
    Newton(model.parameters(), damping=0.5).step(lambda: nn.functional.mse_loss(model(x), y))
    after = torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy()
    assert np.allclose(after, before - np.linalg.solve(hessian, gradient), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@both
def test_they_train_a_network(kind: Kind, dtype: torch.dtype) -> None:
    model, loss = regression(dtype)
    optimizer = NewtonCG(model.parameters()) if kind is NewtonCG else Newton(model.parameters(), damping=1.0)
    first = loss().item()
    for _ in range(20 if kind is Newton else 60):
        optimizer.step(loss)
    assert loss().item() < 0.8 * first
    if kind is NewtonCG:
        gradient = torch.autograd.grad(loss(), list(model.parameters()))
        assert max(g.abs().max().item() for g in gradient) < (1e-5 if dtype is torch.float32 else 1e-10)
    assert all(p.dtype == dtype and p.grad is None for p in model.parameters())


@both
def test_types_may_differ_and_narrow_ones_are_solved_in_float32(kind: Kind) -> None:
    wide, narrow, half = leaf([1.0, 2.0]), leaf([3.0], torch.float32), leaf([4.0], torch.bfloat16)
    optimizer = kind([wide, narrow, half]) if kind is Newton else NewtonCG([wide, narrow, half], tolerance=0.0)
    for _ in range(3):
        optimizer.step(lambda: ((wide - 5) ** 2).sum() + ((narrow + wide[0].float()) ** 2).sum() + (half.double() ** 2).sum())
    assert (wide.dtype, narrow.dtype, half.dtype) == (torch.float64, torch.float32, torch.bfloat16)
    assert torch.allclose(wide.detach(), torch.full((2,), 5.0, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(narrow.detach(), torch.tensor([-5.0]), atol=1e-5)
    assert abs(half.item()) < 1e-5


def test_every_call_of_the_closure_and_every_product_is_counted() -> None:
    """The closure counts its own calls, a hook the passes back through the gradient."""
    x = leaf([-1.2, 1.0])
    calls = passes = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        squares = x**2
        if squares.requires_grad:
            squares.register_hook(count)
        return (1 - x[0]) ** 2 + 100 * (x[1] - squares[0]) ** 2

    def count(gradient: Tensor) -> None:
        nonlocal passes
        passes += not gradient.requires_grad  # without a graph: the pass of a second derivative

    optimizer = NewtonCG([x])
    for _ in range(10):
        optimizer.step(closure)
    assert passes > 10
    assert optimizer.evaluations == calls + passes

    x, calls = leaf([-1.2, 1.0]), 0
    exact = Newton([x])
    for _ in range(3):
        exact.step(closure)
    assert (calls, exact.evaluations) == (3, 9)


@both
def test_parameters_that_have_no_part_stay_as_they_are(kind: Kind) -> None:
    moved, frozen, unused = leaf([1.0, 2.0]), leaf([3.0]).requires_grad_(False), leaf([4.0])
    optimizer = kind([moved, frozen, unused])
    optimizer.step(lambda: (moved**2).sum() * frozen.sum())
    assert torch.allclose(moved, torch.zeros(2, dtype=torch.float64), atol=1e-12)
    assert (frozen.item(), unused.item()) == (3.0, 4.0)
    frozen.requires_grad_(True)  # thawed: it moves from now on
    optimizer.step(lambda: ((moved - 1) ** 2).sum() + (frozen**2).sum())
    assert abs(frozen.item()) < 1e-12


@both
def test_a_parameter_in_two_places_is_one(kind: Kind) -> None:
    layer = nn.Linear(3, 3, bias=False).double()
    model = nn.Sequential(layer, layer)
    optimizer = kind(model.parameters())
    before = layer.weight.detach().clone()
    eye = torch.eye(3, dtype=torch.float64)
    loss = [optimizer.step(lambda: ((model(eye) - eye) ** 2).sum() + (layer.weight**2).sum()) for _ in range(4)]
    assert optimizer.evaluations > 4
    assert not torch.equal(before, layer.weight)
    assert loss[-1].isfinite()


def test_a_linear_loss_has_no_curvature() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(NetwrightError, match=r"singular: 2 of 2 directions .* damping"):
        Newton([x]).step(lambda: x.sum())
    Newton([x], damping=2.0).step(lambda: x.sum())
    assert x.tolist() == [0.5, 1.5]
    NewtonCG([x]).step(lambda: x.sum())
    assert x.tolist() == [-0.5, 0.5]  # by the gradient


@both
def test_at_a_stationary_point_nothing_happens(kind: Kind) -> None:
    x = leaf([0.0, 0.0])
    optimizer = kind([x])
    optimizer.step(lambda: (x**2).sum())
    assert x.tolist() == [0.0, 0.0]


def test_the_line_search_goes_back_over_a_cliff() -> None:
    """Beyond 1 the loss is not a number: the parameters never stay there."""
    x = leaf([0.9])
    optimizer = NewtonCG([x], lr=64.0)
    for _ in range(20):
        before = x.item()
        loss = optimizer.step(lambda: -torch.log(1 - x).sum() * 0.1 - x.sum())
        assert loss.isfinite()
        assert x.item() < 1
        assert -np.log(1 - x.item()) * 0.1 - x.item() <= -np.log(1 - before) * 0.1 - before + 1e-15
    assert x.item() == pytest.approx(0.9)


def test_a_search_that_finds_nothing_or_fails_puts_the_parameters_back() -> None:
    x = leaf([1.0, 2.0])
    losses = iter(range(100))
    optimizer = NewtonCG([x])
    optimizer.step(lambda: (x**2).sum() + 10.0 * next(losses))  # a loss that rises whatever is done
    assert x.tolist() == [1.0, 2.0]
    assert optimizer.evaluations == 1 + 1 + 40

    calls = iter([False, False, True])

    def failing() -> Tensor:
        if next(calls):
            raise KeyError("no more data")
        return (x**2).sum() + 10.0 * (x[0].item() != 1.0)

    with pytest.raises(KeyError, match="no more data"):
        NewtonCG([x]).step(failing)
    assert x.tolist() == [1.0, 2.0]


def test_products_need_memory_for_vectors_only() -> None:
    """A loss of ten million numbers, whose Hessian would take 400 TB."""
    x = torch.full((10_000_000,), 3.0, requires_grad=True)
    optimizer = NewtonCG([x])
    optimizer.step(lambda: (x**2).mean() * 5)
    assert x.detach().abs().max() < 1e-3


# ---------------------------------------------------------------- as torch's optimizers


@both
def test_state_goes_out_and_in_and_resumes_bitwise(kind: Kind) -> None:
    def run(steps: int, optimizer: Any, x: Tensor) -> None:
        for _ in range(steps):
            optimizer.step(lambda: rosenbrock(x))

    whole = leaf([-1.2, 1.0])
    straight = kind([("x", whole)], damping=0.1)
    run(6, straight, whole)
    half = leaf([-1.2, 1.0])
    first = kind([("x", half)], damping=0.1)
    run(3, first, half)
    rest = leaf(half.tolist())
    second = kind([("x", rest)])
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert (second.evaluations, second.param_groups[0]["damping"]) == (first.evaluations, 0.1)
    run(3, second, rest)
    assert torch.equal(whole, rest)
    assert second.evaluations == straight.evaluations
    copied = copy.deepcopy(straight)
    assert copied.evaluations == straight.evaluations
    adam = torch.optim.Adam([("x", leaf([1.0]))])
    for state in (adam.state_dict(), {"state": {}, "param_groups": [{"params": [0]}]}, {}, None):
        with pytest.raises(NetwrightError, match="no state of Newton"):
            second.load_state_dict(state)  # type: ignore[arg-type]
    broken = copy.deepcopy(straight.state_dict())
    broken["param_groups"][0]["damping"] = -1.0
    with pytest.raises(NetwrightError, match="damping is -1"):
        second.load_state_dict(broken)
    for bad, words in (([("y", leaf([1.0, 2.0]))], "x|y"), ([("x", whole), ("y", leaf([1.0]))], "y")):
        with pytest.raises(NetwrightError, match=words):
            kind(bad).load_state_dict(straight.state_dict())


@both
def test_hooks_schedulers_and_iterates(kind: Kind) -> None:
    x = leaf([2.0])
    optimizer = kind([x], lr=0.5)
    seen: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.step(lambda: (x**2).sum() / 2)
    scheduler.step()
    assert x.item() == 1.0
    assert optimizer.iterates()[0][0].tolist() == [1.0]
    optimizer.step(lambda: (x**2).sum() / 2)
    assert x.item() == 0.75
    set_lr(optimizer, 1.0)
    optimizer.step(lambda: (x**2).sum() / 2)
    assert x.item() == 0.0
    assert seen == ["before", "after"] * 3


@both
def test_the_closure_runs_with_gradients_wherever_the_step_is_called(kind: Kind) -> None:
    x = leaf([2.0])
    with torch.no_grad():
        kind([x]).step(lambda: (x**2).sum())
    assert abs(x.item()) < 1e-15


# ---------------------------------------------------------------- faults


def refused(words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(NetwrightError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_above_its_limit_newton_says_what_the_hessian_would_take() -> None:
    x = torch.zeros(50_000, requires_grad=True)
    refused(r"50,000 parameters takes 10\.0 GB of memory.*cube.*2,000 \(max_parameters\).*NewtonCG", lambda: Newton([x]))
    refused(r"takes 20\.0 GB", lambda: Newton([x.detach().double().requires_grad_()]))
    refused("3 parameters", lambda: Newton([leaf([1.0, 2.0, 3.0])], max_parameters=2))
    Newton([leaf([1.0, 2.0])], max_parameters=2)
    frozen = torch.zeros(50_000)
    optimizer = Newton([frozen, leaf([1.0])])  # what is frozen has no row
    refused("50,001", lambda: optimizer.add_param_group({"params": [torch.zeros(50_000, requires_grad=True)]}))
    assert len(optimizer.param_groups) == 1
    frozen.requires_grad_(True)
    refused("50,001", lambda: optimizer.step(lambda: frozen.sum()))


@both
@pytest.mark.parametrize(
    ("option", "bad"),
    [
        *(("lr", bad) for bad in (-1.0, float("nan"), float("inf"), "fast", None, True, torch.ones(2), torch.tensor(-1.0))),
        *(("damping", bad) for bad in (-1e-3, float("nan"), "much", None)),
    ],
    ids=str,
)
def test_bad_numbers(kind: Kind, option: str, bad: Any) -> None:
    refused(option, lambda: kind([leaf([1.0])], **{option: bad}))
    refused(option, lambda: kind([{"params": [leaf([1.0])], option: bad}]))


def test_bad_options_of_one_of_them() -> None:
    for bad in (-0.1, 1.0, float("nan"), "small"):
        refused("tolerance", partial(NewtonCG, [leaf([1.0])], tolerance=bad))  # type: ignore[arg-type]
    for count in (0, -1, 2.5, True):
        refused("max_iterations", partial(NewtonCG, [leaf([1.0])], max_iterations=count))  # type: ignore[arg-type]
        refused("max_parameters", partial(Newton, [leaf([1.0])], max_parameters=count))  # type: ignore[arg-type]


@both
def test_bad_parameters_and_groups(kind: Kind) -> None:
    refused("no parameters", lambda: kind([]))
    refused("complex", lambda: kind([("spectrum", torch.zeros(2, dtype=torch.complex64, requires_grad=True))]))
    refused("spectrum", lambda: kind([("spectrum", torch.zeros(2, dtype=torch.complex64, requires_grad=True))]))
    refused("non-leaf", lambda: kind([leaf([1.0]) * 2]))
    refused("weight_decay.*loss", lambda: kind([{"params": [leaf([1.0])], "weight_decay": 1e-4}]))
    refused("'dampng'; did you mean damping", lambda: kind([{"params": [leaf([1.0])], "dampng": 1e-4}]))
    refused("params", lambda: kind([leaf([1.0])]).add_param_group({"lr": 1.0}))
    x = leaf([1.0])
    refused("before|more than one", lambda: kind([{"params": [x]}, {"params": [x]}]))
    kind([{"params": [leaf([1.0])], "weight_decay": 0.0, "lr_scale": 0.5, "name": "head"}])


def test_options_of_the_whole_step_may_not_differ_between_groups() -> None:
    def step(**other: Any) -> None:
        one, two = leaf([1.0]), leaf([1.0])
        NewtonCG([{"params": [one]}, {"params": [two], **other}]).step(lambda: (one**2 + two**2).sum())

    step()
    refused("lr differs.*line search", lambda: step(lr=0.5))
    refused("tolerance differs", lambda: step(tolerance=0.1))
    refused("max_iterations differs", lambda: step(max_iterations=3))
    refused("max_parameters differs", lambda: Newton([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])], "max_parameters": 3}]))


@both
def test_bad_closures(kind: Kind) -> None:
    x = leaf([1.0, 2.0])
    optimizer = kind([("x", x)])

    def backward() -> Tensor:
        loss = (x**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    refused("needs a closure", lambda: optimizer.step())
    refused("called backward", lambda: optimizer.step(backward))
    refused("must return the loss.*NoneType", lambda: optimizer.step(lambda: None))  # type: ignore[arg-type,return-value]
    refused("must return the loss.*float", lambda: optimizer.step(lambda: (x**2).sum().item()))  # type: ignore[arg-type,return-value]
    refused(r"must return the loss.*\(2,\)", lambda: optimizer.step(lambda: x**2))
    refused("no graph", lambda: optimizer.step(lambda: (x.detach() ** 2).sum()))
    refused("uses none", lambda: optimizer.step(lambda: leaf([1.0]).sum()))
    x.requires_grad_(False)
    refused("frozen", lambda: optimizer.step(lambda: (x**2).sum()))
    assert x.tolist() == [1.0, 2.0]


@both
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_named_and_nothing_is_changed(kind: Kind, value: float) -> None:
    good, bad = leaf([1.0, 2.0]), leaf([3.0])
    optimizer = kind([("body.weight", good), ("head.bias", bad)])
    for way in (
        lambda: (good**2).sum() + (bad * value).sum(),  # the gradient
        lambda: (good**2).sum() + ((bad - 3).abs() ** 1.5).sum() * 0 + (bad - 3).sqrt().sum(),
    ):
        refused("gradient of head.bias is not finite", lambda way=way: optimizer.step(way))  # type: ignore[misc]
    refused("the loss is (nan|inf)", lambda: optimizer.step(lambda: (good**2).sum() + value))
    assert (good.tolist(), bad.tolist()) == ([1.0, 2.0], [3.0])


@both
def test_a_hessian_that_is_not_finite_is_named(kind: Kind) -> None:
    """|x|^1.5 has a slope at 0, but no curvature."""
    good, bad = leaf([1.0, 2.0]), leaf([0.0])
    optimizer = kind([("body.weight", good), ("head.bias", bad)])
    refused("Hessian in the rows of head.bias", lambda: optimizer.step(lambda: (good**2).sum() + (bad**1.5 + bad).sum()))
    assert (good.tolist(), bad.tolist()) == ([1.0, 2.0], [0.0])


@both
def test_sparse_gradients_and_operations_without_a_second_derivative(kind: Kind) -> None:
    table = nn.Embedding(4, 2, sparse=True)
    optimizer = kind(table.named_parameters())
    refused("^weight has a sparse gradient", lambda: optimizer.step(lambda: (table(torch.tensor([1, 2])) ** 2).sum()))

    points, attention = torch.randn(4, 3, requires_grad=True), torch.randn(1, 2, 4, 8, requires_grad=True)
    for x, of in (
        (points, lambda: torch.pdist(points).pow(2).sum()),
        (attention, lambda: nn.functional.scaled_dot_product_attention(attention, attention, attention).pow(2).sum()),
    ):
        refused("no second derivative: .*derivative for", partial(kind([x]).step, of))


def test_a_flat_direction_is_an_error_with_a_way_out() -> None:
    x = leaf([1.0, 2.0])
    refused(r"singular: 1 of 2 directions.*damping", lambda: Newton([x]).step(lambda: (x.sum() - 1) ** 2))
    assert x.tolist() == [1.0, 2.0]
    Newton([x], damping=1e-9).step(lambda: (x.sum() - 1) ** 2)
    assert x.sum().item() == pytest.approx(1.0)
    y = leaf([1.0, 2.0])
    NewtonCG([y]).step(lambda: (y.sum() - 1) ** 2)
    assert y.sum().item() == pytest.approx(1.0)


def test_the_docstring_says_what_newton_converges_to() -> None:
    assert re.search("converges to saddles", Newton.__doc__ or "")
