"""Who of the processes of a machine says what ends them."""

import time

import pytest

from timesformer.runtime import local_rank as subject


@pytest.mark.parametrize(("local_rank", "waits"), [(None, []), ("0", []), ("1", [5.0])])
def test_all_processes_but_local_rank_zero_wait_before_they_log(monkeypatch, local_rank, waits):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    subject.await_local_rank_zero()
    assert waited == waits


@pytest.mark.parametrize(
    ("rank", "shard", "is_it"),
    [(None, 0, True), ("0", 0, True), ("1", 0, False), (None, 1, False)],
)
def test_one_process_of_all_machines_is_the_first_of_a_run(monkeypatch, rank, shard, is_it):
    monkeypatch.delenv("RANK", raising=False)
    if rank:
        monkeypatch.setenv("RANK", rank)
    assert subject.is_main(shard) == is_it


@pytest.mark.parametrize(
    ("local_rank", "torchrun", "waits"), [("0", True, 0), ("1", True, 1), ("1", False, 0)]
)
def test_an_error_of_all_processes_is_raised_by_local_rank_zero(
    monkeypatch, local_rank, torchrun, waits
):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    if torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    with pytest.raises(ValueError if local_rank == "0" else SystemExit) as caught:
        subject.raise_once(ValueError("all"), status=2)
    assert local_rank == "0" or caught.value.code == 2
    assert len(waited) == waits
