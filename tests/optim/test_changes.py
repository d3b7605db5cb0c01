"""What users do to an optimizer between steps: parameters come and go, state is replaced, gradients change their layout."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from netwright import optim
from netwright.errors import NetwrightError
from tests.optim.cases import Place, everywhere


def parameter(*numbers: float, dtype: torch.dtype = torch.float32, device: str = "cpu") -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(numbers, dtype=dtype, device=device))


def sgd(params: list[Tensor], place: Place, momentum: float = 0.0) -> optim.SGD:
    return optim.SGD(params, lr=0.1, momentum=momentum, path=place.path)


@everywhere
def test_a_gradient_of_another_layout_at_the_same_address(place: Place) -> None:
    p = torch.nn.Parameter(torch.zeros(2, 3, device=place.device))
    buffer = torch.arange(6.0, device=place.device)
    optimizer = optim.SGD([p], lr=1.0, path=place.path)
    p.grad = buffer.view(2, 3)
    optimizer.step()
    p.grad = buffer.view(3, 2).t()
    with torch.no_grad():
        p.zero_()
    optimizer.step()
    assert torch.equal(p.detach(), -buffer.view(3, 2).t())


@everywhere
def test_parameters_come_and_go(place: Place) -> None:
    p, q = parameter(1.0, device=place.device), parameter(1.0, device=place.device)
    optimizer = sgd([p], place)
    p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
    optimizer.step()
    optimizer.param_groups[0]["params"].append(q)
    optimizer.step()
    assert (p.item(), q.item()) == pytest.approx((0.8, 0.9))
    optimizer.param_groups[0]["params"].pop()
    optimizer.step()
    assert (p.item(), q.item()) == pytest.approx((0.7, 0.9))
    optimizer.param_groups[0]["params"] = [q]
    optimizer.step()
    assert (p.item(), q.item()) == pytest.approx((0.7, 0.8))
    optimizer.add_param_group({"params": [p]})
    optimizer.step()
    optimizer.param_groups.pop()
    optimizer.step()
    assert (p.item(), q.item()) == pytest.approx((0.6, 0.6))


@everywhere
@pytest.mark.parametrize("how", ["cleared", "new buffer", "new dict"])
def test_replaced_state_is_what_counts(place: Place, how: str) -> None:
    p = parameter(1.0, device=place.device)
    optimizer = sgd([p], place, momentum=0.9)
    p.grad = torch.ones_like(p)
    optimizer.step()
    if how == "cleared":
        optimizer.state.clear()
    elif how == "new buffer":
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    else:
        optimizer.state[p] = {}
    optimizer.step()
    assert p.item() == pytest.approx(0.8)
    assert optimizer.state[p]["momentum_buffer"].item() == pytest.approx(1.0)


@everywhere
def test_a_count_that_is_written_to_is_that_of_the_whole_tensor(place: Place) -> None:
    p, q = (torch.nn.Parameter(torch.ones(3000, device=place.device)) for _ in range(2))
    mine, plain = optim.Adam([p], path=place.path), torch.optim.Adam([q])
    for optimizer in (mine, plain):
        p.grad, q.grad = torch.ones_like(p), torch.ones_like(q)
        optimizer.step()
        optimizer.state[p if optimizer is mine else q]["step"].fill_(0)
        optimizer.step()
    torch.testing.assert_close(p, q)


@everywhere
def test_a_model_that_changes_its_type(place: Place) -> None:
    model = torch.nn.Linear(3, 2, device=place.device)
    optimizer = sgd(list(model.parameters()), place)
    for dtype in (torch.float32, torch.bfloat16, torch.float64, torch.float32):
        model.to(dtype)
        before = model.weight.detach().clone()
        model(torch.ones(1, 3, dtype=dtype, device=place.device)).sum().backward()
        if place.path != "triton" or dtype != torch.float64:
            optimizer.step()
            torch.testing.assert_close(model.weight.detach(), before - 0.1, rtol=1e-2, atol=1e-2)
        optimizer.zero_grad()


@everywhere
def test_gradients_are_not_held(place: Place) -> None:
    """`zero_grad` gives their memory back."""
    p = parameter(1.0, 2.0, device=place.device)
    optimizer = sgd([p], place, momentum=0.9)
    p.grad = torch.ones_like(p)
    held = weakref.ref(p.grad.untyped_storage())
    alive = p.grad.data_ptr(), weakref.ref(p.grad)
    optimizer.step()
    optimizer.zero_grad()
    gc.collect()
    assert alive[1]() is None
    assert held() is None


def test_a_mean_that_forgets_nothing() -> None:
    """alpha 1: squares stay 0, as in torch, and nothing is divided by 1 - 1^t."""
    p, q = parameter(1.0), parameter(1.0)
    p.grad = q.grad = torch.ones(1)
    optim.RMSprop([p], alpha=1.0, eps=0.5).step()
    torch.optim.RMSprop([q], alpha=1.0, eps=0.5).step()
    torch.testing.assert_close(p, q)


@everywhere
def test_a_scaler_decides_before_the_check(place: Place) -> None:
    """An overflow that GradScaler leaves out is no error."""
    p = parameter(1.0, device=place.device)
    optimizer = optim.SGD([p], lr=0.1, on_nonfinite="error", path=place.path)
    scaler = torch.amp.GradScaler(place.device, init_scale=4.0)
    scaler.scale(p.sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.item() == 1.0
    assert scaler.get_scale() == 2.0


@pytest.mark.parametrize("bad", ["a", True, -1, 0, float("nan"), [1.0]])
def test_max_norm_is_a_number_above_zero(bad: object) -> None:
    with pytest.raises(NetwrightError, match="max_norm"):
        optim.SGD([parameter(1.0)], max_norm=bad)  # type: ignore[arg-type]


@everywhere
def test_max_norm_may_be_any_number(place: Place) -> None:
    for norm in (1, 1.0, torch.tensor(1.0)):
        p = parameter(3.0, 4.0, device=place.device)
        p.grad = torch.tensor([3.0, 4.0], device=place.device)
        optim.SGD([p], lr=1.0, max_norm=norm, path=place.path).step()  # type: ignore[arg-type]
        torch.testing.assert_close(p.detach(), torch.tensor([2.4, 3.2], device=place.device))


@everywhere
def test_explain_knows_what_one_norm_means(place: Place) -> None:
    """With clipping, one parameter that the kernel cannot take keeps all from it."""
    narrow, wide = parameter(1.0, device=place.device), parameter(1.0, dtype=torch.float64, device=place.device)
    told = optim.SGD([narrow, wide], max_norm=1.0, path=place.path).explain()
    assert "Triton kernel" not in told
    alone = optim.SGD([narrow], max_norm=1.0, path=place.path).explain()
    assert ("Triton kernel" in alone) == (place.path == "triton")
