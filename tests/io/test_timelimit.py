"""Calls that never return are given up, and never keep a process."""

import threading
import time

import pytest

from timesformer.io.timelimit import (
    TimeLimitError,
    call_with_timeout,
    iterate_with_timeout,
    map_in_threads,
)


def test_answers_come_in_order_whoever_is_first():
    def slow_first(number):
        time.sleep(0.05 if number == 0 else 0)
        return number * 10

    assert map_in_threads(slow_first, [0, 1, 2, 3], seconds=9, at_once=3) == [0, 10, 20, 30]
    assert map_in_threads(slow_first, [], seconds=9, at_once=3) == []


def test_what_never_answers_is_named_and_left_alone():
    for_ever = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"^b: no answer within 0\.2 seconds$"):
        map_in_threads(
            lambda name: name == "b" and for_ever.wait(60), list("abc"), seconds=0.2, at_once=2
        )
    assert time.monotonic() - began < 30
    for_ever.set()


def test_many_quick_answers_may_take_longer_than_one_limit_together():
    assert (
        map_in_threads(lambda _: time.sleep(0.02), range(30), seconds=0.4, at_once=1) == [None] * 30
    )


def test_errors_are_raised_where_the_answer_is_awaited():
    with pytest.raises(KeyError, match="missing"):
        call_with_timeout(9, lambda: {}["missing"], what="a look")
    assert call_with_timeout(float("inf"), lambda: 5, what="a sum") == 5


def test_each_item_has_its_own_time():
    assert list(iterate_with_timeout(5, iter([1, None, 3]), what="frames")) == [1, None, 3]
    for_ever = threading.Event()

    def items():
        yield 1
        for_ever.wait(60)

    with pytest.raises(TimeLimitError, match="frames: no answer"):
        list(iterate_with_timeout(0.1, items(), what="frames"))
    for_ever.set()
