"""Processes learn which one checks, which one is dead and why: two machines of two, in threads."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from timesformer.runtime import heartbeat
from timesformer.runtime.heartbeat import Heartbeat
from timesformer.runtime.launch import free_port
from timesformer.runtime.rendezvous import ProcessGroupInfo, RendezvousError


@pytest.fixture
def heartbeats(monkeypatch):
    """Heartbeats of processes 0 .. 3, whose machines are host-0 and host-1."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "LISTEN_SECONDS", 0.6)
    port = free_port()
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(port))
    server = dist.TCPStore("localhost", port, 4, True, wait_for_workers=False)
    made = []

    def make(*, timeout=600.0):
        stores = [
            dist.TCPStore("localhost", port, 4, False, wait_for_workers=False) for _ in range(4)
        ]
        stores = [dist.PrefixStore("timesformer/now", store) for store in stores]
        for rank, store in enumerate(stores):
            store.set(f"here/{rank}", f"host-{rank // 2}")
        for rank, store in enumerate(stores):
            made.append(Heartbeat(ProcessGroupInfo(store, "now", rank, 4, 2, timeout)))
        return made

    yield make
    for beats in made:
        beats.stop()
    del server


def all_check(beats, checks):
    """What came of ``check_on_each_machine`` in each process: None or the error."""

    def one(rank):
        try:
            beats[rank].check_on_each_machine(checks[rank])
        except (ValueError, AssertionError, RendezvousError) as error:
            return error
        return None

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(one, range(4)))


def never():
    raise AssertionError("only the first process of a machine checks")


def test_checks_may_take_longer_than_a_collective(heartbeats, monkeypatch, caplog):
    """What takes its time is named by one process of each machine that waits."""
    monkeypatch.setattr(heartbeat, "NOTICE_SECONDS", 0.5)
    monkeypatch.setenv("LOCAL_RANK", "1")
    caplog.set_level(logging.INFO)
    beats, started = heartbeats(timeout=0.4), time.monotonic()
    found = all_check(beats, [lambda: time.sleep(1.3), never, lambda: None, never])
    assert found == [None] * 4
    assert time.monotonic() - started > 1.2
    assert "waiting for process 0 of 4 on host-0 to check lists and files, " in caplog.text


def test_a_failed_check_of_one_machine_ends_all_with_its_message(heartbeats):
    def check():
        raise ValueError("no train.csv")

    found = all_check(heartbeats(), [lambda: None, never, check, never])
    assert str(found[2]) == "no train.csv"
    for rank in (0, 1, 3):
        assert isinstance(found[rank], RendezvousError)
        assert (
            str(found[rank])
            == "process 2 of 4 on host-1 has found what stops the run: no train.csv"
        )


def test_a_failure_before_the_check_reaches_the_other_processes(heartbeats):
    beats = heartbeats()
    beats[0].report_failure("OUTPUT_DIR is in use")
    with pytest.raises(
        RendezvousError, match="process 0 of 4 on host-0 ended: OUTPUT_DIR is in use"
    ):
        beats[2].check_on_each_machine(lambda: None)


def test_a_process_that_dies_while_it_checks_is_named(heartbeats, monkeypatch):
    monkeypatch.setattr(heartbeat, "SILENCE_SECONDS", 0.5)
    beats = heartbeats()
    beats[2].stop()
    with pytest.raises(
        RendezvousError, match=r"process 2 of 4 on host-1, which checks.*no heartbeat for 0.5 s"
    ):
        beats[0].check_on_each_machine(lambda: None)


def test_dead_processes_are_named(heartbeats):
    beats = heartbeats()
    time.sleep(0.2)
    for rank in (1, 3):
        beats[rank].stop()
    expected = (
        "process 1 of 4 on host-0, process 3 of 4 on host-1 exited without reporting an error:"
    )
    assert beats[0].failed_before().startswith(expected)


def test_an_error_while_all_processes_are_alive_is_no_consequence(heartbeats):
    beats = heartbeats()
    assert beats[3].failed_before() == ""


def test_the_first_failure_is_reported(heartbeats):
    beats = heartbeats()
    beats[3].report_failure("a single clip does not fit into memory")
    beats[1].report_failure("lost the others")
    expected = "process 3 of 4 on host-1 ended: a single clip does not fit into memory"
    assert [beats[rank].failed_before() for rank in (0, 2)] == [expected] * 2


def test_the_reason_is_known_although_the_store_is_gone(heartbeats):
    beats = heartbeats()
    beats[2].reason = "process 0 of 4 on host-0 ended: full disk"

    class Gone:
        def check(self, _):
            raise dist.DistNetworkError("broken pipe")

    beats[2].info = beats[2].info._replace(store=Gone())
    assert beats[2].failed_before() == "process 0 of 4 on host-0 ended: full disk"
    beats[2].reason = ""
    expected = "process 0 of 4 on host-0 is dead, or cannot be reached any more"
    assert beats[2].failed_before() == expected
