"""What a user of torch.optim relies on, over every optimizer and path: groups, hooks, schedulers, closures, copies, scaling."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import lr_scheduler
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import netwright as nw
from netwright import optim
from tests.optim.cases import (
    CUDA,
    ELEMENTWISE,
    FEW,
    MAIN,
    SHAPES,
    Case,
    Place,
    close,
    copies,
    everywhere,
    give,
    over,
    parameters,
    same,
    set_lr,
    walk,
)

Schedule = Callable[[Optimizer], Any]
SCHEDULES: dict[str, Schedule] = {
    "step": lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=6),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(
        o, max_lr=float(o.param_groups[0]["lr"]), total_steps=6, cycle_momentum=bool({"momentum", "betas"} & set(o.defaults))
    ),
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


def states(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Copies of what is kept, in the order of the parameters."""
    ordered = [p for group in optimizer.param_groups for p in group["params"]]
    return [{k: v.clone() if isinstance(v, Tensor) else v for k, v in optimizer.state.get(p, {}).items()} for p in ordered]


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "NAdam", "Muon"])
def test_every_argument_of_torchs_class_is_taken(name: str) -> None:
    """By the same name, in the same place, with the same default."""
    mine = inspect.signature(getattr(optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    assert set(theirs) <= set(mine)
    places = [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p for p in mine if p in places] == places
    assert [mine[p].kind for p in places] == [theirs[p].kind for p in places]
    assert {p: mine[p].default for p in theirs} == {p: theirs[p].default for p in theirs}


@everywhere
@over(MAIN)
def test_it_is_an_optimizer_of_torch_and_steps_in_place(case: Case, place: Place) -> None:
    """The parameters stay where they are, and autograd is told that they changed."""
    params = parameters(SHAPES, torch.float32, place.device)
    optimizer = case.make(list(params.values()), place)
    assert isinstance(optimizer, torch.optim.Optimizer)
    walk(optimizer, params, range(1))
    for name, p in params.items():
        before, where, version = p.detach().clone(), p.data_ptr(), p._version
        give({name: p}, 1)
        assert optimizer.step() is None
        assert p.data_ptr() == where
        assert p.is_leaf
        assert p.requires_grad
        assert p._version > version
        assert bool((p != before).any())


@everywhere
@over(MAIN)
def test_gradients_are_never_changed(case: Case, place: Place) -> None:
    params = parameters(SHAPES, torch.float32, place.device)
    optimizer = case.make(list(params.values()), place)
    for t in range(3):
        give(params, t)
        grads = {name: p.grad for name, p in params.items() if p.grad is not None}
        before = {name: (g.clone(), g._version) for name, g in grads.items()}
        optimizer.step()
        for name, g in grads.items():
            assert params[name].grad is g
            assert same(g, before[name][0]), name
            assert g._version == before[name][1]


@everywhere
@over(MAIN)
def test_groups_have_settings_of_their_own(case: Case, place: Place) -> None:
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    own = {"lr": 2 * case.lr, "weight_decay": 0.3}
    rest = [mine["bias"], mine["scale"]]
    walk(case.make([{"params": [mine["weight"]], **own}, {"params": rest}], place), mine)
    alone = {"weight": theirs.pop("weight")}
    walk(case.make(list(alone.values()), place, **own), alone)
    walk(case.make(list(theirs.values()), place), theirs)
    close(dict(mine), {**alone, **theirs})


@everywhere
@over(MAIN)
def test_a_group_added_later_starts_at_its_own_beginning(case: Case, place: Place) -> None:
    """With its own count of steps, as an optimizer of its own would."""
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    early = {"weight": mine.pop("weight")}
    optimizer = case.make(list(early.values()), place)
    walk(optimizer, early, range(2))
    optimizer.add_param_group({"params": list(mine.values()), "lr": 3 * case.lr})
    walk(optimizer, {**early, **mine}, range(2, 4))
    alone = {"weight": theirs.pop("weight")}
    walk(case.make(list(alone.values()), place), alone, range(4))
    walk(case.make(list(theirs.values()), place, lr=3 * case.lr), theirs, range(2, 4))
    close({**early, **mine}, {**alone, **theirs})


@everywhere
@over(MAIN)
def test_named_parameters(case: Case, place: Place) -> None:
    named, plain = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    optimizer = case.make(list(named.items()), place)
    assert sorted(name for group in optimizer.param_groups for name in group["param_names"]) == sorted(FEW)
    walk(optimizer, named)
    walk(case.make(list(plain.values()), place), plain)
    assert same(copies(named), copies(plain))


@everywhere
@over(MAIN)
def test_a_closure_runs_with_gradients_enabled(case: Case, place: Place) -> None:
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    optimizer, other = case.make(list(mine.values()), place), case.make(list(theirs.values()), place)

    def loss(params: dict[str, torch.nn.Parameter]) -> Tensor:
        return torch.stack([(p**2).sum() for p in params.values()]).sum()

    def closure() -> Tensor:
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        value = loss(mine)
        value.backward()
        return value

    for _ in range(2):
        with torch.no_grad():
            told = optimizer.step(closure)
            assert not torch.is_grad_enabled()
        other.zero_grad()
        value = loss(theirs)
        value.backward()
        other.step()
        assert told is not None
        assert same(told, value)
    assert same(copies(mine), copies(theirs))


@everywhere
@over(MAIN)
def test_step_hooks(case: Case, place: Place) -> None:
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.values()), place)
    heard: list[str] = []
    handles = [
        optimizer.register_step_pre_hook(lambda o, a, k: heard.append("before")),
        optimizer.register_step_post_hook(lambda o, a, k: heard.append("after")),
        register_optimizer_step_pre_hook(lambda o, a, k: heard.append("before any")),
        register_optimizer_step_post_hook(lambda o, a, k: heard.append("after any")),
    ]
    try:
        walk(optimizer, params, range(1))
    finally:
        for handle in handles:
            handle.remove()
    walk(optimizer, params, range(1))
    assert heard == ["before any", "before", "after", "after any"]


