"""The processes of a run find each other within a time limit, or say which of them are missing.

Each one is told by its environment, as torchrun sets it, who it is and where the first one listens.
"""

import os
import socket
import time
import uuid
from datetime import timedelta
from typing import NamedTuple

import torch.distributed as dist

from timesformer.errors import InputError

_LOOK_SECONDS = 0.1  # between two looks at who has come
_FAREWELL_SECONDS = 1.0  # the first process holds the store: the others must read why it ends


class RendezvousError(InputError, RuntimeError):
    """Processes did not come, or the address does not answer; the message names them."""


class Meeting(NamedTuple):
    """The processes of a run, all of which have come."""

    store: dist.Store  # of this meeting alone: nothing of an earlier one is in it
    name: str
    rank: int
    world: int
    local: int  # processes of a machine
    seconds: float  # that an exchange may take

    def host(self, rank: int) -> str:
        """The machine of process ``rank``."""
        return self.store.get(f"here/{rank}").decode()

    def connect(self) -> dist.Store:
        """The store by a connection of its own, for a thread: one that waits holds its connection."""
        store = _open_store(self.rank, self.world, timedelta(seconds=self.seconds), is_host=False)
        return dist.PrefixStore(self.name, store)


def environment(
    *, rank: int, world: int, local_rank: int, local: int, address: str
) -> dict[str, str]:
    """What torchrun tells process ``rank`` of ``world``; ``address`` is host:port of the first."""
    host, _, port = address.rpartition(":")
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(local_rank),
        "LOCAL_WORLD_SIZE": str(local),
        "MASTER_ADDR": host.strip("[]"),  # of an IPv6 address
        "MASTER_PORT": port,
    }


def meet(*, seconds: float) -> Meeting:
    """Wait for all processes that the environment speaks of.

    Args:
        seconds: the time that all have to come, and later any exchange may take.

    Raises:
        RendezvousError: not all of them have come in time.
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
            time.sleep(_FAREWELL_SECONDS)
    else:
        name, missing = _knock(store, rank, seconds)
        here = dist.PrefixStore(name, store)
    if missing:
        raise RendezvousError(missing)
    return Meeting(here, name, rank, world, int(os.environ["LOCAL_WORLD_SIZE"]), seconds)


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
                f"the first process cannot listen on {host}:{port}: {_first_line(error)}; choose "
                "another port with --init_method"
            ) from None
        raise RendezvousError(
            f"process {rank} of {world} waited {limit.total_seconds():g} s (DIST.TIMEOUT) for the "
            f"first one, which does not answer on {host}:{port}; start the first machine "
            "(--shard_id 0), and check that this is its address and that no firewall is between"
        ) from None
    return dist.PrefixStore("timesformer", store)


def _await_all(store: dist.Store, here: dist.Store, name: str, world: int, seconds: float) -> str:
    """Tell all that come the ``name`` of the meeting; empty when all have come, else who has not.

    torchrun's store may hold the knocks of processes that it has replaced since, and counts of its
    restarts differ between machines: only who has heard the answer to its own knock is here.
    """
    deadline = time.monotonic() + seconds
    missing = list(range(1, world))
    while missing:
        for rank in missing:
            if store.check([f"knock/{rank}"]):
                store.set(f"answer/{store.get(f'knock/{rank}').decode()}", name)
        missing = [rank for rank in missing if not here.check([f"here/{rank}"])]
        if missing and time.monotonic() > deadline:
            return _describe(missing, here, world, seconds)
        time.sleep(_LOOK_SECONDS if missing else 0)
    return ""


def _knock(store: dist.Store, rank: int, seconds: float) -> tuple[str, str]:
    """The name of the meeting, and what the first process found, ``_await_all``."""
    knock = uuid.uuid4().hex
    limit = timedelta(seconds=seconds + 2 * _FAREWELL_SECONDS)
    try:
        store.set(f"knock/{rank}", knock)
        store.wait([f"answer/{knock}"], limit)
        name = store.get(f"answer/{knock}").decode()
        here = dist.PrefixStore(name, store)
        here.set(f"here/{rank}", socket.gethostname())
        here.wait(["missing"], limit)
        return name, here.get("missing").decode()
    except dist.DistError as error:
        return "", f"the first process did not come, or has gone again: {_first_line(error)}"


def _describe(missing: list[int], store: dist.Store, world: int, seconds: float) -> str:
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    hosts = {
        rank // local: store.get(f"here/{rank}").decode()
        for rank in range(world)
        if rank not in missing
    }
    absent = [machine for machine in range(world // local) if machine not in hosts]
    whole = f", all of machine {_join(absent)} (--shard_id)" if absent else ""
    here = _join([f"machine {machine} is {host}" for machine, host in hosts.items()])
    return (
        f"{len(missing)} of {world} processes did not come within {seconds:g} s (DIST.TIMEOUT): "
        f"process {_join(missing)}{whole}; {here}. Start what is missing with the same "
        "--init_method and --num_shards, or look at its output"
    )


def _join(items: list[int] | list[str]) -> str:
    return ", ".join(str(item) for item in items)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
