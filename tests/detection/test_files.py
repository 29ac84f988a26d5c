"""The files of a video: every one says the same segments."""

import json

import numpy as np
import pytest

from timesformer.detection.files import segments_of, write_files
from timesformer.detection.read_results import read_detections
from timesformer.detection.rules import SegmentRules
from timesformer.detection.subtitles import read_subtitles
from timesformer.detection.timeline import Gap, Timeline, read_timeline


def test_all_files_hold_the_same_segments(tmp_path):
    starts = np.arange(20) * 0.5
    probabilities = np.zeros((20, 2), np.float32)
    probabilities[4:10, 0] = 0.875
    probabilities[12:, 1] = 0.75
    made = Timeline(
        "films/a.mp4", np.stack([starts, starts + 1], axis=1), probabilities, ("=run", "walk"), 10.5,
        (Gap(2.0, 2.5, "bad packet"),),
    )  # fmt: skip
    rules = SegmentRules()
    segments = segments_of(made, rules)
    assert [(s.label, s.score, s.start, s.end) for s in segments] == [
        ("=run", 0.875, 2.25, 5.25), ("walk", 0.75, 6.25, 10.5)]  # fmt: skip
    write_files(tmp_path, "a", made, segments, rules, {"weights": "w.pyth"})
    for name in ("a.json", "a.csv"):
        found = read_detections(tmp_path / name)
        assert found.by_video() == {"a": segments}
    for name in ("a.srt", "a.vtt"):
        cues = read_subtitles(tmp_path / name)
        assert [(c.label, c.start, c.end) for c in cues] == [
            (s.label, s.start, s.end) for s in segments
        ]
    external = json.loads((tmp_path / "a.json").read_text())["external_data"]
    assert external["gaps"] == [{"start": 2.0, "end": 2.5, "reason": "bad packet"}]
    assert external["weights"] == "w.pyth"
    assert np.array_equal(read_timeline(tmp_path / "a.scores.npz").probabilities, probabilities)
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("count", [0, 1])
def test_a_video_without_segments_has_its_files_too(tmp_path, count):
    made = Timeline(
        "a", np.array([[0, 1.0]]), np.full((1, 2), np.nan, np.float32), ("x$", "y"), 1.0
    )
    rules = SegmentRules()
    write_files(tmp_path, "a", made, segments_of(made, rules), rules, {})
    assert read_detections(tmp_path / "a.json").by_video() == {"a": []}