@over(MAIN)
def test_state_dict_hooks(case: Case) -> None:
    params = parameters()
    optimizer = case.make(list(params.values()))
    walk(optimizer, params)
    heard: list[str] = []
    optimizer.register_state_dict_pre_hook(lambda o: heard.append("before saving"))
    optimizer.register_state_dict_post_hook(lambda o, d: heard.append("saved"))
    optimizer.register_load_state_dict_pre_hook(lambda o, d: heard.append("before loading"))
    optimizer.register_load_state_dict_post_hook(lambda o: heard.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert heard == ["before saving", "saved", "before loading", "loaded"]
    twice = optimizer.state_dict()
    twice["param_groups"][0]["lr"] = 7.0
    optimizer.register_load_state_dict_pre_hook(lambda o, d: twice)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == 7.0


@everywhere
@over(MAIN)
def test_without_a_gradient_nothing_happens(case: Case, place: Place) -> None:
    """Neither to the parameter nor to its state or count: it goes on where it stopped."""
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    optimizer = case.make(list(mine.values()), place)
    optimizer.step()
    assert all(not state for state in states(optimizer))
    walk(optimizer, mine, [0])
    give(mine, 1)
    mine["weight"].grad = None
    before, kept = mine["weight"].detach().clone(), states(optimizer)[0]
    optimizer.step()
    assert same(mine["weight"].detach(), before)
    assert same(states(optimizer)[0], kept)
    walk(optimizer, mine, [2])
    other = case.make([theirs["weight"]], place)
    walk(other, {"weight": theirs["weight"]}, [0, 2])
    close({"weight": mine["weight"]}, {"weight": theirs["weight"]})


@everywhere
@every_schedule
@over(MAIN)
def test_torchs_schedulers(case: Case, schedule: str, place: Place) -> None:
    """A scheduler (which may cycle the momentum too) does what setting the group's numbers by hand does."""
    mine, theirs, tensors = (parameters(FEW, place.dtype, place.device) for _ in range(3))
    scheduled, by_hand = case.make(list(mine.values()), place), case.make(list(theirs.values()), place)
    lr = torch.tensor(case.lr, dtype=torch.float64, device=place.device)
    by_tensor = case.make(list(tensors.values()), place, lr=lr)
    schedules = [SCHEDULES[schedule](scheduled), SCHEDULES[schedule](by_tensor)]
    rates = []
    for t in range(5):
        for group, other in zip(scheduled.param_groups, by_hand.param_groups, strict=True):
            other.update({key: group[key] for key in ("lr", "momentum", "betas") if key in group})
        rates.append(float(scheduled.param_groups[0]["lr"]))
        for params, optimizer in ((mine, scheduled), (theirs, by_hand), (tensors, by_tensor)):
            walk(optimizer, params, [t])
        for each in schedules:
            each.step()
    assert len(set(rates)) > 1
    assert same(copies(mine), copies(theirs))
    assert all(isinstance(group["lr"], Tensor) for group in by_tensor.param_groups)
    if len(by_tensor.param_groups) == 1:
        assert by_tensor.param_groups[0]["lr"] is lr
        assert float(lr) != case.lr
    close(dict(tensors), dict(mine), 1e-9)


@everywhere
@over(MAIN)
def test_a_tensor_lr_is_read_at_every_step(case: Case, place: Place) -> None:
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    lr = torch.tensor(case.lr, device=place.device)
    by_tensor = case.make(list(mine.values()), place, lr=lr)
    by_number = case.make(list(theirs.values()), place, lr=float(lr))
    for t in range(3):
        lr.fill_(case.lr / (1 + t))
        set_lr(by_number, float(lr))
        walk(by_tensor, mine, [t])
        walk(by_number, theirs, [t])
    close(dict(mine), dict(theirs), 1e-6)


@everywhere
@over(MAIN)
def test_copies_and_pickles_go_on_alike(case: Case, place: Place) -> None:
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.values()), place)
    walk(optimizer, params)
    both = (params, optimizer)
    twins = [copy.deepcopy(both), pickle.loads(pickle.dumps(both))]
    file = io.BytesIO()
    torch.save(both, file)
    file.seek(0)
    twins.append(torch.load(file, weights_only=False))
    before = copies(params)
    for others, twin in twins:
        assert type(twin) is type(optimizer)
        walk(twin, others, range(3, 6))
    assert same(copies(params), before)
    walk(optimizer, params, range(3, 6))
    for others, twin in twins:
        assert same(copies(others), copies(params))
        assert same(states(twin), states(optimizer))
        assert repr(twin) == repr(optimizer)


