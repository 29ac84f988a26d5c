"""A set is made once, and another one is not written over it."""

import pytest

from timesformer.datasets.motion import Recipe, make_dataset, split_digits
from timesformer.errors import InputError

TINY = Recipe(train=4, val=4, test=4, size=32, num_frames=3, seed=0)


def test_a_complete_set_is_left_alone_and_another_is_refused(tmp_path):
    assert make_dataset(tmp_path, TINY, num_workers=1)
    before = (tmp_path / "train/00000.mp4").stat().st_mtime_ns
    assert not make_dataset(tmp_path, TINY, num_workers=1)
    assert (tmp_path / "train/00000.mp4").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="choose another folder or delete this one"):
        make_dataset(tmp_path, TINY._replace(seed=1), num_workers=1)


def test_splits_share_no_digit():
    scans = [{digit.tobytes() for digit in split_digits(split)} for split in range(3)]
    assert not scans[0] & scans[1] | scans[0] & scans[2] | scans[1] & scans[2]
