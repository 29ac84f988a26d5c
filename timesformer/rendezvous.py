"""The processes of a run find each other within a time limit, or say which of them are missing.

Each one is told by its environment, as torchrun sets it, who it is and where the first one listens.
"""

import os
import socket
import time
from datetime import timedelta

import torch.distributed as dist

_LOOK_SECONDS = 0.1  # between two looks at who has come
_FAREWELL_SECONDS = 1.0  # the first process holds the store: the others must read why it ends


class RendezvousError(RuntimeError):
    """Processes did not come, or the address does not answer; the message names them."""


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


def join(backend: str, *, seconds: float) -> None:
    """Form the process group that the environment describes.

    Args:
        backend: nccl or gloo.
        seconds: the time that all have to come, and later any exchange may take.

    Raises:
        RendezvousError: not all of them have come in time.
    """
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    limit = timedelta(seconds=seconds)
    store = _open_store(rank, world, limit)
    store.set(f"here/{rank}", socket.gethostname())
    if rank == 0:
        missing = _await_all(store, world, seconds)
        store.set("missing", missing)
        if missing:
            time.sleep(_FAREWELL_SECONDS)
    else:
        missing = _hear_verdict(store, seconds)
    if missing:
        raise RendezvousError(missing)
    group = dist.PrefixStore("group", store)
    dist.init_process_group(backend, store=group, rank=rank, world_size=world, timeout=limit)


def _open_store(rank: int, world: int, limit: timedelta) -> dist.Store:
    """Hosted by the first process, or by torchrun."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    is_host = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        store = dist.TCPStore(host, port, world, is_host, timeout=limit, wait_for_workers=False)
    except (dist.DistError, OSError) as error:
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
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # its store outlives the processes
    return dist.PrefixStore(f"timesformer/{attempt}/{world}", store)


def _await_all(store: dist.Store, world: int, seconds: float) -> str:
    """Empty when all have come, else who has not."""
    deadline = time.monotonic() + seconds
    missing = list(range(world))
    while missing:
        missing = [rank for rank in missing if not store.check([f"here/{rank}"])]
        if missing and time.monotonic() > deadline:
            return _describe(missing, store, world, seconds)
        time.sleep(_LOOK_SECONDS if missing else 0)
    return ""


def _hear_verdict(store: dist.Store, seconds: float) -> str:
    """What the first process found, ``_await_all``."""
    try:
        store.wait(["missing"], timedelta(seconds=seconds + 2 * _FAREWELL_SECONDS))
        return store.get("missing").decode()
    except dist.DistError as error:
        return f"the first process has gone while others were waited for: {_first_line(error)}"


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
