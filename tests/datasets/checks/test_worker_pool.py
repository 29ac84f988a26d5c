"""Every item gets an answer: values, exceptions, dead and hanging processes."""

import math
import os
import time

import pytest

from timesformer.datasets.checks import worker_pool
from timesformer.datasets.checks.worker_pool import map_with_timeout


def act(item):
    if item == "hang":
        time.sleep(3600)
    if item == "abort":
        os.abort()
    if item == "exit":
        os._exit(3)
    if item == "raise":
        raise RuntimeError("broken")
    return item.upper()


def test_hanging_and_dying_items_leave_the_others_alone():
    items = ["a", "hang", "b", "abort", "c", "exit", "raise", *"defgh"]
    started = time.monotonic()
    answers = {a.item: a for a in map_with_timeout(act, items, workers=2, seconds=1)}
    assert time.monotonic() - started < 60
    assert sorted(answers) == sorted(items)
    assert all(answers[item].value == item.upper() for item in "abcdefgh")
    assert answers["hang"][1:] == (None, "no answer", "no answer within 1 s")
    assert answers["abort"][1:] == (None, "crashed", "crashed the decoder (signal 6)")
    assert answers["exit"][1:] == (None, "crashed", "crashed the decoder (exit status 3)")
    assert answers["raise"][1:] == (None, "crashed", "RuntimeError: broken")


def test_no_time_limit_is_one_too():
    (answer,) = map_with_timeout(act, ["a"], workers=1, seconds=math.inf)
    assert answer.value == "A"


def test_nothing_to_do_starts_no_process(monkeypatch):
    monkeypatch.setattr(worker_pool, "_start", None)
    assert list(map_with_timeout(act, [], workers=2, seconds=1)) == []


def test_leaving_early_ends_the_processes():
    answers = map_with_timeout(act, ["a", "hang"], workers=2, seconds=3600)
    assert next(answers).value == "A"
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 10


def dies_when_unpickled():
    os._exit(7)


class Poison:
    """Ends the process that receives it, before its first item."""

    def __reduce__(self):
        return dies_when_unpickled, ()


def test_processes_that_cannot_start_are_an_error():
    with pytest.raises(RuntimeError, match="before its first video .*exit status.*fewer processes"):
        list(map_with_timeout(Poison(), ["a"], workers=1, seconds=5))
