"""Crashes of loader processes, and what happens to the video that was being read."""

import signal

import numpy as np
import pytest

from timesformer.datasets import clips
from timesformer.datasets.crash_policy import Action, CrashPolicy
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.datasets.loader_worker import ENDED, TIMED_OUT
from timesformer.datasets.resource_limits import LoaderError

RETRY_ALONE, EXCLUDE, RETRY = Action.RETRY_ALONE, Action.EXCLUDE, Action.RETRY


@pytest.fixture
def crashes():
    videos = VideoList(PackedStrings(["a", "b"]), np.zeros(2, np.int64), "list")
    return CrashPolicy(clips.ClipDataset(videos, None, seed=0, time_limit=9), 2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("deaths", "found", "reason"),
    [
        ([(0, -9)], [RETRY_ALONE], ""),
        ([(0, -9), (0, -11)], [RETRY_ALONE, EXCLUDE], "twice (SIGSEGV)"),
        ([(0, None), (0, None)], [RETRY_ALONE, EXCLUDE], "twice (not responding)"),
        (
            [(0, -9), (1, -9), (0, -9)],
            [RETRY_ALONE, RETRY_ALONE, EXCLUDE],
            "(SIGKILL, out of memory?)",
        ),
        ([(0, TIMED_OUT)], [EXCLUDE], "did not answer within 9 seconds"),
        ([(0, ENDED), (0, ENDED)], [RETRY, RETRY], ""),
        ([(-1, -9), (-1, -9)], [RETRY, RETRY], ""),
    ],
)
def test_a_video_is_excluded_after_its_second_crash_or_its_time_limit(
    crashes, deaths, found, reason
):
    assert [crashes.on_exit(*death) for death in deaths] == found
    assert list(crashes.excluded) == ([0] if reason else [])
    assert reason in crashes.dataset.known_bad.get(0, "")


def test_a_video_that_is_read_in_between_has_no_crash_to_its_name(crashes):
    assert crashes.on_exit(0, -9) is RETRY_ALONE
    crashes.on_success([(3, 0)])
    assert crashes.on_exit(0, -9) is RETRY_ALONE


def test_processes_that_end_again_and_again_without_reading_end_the_run(crashes):
    for _ in range(6):
        assert crashes.on_exit(-1, 1) is RETRY
    with pytest.raises(LoaderError, match="end before they read a video .exit status 1."):
        crashes.on_exit(-1, 1)
