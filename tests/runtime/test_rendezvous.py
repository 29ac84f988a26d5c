"""Processes that do not join are named within the time limit."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from timesformer.runtime import rendezvous
from timesformer.runtime.launch import free_port
from timesformer.runtime.rendezvous import RendezvousError


@pytest.fixture
def be(monkeypatch):
    """Be process ``rank`` of two machines with two processes each."""

    def become(rank, *, port):
        found = rendezvous.environment(
            rank=rank,
            world_size=4,
            local_rank=rank % 2,
            local_world_size=2,
            address=f"localhost:{port}",
        )
        for key, value in found.items():
            monkeypatch.setenv(key, value)

    return become


def test_the_first_process_names_those_that_did_not_join(be):
    be(0, port=free_port())
    started = time.monotonic()
    message = (
        r"3 of 4 processes did not join within 1 s \(DIST.TIMEOUT\): process 1, 2, 3, all of "
        r"machine 1 \(--shard_id\); machine 0 is .*Start what is missing"
    )
    with pytest.raises(RendezvousError, match=message):
        rendezvous.join(seconds=1)
    assert time.monotonic() - started < 10


def test_the_other_processes_report_the_address_of_the_first(be):
    port = free_port()
    be(2, port=port)
    with pytest.raises(RendezvousError, match=rf"process 2 of 4 waited 1 s.*localhost:{port}; st"):
        rendezvous.join(seconds=1)


def test_a_port_in_use_is_named(be):
    port = free_port()
    be(0, port=port)
    taken = dist.TCPStore("localhost", port, 1, True, wait_for_workers=False)
    with pytest.raises(RendezvousError, match=rf"cannot listen on localhost:{port}: .*--init_met"):
        rendezvous.join(seconds=1)
    del taken


def test_all_processes_read_what_the_first_one_found(be):
    be(1, port=free_port())
    store = dist.HashStore()
    here = dist.PrefixStore("now", store)
    for rank in (0, 1, 3):
        here.set(f"here/{rank}", f"host-{rank // 2}")
    found = rendezvous._await_all(store, here, "now", 4, 0.1)
    assert found.startswith("1 of 4 processes did not join within 0.1 s (DIST.TIMEOUT): process 2;")
    assert "machine 0 is host-0, machine 1 is host-1" in found
    here.set("here/2", "host-1")
    assert rendezvous._await_all(store, here, "now", 4, 0.1) == ""


def test_a_first_process_that_dies_while_waiting_is_noticed():
    port = free_port()
    server = dist.TCPStore("localhost", port, 2, True, wait_for_workers=False)
    client = dist.TCPStore("localhost", port, 2, False, wait_for_workers=False)
    del server
    name, found = rendezvous._announce(client, 1, 5)
    assert name == ""
    assert found.startswith("the first process did not join, or has exited: ")


def test_a_meeting_is_not_that_of_processes_that_were_replaced(be, monkeypatch):
    """torchrun's store outlives its processes, and machines count its restarts differently."""
    port = free_port()
    store = dist.TCPStore("localhost", port, 1, True, wait_for_workers=False)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    old = dist.PrefixStore("timesformer", store)
    for rank in (1, 2, 3):
        old.set(f"announce/{rank}", f"of an earlier process {rank}")
    be(0, port=port)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(rendezvous.join, seconds=30)
        time.sleep(0.3)
        assert not first.done()
        limit = rendezvous.timedelta(seconds=30)
        for rank in (1, 2, 3):
            mine = rendezvous._open_store(rank, 4, limit, is_host=False)
            threads.submit(rendezvous._announce, mine, rank, 30)
        info = first.result()
    assert (info.rank, info.world_size, info.local_world_size, info.timeout) == (0, 4, 2, 30)
    assert info.host(3) == socket.gethostname()
    assert info.connect().get("here/2") == info.host(2).encode()


def test_an_ipv6_address_keeps_its_colons():
    found = rendezvous.environment(
        rank=0, world_size=2, local_rank=0, local_world_size=1, address="[fe80::1]:9999"
    )
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("fe80::1", "9999")
