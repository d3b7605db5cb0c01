"""Workers placed on a Ray cluster: each is a task that joins the study, with its share of processors and GPUs."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from netwright.errors import DesignError, FailedError, NetwrightError
from netwright.graph import Count, Value
from netwright.graph.values import AtLeast
from netwright.studies.ledger import Ledger
from netwright.studies.storage import first_line, is_database, shown

LOOK = 1.0  # seconds between two looks at the tasks
RESTARTS = 100  # of all workers of a study together: on a large cluster nodes come and go
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


class RayCluster(Value):
    """A Ray cluster and what each worker gets of it: `cpus`, which are also its threads, and `gpus`, or a fraction of one.

    `address` is "auto" on a machine of the cluster, else host:port of its head. Four workers of a quarter share one GPU; Ray does
    not divide its memory, so four trainings must fit.
    """

    address: str = "auto"
    cpus: Count = 1
    gpus: Annotated[float, AtLeast(0)] = 0.0

    def check(self) -> None:
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise DesignError(f"RayCluster: {self.gpus:g} GPUs for a worker: Ray gives a fraction of one, or whole ones")


@dataclass(frozen=True)
class RayTasks:
    """`count` workers of a study on a cluster. `storage` is one that all its machines reach, `device` as for `Machine`."""

    cluster: RayCluster
    storage: str
    study: str
    count: int
    device: str
    say: Callable[[str], None]

    def run(self, ledger: Ledger, look: Callable[[], None]) -> None:
        """Place the workers and wait until the study is done; `look` is called all the while. One that dies is placed again.

        Raises NetwrightError where there is no Ray, no cluster, or one whose machines cannot share the storage; FailedError where
        workers keep failing.
        """
        ray = _ray()
        with _connected(ray, self.cluster.address):
            storage = shareable(self.storage, {str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]})
            task = ray.remote(num_cpus=self.cluster.cpus, num_gpus=self.cluster.gpus, max_retries=0, max_calls=1)(work)
            device = "cpu" if self.device == "auto" and not self.cluster.gpus else self.device
            arguments = (storage, self.study, device, self.cluster.cpus)
            running = [task.remote(*arguments) for _ in range(self.count)]
            restarts = 0
            while running:
                ended, running = ray.wait(running, timeout=LOOK)
                look()
                for one in ended:
                    problem = _problem(ray, one)
                    if not problem:
                        continue
                    restarts += 1
                    if restarts > RESTARTS:
                        raise FailedError(f"{restarts} workers died: {problem}")
                    self.say(f"a worker died ({problem}): it is placed again")
                    running.append(task.remote(*arguments))
                if ledger.ended >= ledger.wanted:  # those that found no place would only see that
                    for one in running:
                        ray.cancel(one)
                    break
        look()


def work(storage: str, study: str, device: str, threads: int) -> None:
    """A worker: what a task does, on whatever machine Ray places it."""
    import torch

    from netwright.studies.searching import join_study
    from netwright.training.machine import Machine

    torch.set_num_threads(threads)
    join_study(storage, study, machine=Machine(device=device))


def shareable(storage: str, addresses: set[str]) -> str:
    """A storage as all machines of a cluster find it.

    Raises NetwrightError for a file, or a database at "localhost", where there are several machines.
    """
    if len(addresses) > 1:
        if not is_database(storage):
            raise NetwrightError(
                f"the study's storage {storage} is a file of this machine, and the Ray cluster has {len(addresses)}: "
                "give --storage postgresql://user@host/name"
            )
        from sqlalchemy.engine import make_url

        if (make_url(storage).host or "") in LOOPBACK:
            other = f"on each machine of the Ray cluster {shown(storage)} is another one"
            raise NetwrightError(f"{other}: give the host's name or address")
    return storage if is_database(storage) else str(Path(storage).resolve())


def _ray() -> ModuleType:
    # else Ray sends reports on its use, and warns that it will not hide GPUs from tasks that have none
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise NetwrightError("there is no Ray here: pip install 'netwright[cluster]'") from None
    return ray


@contextlib.contextmanager
def _connected(ray: ModuleType, address: str) -> Iterator[None]:
    if ray.is_initialized():  # a program's own connection is left as it is
        yield
        return
    missing = f"no Ray cluster at {address!r}"
    way_out = "start one with ray start --head, or give its host:port with --address"
    _probe(address, missing, way_out)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise NetwrightError(f"{missing} ({first_line(error)}): {way_out}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _probe(address: str, missing: str, way_out: str) -> None:
    """Raise NetwrightError where nobody listens at an address: Ray would wait for a minute and then end the whole process."""
    place = address
    if address == "auto":
        note = Path("/tmp/ray/ray_current_cluster")  # where `ray start` leaves word
        place = os.environ.get("RAY_ADDRESS") or (note.read_text().strip() if note.is_file() else "")
    host, _, port = place.rpartition(":")
    if "://" in place or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise NetwrightError(f"{missing} ({first_line(error)}): {way_out}") from None


def _problem(ray: ModuleType, task: Any) -> str:
    """Why a task ended before the study did, '' where it did not. Raises FailedError where another would end the same way."""
    try:
        ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, NetwrightError):
            raise FailedError(f"a worker ended: {cause}") from None
        return f"{type(cause).__name__}: {cause}"
    except ray.exceptions.RayError as error:
        return type(error).__name__
    return ""
