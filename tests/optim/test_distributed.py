"""Several processes: DistributedDataParallel, FSDP2's sharded parameters, and distributed checkpoints, over gloo on loopback."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

from tests.optim.cases import ELEMENTWISE, MAIN, Case, Place, over, same

pytestmark = pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="torch was built without gloo")
PATIENCE = timedelta(seconds=60)  # a process whose partner failed does not wait for it for ever
PATHS = pytest.mark.parametrize("place", [Place("reference"), Place("fast")], ids=str)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.LayerNorm(9), nn.Linear(9, 5))


def batch(step: int) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(step)
    return torch.randn(8, 6, generator=source), torch.randn(8, 5, generator=source)


def trained(network: nn.Module, optimizer: torch.optim.Optimizer, steps: range, part: slice = slice(None)) -> None:
    for step in steps:
        inputs, targets = batch(step)
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs[part]), targets[part]).backward()
        optimizer.step()


def weights(network: nn.Module) -> dict[str, Tensor]:
    """The whole weights, gathered where they are sharded, under their plain names."""
    full = {name: p.full_tensor() if hasattr(p, "full_tensor") else p for name, p in network.named_parameters()}
    return {name.removeprefix("module."): p.detach().clone() for name, p in full.items()}


def close(left: dict[str, Tensor], right: dict[str, Tensor], tolerance: float) -> None:
    assert list(left) == list(right)
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=tolerance, atol=tolerance)


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of this process alone."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@PATHS
@over(MAIN)
def test_ddp_of_one_process(case: Case, place: Place, group: None) -> None:
    """Gradients are views of DDP's buckets; the step is that of the plain model."""
    plain, wrapped = model(), nn.parallel.DistributedDataParallel(model(), gradient_as_bucket_view=True)
    trained(plain, case.make(plain.parameters(), place), range(4))
    trained(wrapped, case.make(wrapped.parameters(), place), range(4))
    close(weights(wrapped), weights(plain), 1e-6)


@PATHS
@over(MAIN)
def test_distributed_checkpoints_change_nothing(case: Case, place: Place) -> None:
    """Their first step, of zero gradients and lr 0, makes the state and leaves every parameter; then state goes by name."""
    first, second = model(), model()
    one, two = case.make(first.parameters(), place), case.make(second.parameters(), place)
    trained(first, one, range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own
        saved = get_optimizer_state_dict(first, one)
        before = weights(second)
        get_optimizer_state_dict(second, two)
        assert same(weights(second), before)
        second.load_state_dict(first.state_dict())
        three = case.make(second.parameters(), place)
        set_optimizer_state_dict(second, three, saved)
    assert same(weights(second), weights(first))
    trained(first, one, range(3, 6))
    trained(second, three, range(3, 6))
    assert same(weights(second), weights(first))


def _ddp(rank: int, case: Case, place: Place) -> None:
    network = nn.parallel.DistributedDataParallel(model())
    trained(network, case.make(network.parameters(), place), range(4), slice(4 * rank, 4 * rank + 4))
    alone = model()
    trained(alone, case.make(alone.parameters(), place), range(4))
    close(weights(network), weights(alone), 1e-5)


def _fsdp(rank: int, case: Case, place: Place) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh("cpu", (2,))
    network = model()
    for layer in (network[0], network[3]):
        fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)
    optimizer = case.make(network.parameters(), place)
    trained(network, optimizer, range(4), slice(4 * rank, 4 * rank + 4))
    alone = model()
    trained(alone, case.make(alone.parameters(), place), range(4))
    close(weights(network), weights(alone), 1e-5)
    for p in network.parameters():
        for key, kept in optimizer.state[p].items():
            assert isinstance(kept, DTensor) or key in ("step", "mu_product"), key
    clipped = case.make(network.parameters(), place, max_norm=0.5)
    whole = case.make(alone.parameters(), place, max_norm=0.5)
    trained(network, clipped, range(4, 6), slice(4 * rank, 4 * rank + 4))
    trained(alone, whole, range(4, 6))
    close(weights(network), weights(alone), 1e-5)  # the norm is that of all shards together


def _process(rank: int, what: str, folder: str, cases: list[tuple[Case, Place]]) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=PATIENCE)
    wrong = []
    try:
        for case, place in cases:
            try:
                {"ddp": _ddp, "fsdp": _fsdp}[what](rank, case, place)
            except Exception as error:  # told together at the end: both processes must go through every case
                wrong.append(f"{case} on {place}: {type(error).__name__}: {error}")
    finally:
        dist.destroy_process_group()
    if wrong:
        raise AssertionError("\n".join(wrong))


def both(what: str, tmp_path: Path, cases: list[tuple[Case, Place]]) -> None:
    arguments: Any = (what, str(tmp_path), cases)
    torch.multiprocessing.spawn(_process, args=arguments, nprocs=2)


@pytest.mark.slow
def test_ddp_of_two_processes_is_the_whole_batch(tmp_path: Path) -> None:
    both("ddp", tmp_path, [(case, place) for case in MAIN for place in (Place("reference"), Place("fast"))])


@pytest.mark.slow
def test_sharded_parameters_walk_as_whole_ones(tmp_path: Path) -> None:
    """fully_shard's DTensors under every elementwise optimizer: the state is sharded, steps and clipping are the whole's."""
    both("fsdp", tmp_path, [(case, place) for case in ELEMENTWISE for place in (Place("reference"), Place("fast"))])
