"""Deaths of loader processes, and what they say of the video that was read."""

import signal

import numpy as np
import pytest

from timesformer.datasets import clips
from timesformer.datasets.lists import PackedStrings, VideoList
from timesformer.datasets.machine import LoaderError
from timesformer.datasets.verdicts import Verdict, Verdicts
from timesformer.datasets.worker import ENDED, TIMED_OUT

SUSPECT, BLAMED, UNRELATED = Verdict.SUSPECT, Verdict.BLAMED, Verdict.UNRELATED


@pytest.fixture
def verdicts():
    videos = VideoList(PackedStrings(["a", "b"]), np.zeros(2, np.int64), "list")
    return Verdicts(clips.ClipDataset(videos, None, seed=0, time_limit=9), 2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("deaths", "found", "reason"),
    [
        ([(0, -9)], [SUSPECT], ""),
        ([(0, -9), (0, -11)], [SUSPECT, BLAMED], "twice (SIGSEGV)"),
        ([(0, None), (0, None)], [SUSPECT, BLAMED], "twice (no sign of life)"),
        ([(0, -9), (1, -9), (0, -9)], [SUSPECT, SUSPECT, BLAMED], "(SIGKILL, out of memory?)"),
        ([(0, TIMED_OUT)], [BLAMED], "did not answer within 9 seconds"),
        ([(0, ENDED), (0, ENDED)], [UNRELATED, UNRELATED], ""),
        ([(-1, -9), (-1, -9)], [UNRELATED, UNRELATED], ""),
    ],
)
def test_a_video_is_blamed_for_its_second_death_or_for_its_time(verdicts, deaths, found, reason):
    assert [verdicts.of_death(*death) for death in deaths] == found
    assert list(verdicts.blamed) == ([0] if reason else [])
    assert reason in verdicts.dataset.known_bad.get(0, "")


def test_a_video_that_is_read_in_between_is_innocent_again(verdicts):
    assert verdicts.of_death(0, -9) is SUSPECT
    verdicts.of_success([(3, 0)])
    assert verdicts.of_death(0, -9) is SUSPECT


def test_processes_that_never_get_to_read_end_the_run(verdicts):
    for _ in range(6):
        assert verdicts.of_death(-1, 1) is UNRELATED
    with pytest.raises(LoaderError, match="end before they read a video .exit status 1."):
        verdicts.of_death(-1, 1)