# settings that came to torch's classes after their first release, and those that torch does not know
LATER = {"maximize", "foreach", "fused", "differentiable", "capturable", "amsgrad", "centered", "nesterov"}
OWN = {"form", "eps_mode", "decay", "max_norm", "on_nonfinite", "master_weights", "path"}


@everywhere
@over([case for case in MAIN if "form" not in case.settings])
def test_older_pickles_get_the_settings_they_lack(case: Case, place: Place) -> None:
    """A file of an older torch, or of torch's class of the same rule, has fewer keys in its groups."""
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.values()))
    walk(optimizer, params)
    twins, twin = copy.deepcopy((params, optimizer))
    missing = (LATER | OWN) - set(case.settings)
    if case.name == "Muon":
        missing -= {"nesterov"}
    old = dict(twin.__getstate__())
    old["param_groups"] = [{k: v for k, v in group.items() if k not in missing} for group in twin.param_groups]
    fresh = type(optimizer).__new__(type(optimizer))
    fresh.__setstate__(old)
    walk(fresh, twins, range(3, 5))
    walk(optimizer, params, range(3, 5))
    assert same(copies(twins), copies(params))
    assert all(
        fresh.param_groups[0][key] == optimizer.param_groups[0][key] for key in optimizer.param_groups[0] if key != "params"
    )


@over(MAIN)
def test_repr_says_the_settings(case: Case) -> None:
    text = repr(case.make(list(parameters().values())))
    assert text.startswith(f"{case.name} (")
    for key, value in case.settings.items():
        assert f"{key}: {value}" in text


@over(MAIN)
def test_zero_grad(case: Case) -> None:
    params = parameters()
    optimizer = case.make(list(params.values()))
    give(params, 0)
    optimizer.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.any() for p in params.values())
    optimizer.zero_grad()
    assert all(p.grad is None for p in params.values())


@everywhere
@over(MAIN)
def test_explain_says_which_path_each_parameter_takes(case: Case, place: Place) -> None:
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.items()), place)
    for _ in range(2):
        text = optimizer.explain()  # type: ignore[attr-defined]
        assert "reference" in text if place.path == "reference" else "reference" not in text or "(" in text
        assert sum(int(told) for told in re.findall(r"(\d+) of \d+ parameters?", text)) == len(FEW)
        walk(optimizer, params)


