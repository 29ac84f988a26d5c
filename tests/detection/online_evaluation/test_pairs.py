"""Streams and annotations of the same videos, and what does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.detection.online_evaluation.made import LABELS, STRIDE
from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.online_evaluation.pairs import pair
from timesformer.detection.online_evaluation.streams import Stream, StreamError


def stream_of(name, end=20.0, **options):
    starts = np.arange(int((end - 2) / STRIDE) + 1) * STRIDE
    windows = np.stack([starts, starts + 2], axis=1)
    scores = np.full((len(windows), 4), 0.25, np.float32)
    return Stream(name, Path(f"{name}.jsonl"), LABELS, windows, scores, end, STRIDE, **options)


def truth_of(segments=((("run", 1, 4),)), duration=20.0, **videos):
    rows = tuple(Segment(*row) for row in segments)
    others = frozenset({"elsewhere"})
    return Annotations(Path("t"), {"a": Video(rows, duration)} | videos, "validation", others)


def test_annotations_that_overlap_or_touch_are_one_action():
    rows = [("run", 5, 6), ("swim", 2, 4), ("run", 1, 3), ("run", 2, 2.5), ("run", 3, 5)]
    pairs = pair(truth_of([*rows, ("run", 6.1, 7)]), [stream_of("a")])
    assert pairs.labels == ("run", "swim")
    assert pairs.places.tolist() == [LABELS.index("run"), LABELS.index("swim")]
    assert pairs.actions.times.tolist() == [[1, 6], [6.1, 7], [2, 4]]
    assert pairs.actions.label.tolist() == [0, 0, 1]
    assert pairs.annotations == 6
    assert pairs.warnings == ()


def test_what_only_one_side_has_is_left_out_and_said():
    other = Video((Segment("throw", 1, 2),), 20.0)
    pairs = pair(truth_of(b=other), [stream_of("a"), stream_of("c")])
    assert [stream.video for stream in pairs.streams] == ["a"]
    assert pairs.labels == ("run",)
    assert pairs.warnings == (
        "Left out: 1 stream (c) of videos that the truth does not have.",
        "Left out, because they have no stream: 1 video (b) of the truth.",
    )


@pytest.mark.parametrize(
    ("truth", "stream", "message"),
    [
        (
            truth_of(),
            stream_of("c"),
            "has a stream: the truth has a, the streams are c; a stream goes",
        ),
        (
            truth_of(),
            stream_of(""),
            r"the streams are \(no name\); .*--video NAME gives it another",
        ),
        (truth_of(), stream_of("elsewhere"), "1 of them are in other subsets: choose another one"),
        (
            truth_of([("fly", 1, 2)]),
            stream_of("a"),
            "1 of 1 classes of the truth are not .*: fly; it",
        ),
        (
            truth_of(duration=30.0),
            stream_of("a"),
            "of a ends at 20 s, and the video at 30 s; watch it",
        ),
        (
            truth_of([("run", 1, 4), ("run", 28, 29)], duration=None),
            stream_of("a"),
            "ends at 20 s, and an annotation at 29 s; watch it to its end, or .* --partial",
        ),
        (truth_of([]), stream_of("a"), r"no annotation in the time of the streams \(a\)"),
        (truth_of([("run", 0, 1)], 1.5), stream_of("a"), "no window of a has scores in the time"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(truth, stream, message):
    with pytest.raises(StreamError, match=message):
        pair(truth, [stream])


def test_a_part_of_a_video_can_be_evaluated():
    truth = truth_of([("run", 1, 4), ("run", 18, 25), ("run", 28, 29)], duration=30.0)
    pairs = pair(truth, [stream_of("a")], partial=True)
    assert pairs.durations.tolist() == [20.0]
    assert pairs.actions.times.tolist() == [[1, 4], [18, 20]]
    assert pairs.warnings == (
        "a: only its first 20.0 of 30.0 s are evaluated, which the stream has.",
    )
    with pytest.raises(StreamError, match="no annotation in the time"):
        pair(truth_of([("run", 28, 29)], 30.0), [stream_of("a")], partial=True)


def test_a_tail_that_is_in_no_window_is_not_missed():
    assert pair(truth_of(duration=20.5), [stream_of("a")]).durations.tolist() == [20.5]
    without = truth_of([("run", 1, 20.3)], duration=None)
    assert pair(without, [stream_of("a")]).durations.tolist() == [20.3]


def test_what_comes_after_the_video_is_cut_and_said():
    pairs = pair(truth_of(duration=10.0), [stream_of("a")])
    assert pairs.streams[0].windows[-1, 1] == 10.0
    assert pairs.warnings == (
        "a: the stream has 20.0 s, and the annotated video ends at 10.0 s; the rest is not evaluated.",
    )


def test_durations_that_the_truth_lacks_are_those_of_streams():
    streams = [stream_of("a"), replace(stream_of("a"), duration=20.4)]
    found = [pair(truth_of(duration=None), [stream]).durations[0] for stream in streams]
    assert found == [20.0, 20.4]
