"""Names that only one side has are counted, and where none is common that is an error."""

from pathlib import Path

import numpy as np
import pytest

from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.comparison import compare
from timesformer.detection.results import Detection, ResultsError, detections_of

TRUTH = Annotations(
    Path("t.json"),
    {
        "b": Video((Segment("run", 1, 4), Segment("jump", 2, 3)), 10.0),
        "a": Video((Segment("run", 0, 5),), None),
        "empty": Video((), 7.0),
    },
    "validation",
    frozenset({"trained"}),
    frozenset({"swim"}),
)
FOUND = detections_of(
    {
        "b": [Detection("run", 0.5, 1, 2), Detection("swim", 0.5, 1, 2)],
        "trained": [Detection("run", 0.99, 0, 1), Detection("jump", 0.99, 0, 1)],
        "x": [Detection("jump", 0.9, 0, 20), Detection("fly", 0.1, 0, 1)],
        "a": [Detection("run", 0.5, 4, 8)],
    }
)


def test_both_sides_have_common_places():
    compared = compare(TRUTH, FOUND)
    assert compared.videos == ("a", "b", "empty", "trained", "x")
    assert compared.in_subset.tolist() == [True, True, True, False, False]
    assert compared.labels == ("jump", "run")
    assert compared.truth.video.tolist() == [1, 1, 0]
    assert compared.truth.label.tolist() == [1, 0, 1]
    assert compared.found.video.tolist() == [1, 4, 0]
    assert compared.found.label.tolist() == [1, 0, 1]
    assert compared.durations.tolist() == [8, 10, 7, 0, 20]
    assert compared.unmatched == ({"x": 2}, {"trained": 2}, {"swim": 1, "fly": 1}, ("empty",))
    truth, found, durations = compared.within()
    assert (len(truth), found.video.tolist()) == (3, [1, 0])
    np.testing.assert_array_equal(durations, [8, 10, 7])


def test_detections_elsewhere_may_be_left_out():
    compared = compare(TRUTH, FOUND, leave_out_others=True)
    assert compared.found.video.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            {"v_a": [], "v_b": []},
            "none of the 3 videos of the truth has results, so nothing can match: the truth has b, a, "
            "empty, the results have v_a, v_b; results go by the name without folder and suffix",
        ),
        (
            {"trained": []},
            "the results have trained; 1 of them are in other subsets: choose another one",
        ),
        (
            {"a": [Detection(name, 1, 0, 1) for name in ("Run", "Jump", "0", "1")]},
            "none of the 4 labels of the results is a class of the truth, so nothing can match: the "
            "results have 0, 1, Jump, ..., the truth has jump, run",
        ),
    ],
)
def test_names_that_do_not_meet_are_shown(results, message):
    with pytest.raises(ResultsError) as caught:
        compare(TRUTH, detections_of(results))
    assert message in str(caught.value)


def test_no_detection_is_no_error():
    assert len(compare(TRUTH, detections_of({})).found) == 0
    assert len(compare(TRUTH, detections_of({"a": []})).found) == 0
