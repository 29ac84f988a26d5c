"""The processes of a run join within a time limit, or name those that are missing.

A process reads its ranks and the address of the first process from the environment, as torchrun sets it.
"""

import os
import socket
import time
import uuid
from datetime import timedelta
from typing import NamedTuple

import torch.distributed as dist

from timesformer.errors import InputError
from timesformer.io.terminal import first_line

_POLL_SECONDS = 0.1
_LINGER_SECONDS = 1.0  # the first process hosts the store: the others must read why it ends


class RendezvousError(InputError, RuntimeError):
    """Processes did not join, or the address does not answer; the message names them."""


class ProcessGroupInfo(NamedTuple):
    """The processes of a run, all of which have joined."""

    store: dist.Store  # of this group alone: nothing of an earlier one is in it
    name: str
    rank: int
    world_size: int
    local_world_size: int  # processes of a machine
    timeout: float  # seconds of a collective

    def host(self, rank: int) -> str:
        """The machine of process ``rank``."""
        return self.store.get(f"here/{rank}").decode()

    def connect(self) -> dist.Store:
        """The store by another connection, for a thread: a call that waits holds its connection."""
        store = _open_store(
            self.rank, self.world_size, timedelta(seconds=self.timeout), is_host=False
        )
        return dist.PrefixStore(self.name, store)


def environment(
    *, rank: int, world_size: int, local_rank: int, local_world_size: int, address: str
) -> dict[str, str]:
    """What torchrun sets for process ``rank``; ``address`` is host:port of the first process."""
    host, _, port = address.rpartition(":")
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(local_rank),
        "LOCAL_WORLD_SIZE": str(local_world_size),
        "MASTER_ADDR": host.strip("[]"),  # of an IPv6 address
        "MASTER_PORT": port,
    }


def join(*, seconds: float) -> ProcessGroupInfo:
    """Wait for all processes of the run.

    Args:
        seconds: limit for all to join, and later for each collective.

    Raises:
        RendezvousError: not all of them have joined in time.
    """
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    limit = timedelta(seconds=seconds)
    store = _open_store(rank, world, limit, is_host=rank == 0 and not _by_agent())
    if rank == 0:
        name = uuid.uuid4().hex
        here = dist.PrefixStore(name, store)
        here.set("here/0", socket.gethostname())
        missing = _await_all(store, here, name, world, seconds)
        here.set("missing", missing)
        if missing:
            time.sleep(_LINGER_SECONDS)
    else:
        name, missing = _announce(store, rank, seconds)
        here = dist.PrefixStore(name, store)
    if missing:
        raise RendezvousError(missing)
    return ProcessGroupInfo(here, name, rank, world, int(os.environ["LOCAL_WORLD_SIZE"]), seconds)


def _by_agent() -> bool:
    """Whether torchrun hosts the store, which then outlives the processes."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _open_store(rank: int, world: int, limit: timedelta, *, is_host: bool) -> dist.Store:
    """Hosted by the first process, or by torchrun."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = dist.TCPStore(host, port, world, is_host, timeout=limit, wait_for_workers=False)
    except (RuntimeError, OSError) as error:  # DistError is one; PyTorch 2.6 raises it bare
        if is_host:
            raise RendezvousError(
                f"the first process cannot listen on {host}:{port}: {first_line(error)}; choose "
                "another port with --init_method"
            ) from None
        raise RendezvousError(
            f"process {rank} of {world} waited {limit.total_seconds():g} s (DIST.TIMEOUT) for the "
            f"first one, which does not answer on {host}:{port}; start the first machine "
            "(--shard_id 0), and check that this is its address and that no firewall is between"
        ) from None
    return dist.PrefixStore("timesformer", store)


def _await_all(store: dist.Store, here: dist.Store, name: str, world: int, seconds: float) -> str:
    """Answer announcements with the ``name`` of the group; empty when all have joined, else who has not.

    torchrun's store may hold announcements of processes that it has replaced since, and its restart
    counts differ between machines: a process has joined when it has read the answer to its own.
    """
    deadline = time.monotonic() + seconds
    missing = list(range(1, world))
    while missing:
        for rank in missing:
            if store.check([f"announce/{rank}"]):
                store.set(f"answer/{store.get(f'announce/{rank}').decode()}", name)
        missing = [rank for rank in missing if not here.check([f"here/{rank}"])]
        if missing and time.monotonic() > deadline:
            return _describe(missing, here, world, seconds)
        time.sleep(_POLL_SECONDS if missing else 0)
    return ""


def _announce(store: dist.Store, rank: int, seconds: float) -> tuple[str, str]:
    """The name of the group, and what the first process found, see ``_await_all``."""
    announcement = uuid.uuid4().hex
    limit = timedelta(seconds=seconds + 2 * _LINGER_SECONDS)
    try:
        store.set(f"announce/{rank}", announcement)
        store.wait([f"answer/{announcement}"], limit)
        name = store.get(f"answer/{announcement}").decode()
        here = dist.PrefixStore(name, store)
        here.set(f"here/{rank}", socket.gethostname())
        here.wait(["missing"], limit)
        return name, here.get("missing").decode()
    except dist.DistError as error:
        return "", f"the first process did not join, or has exited: {first_line(error)}"


def _describe(missing: list[int], store: dist.Store, world: int, seconds: float) -> str:
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    hosts = {
        rank // local: store.get(f"here/{rank}").decode()
        for rank in range(world)
        if rank not in missing
    }
    absent = [machine for machine in range(world // local) if machine not in hosts]
    whole = f", all of machine {_listed(absent)} (--shard_id)" if absent else ""
    here = _listed([f"machine {machine} is {host}" for machine, host in hosts.items()])
    return (
        f"{len(missing)} of {world} processes did not join within {seconds:g} s (DIST.TIMEOUT): "
        f"process {_listed(missing)}{whole}; {here}. Start what is missing with the same "
        "--init_method and --num_shards, or look at its output"
    )


def _listed(items: list[int] | list[str]) -> str:
    return ", ".join(str(item) for item in items)
