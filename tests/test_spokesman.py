"""Who of the processes of a machine says what ends them."""

import time

import pytest

from timesformer import spokesman


@pytest.mark.parametrize(("local_rank", "waits"), [(None, []), ("0", []), ("1", [5.0])])
def test_all_but_the_first_process_of_a_machine_wait_before_they_speak(
    monkeypatch, local_rank, waits
):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    spokesman.await_first()
    assert waited == waits