@everywhere
@over(MAIN)
def test_layouts(case: Case, place: Place) -> None:
    """Channels-last weights, slices of a larger tensor, views of one buffer, expanded gradients, tensors of no elements."""
    start = parameters({"weight": (4, 3, 3, 3), "slice": (4, 6), "view": (12,), "flat": (5,)}, place.dtype, place.device)
    odd = {
        "weight": torch.nn.Parameter(start["weight"].detach().clone(memory_format=torch.channels_last)),
        "slice": torch.zeros(4, 12, dtype=place.dtype, device=place.device)[:, ::2].requires_grad_(),
        "view": torch.zeros(40, dtype=place.dtype, device=place.device)[7:19].requires_grad_(),
        "flat": torch.nn.Parameter(start["flat"].detach().clone()),
        "nothing": torch.nn.Parameter(torch.zeros(0, 3, dtype=place.dtype, device=place.device)),
    }
    odd["slice"] = odd["slice"].detach().requires_grad_()
    odd["view"] = odd["view"].detach().requires_grad_()
    with torch.no_grad():
        odd["slice"].copy_(start["slice"])
        odd["view"].copy_(start["view"])
    optimizers = case.make(list(odd.values()), place), case.make(list(start.values()), place)
    for t in range(3):
        give(start, t)
        give(odd, t)
        start["flat"].grad = torch.full((5,), 0.5, dtype=place.dtype, device=place.device)
        odd["flat"].grad = torch.tensor(0.5, dtype=place.dtype, device=place.device).expand(5)
        if t == 1:
            assert odd["weight"].grad is not None
            odd["weight"].grad = odd["weight"].grad.contiguous(memory_format=torch.channels_last)
        for optimizer in optimizers:
            optimizer.step()
    close({name: odd[name] for name in start}, dict(start), 1e-10)
    assert odd["weight"].is_contiguous(memory_format=torch.channels_last)
    assert odd["nothing"].shape == (0, 3)


@everywhere
@over(MAIN)
def test_precisions_side_by_side(case: Case, place: Place) -> None:
    """One group of float64, fp32 and bf16 does what three optimizers do."""
    kinds = (torch.float64, torch.float32, torch.bfloat16)
    mixed, apart = ([parameters(FEW, kind, place.device) for kind in kinds] for _ in range(2))
    optimizer = case.make([p for params in mixed for p in params.values()], place)
    others = [case.make(list(params.values()), place) for params in apart]
    for t in range(3):
        for params in (*mixed, *apart):
            give(params, t)
        for each in (optimizer, *others):
            each.step()
    assert all(same(copies(a), copies(b)) for a, b in zip(mixed, apart, strict=True))


@everywhere
@over(MAIN)
def test_automatic_choice_is_one_of_the_paths(case: Case, place: Place) -> None:
    auto, chosen = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    walk(case.make(list(auto.values())), auto)
    walk(case.make(list(chosen.values()), place), chosen)
    close(dict(auto), dict(chosen), 1e-10)


@everywhere
@pytest.mark.parametrize("max_norm", [None, 2.0])
@pytest.mark.parametrize("unscaled", [False, True])
@over(MAIN)
def test_grad_scaler(case: Case, unscaled: bool, max_norm: float | None, place: Place) -> None:
    """An overflow changes neither parameters nor state nor count; otherwise the step is that of the unscaled gradient."""
    mine, theirs = (parameters(FEW, torch.float32, place.device) for _ in range(2))
    optimizer = case.make(list(mine.values()), place, max_norm=max_norm)
    plain = case.make(list(theirs.values()), place, max_norm=max_norm)
    scaler = torch.amp.GradScaler(place.device, init_scale=1024.0, growth_interval=100)
    for t, bad in enumerate([True, False, True, False]):
        before, kept = copies(mine), states(optimizer)
        scaler.scale(torch.zeros((), device=place.device))
        give(mine, t, scale=float(scaler.get_scale()))
        if bad:
            assert mine["bias"].grad is not None
            mine["bias"].grad[1] = float("inf")
        if unscaled:
            scaler.unscale_(optimizer)
        grads = {name: p.grad.clone() for name, p in mine.items() if p.grad is not None}
        scaler.step(optimizer)
        assert same({name: p.grad for name, p in mine.items()}, grads)
        scaler.update()
        if bad:
            assert same(copies(mine), before)
            assert all(same(now.get(k), then[k]) for now, then in zip(states(optimizer), kept, strict=True) for k in then)
            assert all(int(state["step"]) == t // 2 for state in states(optimizer) if "step" in state)
            assert float(scaler.get_scale()) < 1024.0
        else:
            walk(plain, theirs, [t])
            close(copies(mine), copies(theirs), 1e-6)
    assert same([s.get("step") for s in states(optimizer)], [s.get("step") for s in states(plain)])


@pytest.mark.parametrize("path", ["reference", "fast", "auto"])
@pytest.mark.parametrize("tensor_lr", [False, True], ids=["", "tensor_lr"])
@over(MAIN)
def test_nothing_waits_for_a_device(case: Case, tensor_lr: bool, path: str) -> None:
    """Tensors of the meta device have no data that could be read back: an `.item()` on one raises."""
    params = [torch.nn.Parameter(torch.empty(shape, device="meta")) for shape in SHAPES.values()]
    optimizer = case.make(params, Place(path), max_norm=1.0)
    if tensor_lr:
        set_lr(optimizer, torch.empty((), device="meta"))
    for _ in range(2):
        for p in params:
            p.grad = torch.empty_like(p)
        optimizer.step()
    assert all(t.shape in (p.shape, ()) for p in params for t in optimizer.state[p].values())


@over([case for case in MAIN if case.name != "Muon"])
def test_a_differentiable_step(case: Case) -> None:
    """With `differentiable` the step is part of autograd's graph: its derivatives are those of finite differences."""

    def after(start: Tensor, gradient: Tensor) -> Tensor:
        p = start.clone()
        p.grad = gradient
        optimizer = case.make([p], differentiable=True)
        optimizer.step()
        return p

    start, gradient = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in ([1.5, -0.7, 0.2], [0.3, -2.0, 1.1]))
    assert torch.autograd.gradcheck(after, (start, gradient))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["reference", "fast"])
