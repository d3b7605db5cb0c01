"""Several processes at one training, as `torchrun` starts them; batch statistics shared among them where asked."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as c10d
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """How many processes train together (`world`), and which of them this is (`rank`; the first one writes everything)."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and talks."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's part of a batch of `count` pictures; parts begin at even places, where mixing's pairs do."""
        pairs = (count + 1) // 2
        begin, end = (2 * (pairs * rank // self.world) for rank in (self.rank, self.rank + 1))
        return slice(min(begin, count), min(end, count))

    def largest(self, count: int) -> int:
        """How many pictures of a batch of `count` the process has that has most."""
        parts = [replace(self, rank=rank).rows(count) for rank in range(self.world)]
        return max(int(part.stop) - int(part.start) for part in parts)

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            dist.barrier()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def told(self, value: T) -> T:
        """The value that the first process has, an ordinary one, in all of them."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def agree(self, model: nn.Module) -> None:
        """Give all processes the weights and buffers of the first."""
        if self.world > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, src=0)


ALONE = Processes()
WAIT = timedelta(hours=12)


def local_device() -> int:
    """The number of this process's GPU on its machine, as torchrun counts."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun (or anything that sets its variables) has started; alone where it has not.

    gloo on a CPU, NCCL on GPUs. A process group that exists already is used and left as it is.
    """
    if dist.is_available() and dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    store, rank, world = next(rendezvous("env://", timeout=WAIT))
    store = _unused(store, rank, world)
    # WAIT is long: the others wait while the first one decodes all pictures, compiles, evaluates
    if device.type == "cuda":
        dist.init_process_group("nccl", store=store, rank=rank, world_size=world, timeout=WAIT, device_id=device)
    else:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=WAIT)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def _unused(store: c10d.Store, rank: int, world: int) -> c10d.Store:
    """The part of a store that only the processes of this start use.

    torchrun keeps one store over its restarts, so the addresses of processes that are gone are still in it: whoever reads
    before they are written again connects to nobody. The first process therefore makes a name and answers each of the
    others under a key that nobody used before, until all have said that they know it.
    """
    own = uuid.uuid4().hex
    if rank > 0:
        store.set(f"netwright/asks/{rank}", own)
        name = store.get(f"netwright/answer/{own}").decode()
        store.set(f"netwright/{name}/{rank}", "here")
        return c10d.PrefixStore(name, store)
    for other in range(1, world):
        while not store.check([f"netwright/{own}/{other}"]):
            if store.check([f"netwright/asks/{other}"]):
                store.set(f"netwright/answer/{store.get(f'netwright/asks/{other}').decode()}", own)
            time.sleep(0.02)
    return c10d.PrefixStore(own, store)


# ---------------------------------------------------------------- batch statistics of all processes


class _Sum(torch.autograd.Function):
    """The sum over all processes, in both directions."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, grads: Tensor) -> Tensor:
        total = grads.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of all processes' pictures, on any device (torch's needs a GPU)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        kind, channels, x = x.dtype, x.shape[1], x.float()
        sums = torch.cat([x.sum((0, 2, 3)), x.new_full((1,), x.numel() / channels)])
        total = self._total(sums)
        count = total[-1]
        mean = total[:-1] / count
        centred = x - mean[:, None, None]
        variance = self._total(centred.square().sum((0, 2, 3))) / count  # of what is centred: no difference of large numbers
        with torch.no_grad():
            self._remember(mean, variance * (count / (count - 1).clamp_min(1)))
        made: Tensor = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            made = made * self.weight[:, None, None] + self.bias[:, None, None]
        return made.to(kind)

    def _total(self, values: Tensor) -> Tensor:
        total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
        return total

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def share_norms(model: nn.Module) -> int:
    """Let every BatchNorm2d of a model take the statistics of all processes; returns how many there are."""
    norms = [module for module in model.modules() if type(module) is nn.BatchNorm2d]
    for norm in norms:
        norm.__class__ = SharedBatchNorm2d
    return len(norms)
