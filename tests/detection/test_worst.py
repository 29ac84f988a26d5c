"""Videos in which most annotations are missed come first."""

from pathlib import Path

from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.comparison import compare
from timesformer.detection.results import Detection, detections_of
from timesformer.detection.worst import worst_videos


def test_a_video_with_more_misses_comes_first():
    two = Video((Segment("run", 1, 4), Segment("jump", 5, 6)), 10.0)
    truth = Annotations(Path("t"), {"all": two, "half": two, "none": two}, None)
    found = {
        "all": [Detection("run", 0.9, 1, 4), Detection("jump", 0.8, 5, 6.1)],
        "half": [
            Detection("run", 0.9, 1, 4),
            Detection("run", 0.8, 5, 6),
            Detection("jump", 0.1, 5, 6),
        ],
    }
    none, half = worst_videos(compare(truth, detections_of(found)))
    assert (none["video"], none["found"], none["detections"]) == ("none", 0, [])
    assert (half["video"], half["found"], half["annotations"], half["duration"]) == (
        "half",
        1,
        2,
        10,
    )
    assert [(row["label"], row["right"]) for row in half["truth"]] == [
        ("run", True),
        ("jump", False),
    ]
    assert half["detections"] == [
        {"label": "run", "start": 1.0, "end": 4.0, "score": 0.9, "right": True},
        {"label": "run", "start": 5.0, "end": 6.0, "score": 0.8, "right": False},
    ]
