import numpy as np
import pytest

from timesformer.datasets.views import DenseSampling, SegmentSampling
from timesformer.video.sampling import ClipShape, Timeline


@pytest.mark.parametrize(
    ("count", "header", "said"),
    [
        (300, 300, None),
        (290, 300, None),
        (256, None, None),
        (100, 300, ("truncated", "100 of 300 frames can be decoded", "")),
        (
            255,
            None,
            (
                "shorter than a clip of 8.5 s",
                "255 of 256 frames; its last frame is repeated",
                "",
            ),
        ),
    ],
)
def test_what_a_video_lacks_is_said(count, header, said):
    timeline = Timeline(np.arange(count), 30.0, promised=header)
    assert DenseSampling(ClipShape(8, 32, 30)).shortage(timeline) == said


def test_fewer_frames_than_segments_are_said():
    assert SegmentSampling(8).shortage(Timeline(np.arange(8), 30.0)) is None
    said = ("shorter than 8 frames", "5 frames; some are repeated", "")
    assert SegmentSampling(8).shortage(Timeline(np.arange(5), 30.0)) == said
