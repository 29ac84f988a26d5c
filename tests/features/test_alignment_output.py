"""The lines of an alignment hold its numbers."""

import numpy as np

from timesformer.features.alignment_output import alignment_lines
from timesformer.features.distances import Alignment
from timesformer.features.frame_features import FrameFeatures


def test_the_lines_hold_the_numbers():
    a, b = (
        FrameFeatures(name, np.eye(2), np.array([0.5, last]), [], 9.0)
        for name, last in (("a.mp4", 3.0), ("b\x1b.mp4", 4.25))
    )
    found = Alignment(1.5, [(0, 0), (1, 1)], np.array([0.2, 0.4]))
    lines = alignment_lines(a, b, found, 2.0)
    assert lines[0] == "a.mp4: 2 frames, 0.5 to 3.0 of 9.0 s"
    assert "\x1b" not in lines[1]
    assert lines[2].startswith("distance 1.5000, 2.0000 without warping")
    assert lines[3] == "mean cosine 0.7000 along a path of 2 pairs"