@over(MAIN)
def test_a_compiled_step_is_the_eager_step(case: Case, path: str) -> None:
    """Traced by dynamo and autograd; one recompilation for the first step's new state, none for later steps."""
    mine, theirs = (parameters(FEW, torch.float32) for _ in range(2))
    lr = torch.tensor(case.lr)
    compiled = case.make(list(mine.values()), Place(path), lr=lr)
    eager = case.make(list(theirs.values()), Place(path), lr=lr)
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own compiler
        step = torch.compile(compiled.step, backend="aot_eager")
        for t in range(4):
            give(mine, t)
            step()
            walk(eager, theirs, [t])
    close(dict(mine), dict(theirs), 1e-6)
    assert same([s.get("step") for s in states(compiled)], [s.get("step") for s in states(eager)])


@pytest.mark.slow
@over([case for case in MAIN if str(case) in ("SGD-momentum=0.9-weight_decay=0.01", "Adam-weight_decay=0.01")])
def test_a_step_compiled_to_machine_code(case: Case) -> None:
    mine, theirs = (parameters(FEW, torch.float32) for _ in range(2))
    compiled, eager = (case.make(list(p.values()), Place("reference"), lr=torch.tensor(case.lr)) for p in (mine, theirs))
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = torch.compile(compiled.step)
        for t in range(3):
            give(mine, t)
            step()
            walk(eager, theirs, [t])
    close(dict(mine), dict(theirs), 1e-5)


@pytest.mark.skipif(not CUDA, reason="no GPU: CUDA graphs are not tested")
@over(ELEMENTWISE if CUDA else ELEMENTWISE[:1])
def test_a_cuda_graph_replays_the_step(case: Case) -> None:
    """Captured once and replayed with other gradients and another lr: as stepping."""
    place = Place("triton", "cuda")
    mine, theirs = (parameters(SHAPES, torch.float32, "cuda") for _ in range(2))
    lr = torch.tensor(case.lr, device="cuda")
    captured, plain = (case.make(list(p.values()), place, lr=lr) for p in (mine, theirs))
    give(mine, 0)
    grads = {name: p.grad for name, p in mine.items() if p.grad is not None}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        captured.step()
    torch.cuda.current_stream().wait_stream(side)
    walk(plain, theirs, [0])
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured.step()
    for t in range(1, 5):
        lr.fill_(case.lr / t)
        walk(plain, theirs, [t])
        for name, g in grads.items():
            new = theirs[name].grad
            assert new is not None
            g.copy_(new)
        graph.replay()
    torch.cuda.synchronize()
    close(copies(mine), copies(theirs), 1e-6)


def test_no_decay_spares_biases_and_norms() -> None:
    """Every trained parameter is in one group; those of fewer than two dimensions do not decay."""
    model = nw.build(nw.zoo.ResNet((1, 1, 1, 1), classes=3), 32)
    groups = optim.no_decay(model, weight_decay=0.1)
    amount = {id(p): group["weight_decay"] for group in groups for p in trained(group["params"])}
    assert sum(len(list(group["params"])) for group in groups) == len(list(model.parameters()))
    for name, p in model.named_parameters():
        assert amount[id(p)] == (0.1 if p.ndim >= 2 else 0.0), name
    optimizer = optim.AdamW(groups, lr=0.1, weight_decay=0.5)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (0.99 if p.ndim >= 2 else 1.0))


def trained(params: Any) -> list[Tensor]:
    """The tensors of a group, whether named or not."""
    return [p[1] if isinstance(p, tuple) else p for p in params]
