"""Processes hear of each other who checks, who has gone and why: two machines of two, in threads."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from timesformer.engine.launch import free_port
from timesformer.runtime import heartbeat
from timesformer.runtime.heartbeat import LifeSigns, is_lost_exchange
from timesformer.runtime.rendezvous import Meeting, RendezvousError


@pytest.fixture
def circle(monkeypatch):
    """Life signs of processes 0 .. 3, whose machines are host-0 and host-1."""
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "LISTEN_SECONDS", 0.6)
    port = free_port()
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(port))
    server = dist.TCPStore("localhost", port, 4, True, wait_for_workers=False)
    made = []

    def make(*, seconds=600.0):
        stores = [
            dist.TCPStore("localhost", port, 4, False, wait_for_workers=False) for _ in range(4)
        ]
        stores = [dist.PrefixStore("timesformer/now", store) for store in stores]
        for rank, store in enumerate(stores):
            store.set(f"here/{rank}", f"host-{rank // 2}")
        for rank, store in enumerate(stores):
            made.append(LifeSigns(Meeting(store, "now", rank, 4, 2, seconds)))
        return made

    yield make
    for signs in made:
        signs.stop()
    del server


def all_check(signs, checks):
    """What came of ``check_on_each_machine`` in each process: None or the error."""

    def one(rank):
        try:
            signs[rank].check_on_each_machine(checks[rank])
        except (ValueError, AssertionError, RendezvousError) as error:
            return error
        return None

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(one, range(4)))


def never():
    raise AssertionError("only the first process of a machine checks")


def test_checks_may_take_longer_than_the_limit_of_an_exchange(circle, monkeypatch, caplog):
    """What takes its time is named by one process of each machine that waits."""
    monkeypatch.setattr(heartbeat, "NOTICE_SECONDS", 0.5)
    monkeypatch.setenv("LOCAL_RANK", "1")
    caplog.set_level(logging.INFO)
    signs, started = circle(seconds=0.4), time.monotonic()
    found = all_check(signs, [lambda: time.sleep(1.3), never, lambda: None, never])
    assert found == [None] * 4
    assert time.monotonic() - started > 1.2
    assert "waiting for process 0 of 4 on host-0 to check lists and files, " in caplog.text


def test_what_one_machine_finds_ends_all_with_its_words(circle):
    def check():
        raise ValueError("no train.csv")

    found = all_check(circle(), [lambda: None, never, check, never])
    assert str(found[2]) == "no train.csv"
    for rank in (0, 1, 3):
        assert isinstance(found[rank], RendezvousError)
        assert (
            str(found[rank])
            == "process 2 of 4 on host-1 has found what stops the run: no train.csv"
        )


def test_who_ends_before_its_check_is_heard_while_its_store_is_there(circle):
    signs = circle()
    signs[0].leave("OUTPUT_DIR is in use")
    with pytest.raises(
        RendezvousError, match="process 0 of 4 on host-0 ended: OUTPUT_DIR is in use"
    ):
        signs[2].check_on_each_machine(lambda: None)


def test_a_process_that_dies_while_it_checks_is_named(circle, monkeypatch):
    monkeypatch.setattr(heartbeat, "SILENCE_SECONDS", 0.5)
    signs = circle()
    signs[2].stop()
    with pytest.raises(
        RendezvousError, match=r"process 2 of 4 on host-1, which checks.*no sign of life for 0.5 s"
    ):
        signs[0].check_on_each_machine(lambda: None)


def test_who_went_without_a_word_is_named(circle):
    signs = circle()
    time.sleep(0.2)
    for rank in (1, 3):
        signs[rank].stop()
    expected = "process 1 of 4 on host-0, process 3 of 4 on host-1 ended without a word: killed"
    assert signs[0].what_happened().startswith(expected)


def test_an_exchange_that_is_late_blames_nobody(circle):
    signs = circle()
    assert signs[3].what_happened().startswith("all processes live, but an exchange took longer")


def test_the_reason_of_the_first_that_ends_is_told(circle):
    signs = circle()
    signs[3].leave("a single clip does not fit into memory")
    signs[1].leave("lost the others")
    expected = "process 3 of 4 on host-1 ended: a single clip does not fit into memory"
    assert [signs[rank].what_happened() for rank in (0, 2)] == [expected] * 2


def test_the_reason_is_known_although_the_store_has_gone(circle):
    signs = circle()
    signs[2].reason = "process 0 of 4 on host-0 ended: full disk"

    class Gone:
        def check(self, _):
            raise dist.DistNetworkError("broken pipe")

    signs[2].meeting = signs[2].meeting._replace(store=Gone())
    assert signs[2].what_happened() == "process 0 of 4 on host-0 ended: full disk"
    signs[2].reason = ""
    expected = "process 0 of 4 on host-0 has gone, or cannot be reached any more"
    assert signs[2].what_happened() == expected


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (RuntimeError("[gloo/pair.cc:561] Connection closed by peer [::1]:5."), True),
        (RuntimeError("Timed out waiting 3000ms for recv operation to complete"), True),
        (RuntimeError("Application timeout caused pair closure"), True),
        (dist.DistNetworkError("x"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("connection closed by peer"), False),
    ],
)
def test_lost_exchanges_are_told_from_other_errors(error, is_one):
    assert is_lost_exchange(error) == is_one
