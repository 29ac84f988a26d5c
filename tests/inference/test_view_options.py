"""How many clips a prediction takes: as written, and no more than memory holds."""

from collections import namedtuple

import psutil
import pytest

from timesformer.config import ConfigError
from timesformer.inference.view_options import refuse_too_many, view_overrides


def test_views_as_written():
    expected = ["TEST.NUM_ENSEMBLE_VIEWS", "10", "TEST.NUM_SPATIAL_CROPS", "3"]
    assert view_overrides(" 10X3 ") == expected
    with pytest.raises(ConfigError, match="views are '3', but must be temporal views x crops"):
        view_overrides("3")


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_clips_that_memory_does_not_hold_are_refused(monkeypatch, spare, fits):
    free = namedtuple("free", "available")(7 * 3 * 16 * 256 * 256 * 3 + spare)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    if fits:
        refuse_too_many(21, num_frames=16, size=256)
        return
    with pytest.raises(ConfigError, match=r"\(21 of 16 frames of 256 x 256\).*lower TEST.NUM_ENS"):
        refuse_too_many(21, num_frames=16, size=256)
