"""Which class is the background."""

import json

import numpy as np
import pytest

from tests.detection.made import as_database, random_columns
from timesformer.datasets.films import BACKGROUND
from timesformer.detection.annotations import AnnotationsError, read_annotations
from timesformer.detection.background import choose_background
from timesformer.detection.rules import SegmentRules
from timesformer.detection.timeline import Timeline
from timesformer.detection.tune import tune


@pytest.mark.parametrize(
    ("labels", "wanted", "expected"),
    [
        (("run", BACKGROUND), None, "background"),
        (("Background", "run"), None, "Background"),
        (("run", "backgrounds"), None, None),
        (("run", "background"), "none", None),
        (("none", "background"), "none", "none"),
        (("run", "background"), "run", "run"),
        (("run",), "idle", "idle"),
    ],
)
def test_the_class_of_that_name_unless_another_is_named(labels, wanted, expected):
    assert choose_background(labels, wanted) == expected


def test_it_is_no_segment_by_itself():
    names = ("run", "background")
    assert SegmentRules().background_place(names) == 1
    assert SegmentRules(background="none").background_place(names) is None
    assert SegmentRules().background_place(("run", "jump")) is None


@pytest.fixture
def truth(tmp_path):
    found, _ = random_columns(np.random.default_rng(3), annotations=30, detections=0)
    names = ("run", "Background", "swim")
    (tmp_path / "t.json").write_text(json.dumps(as_database(found, names=names)))
    (tmp_path / "only.json").write_text(json.dumps(as_database(found, names=names[1:2] * 3)))
    return tmp_path / "t.json"


def test_its_annotations_are_left_out(truth):
    found, whole = read_annotations(truth), read_annotations(truth, background="none")
    assert (found.labels, whole.labels) == (("run", "swim"), ("Background", "run", "swim"))
    assert found.background == "Background"
    assert found.num_background == sum(s.label == "Background" for _, s in whole.rows()) > 0
    assert whole.background is None
    assert read_annotations(truth, background="run").labels == ("Background", "swim")
    with pytest.raises(AnnotationsError, match="no annotation of idle, which is to be the backgr"):
        read_annotations(truth, background="idle")
    only = truth.with_name("only.json")
    with pytest.raises(AnnotationsError, match="all annotations are of Background, the background"):
        read_annotations(only)
    assert read_annotations(only, background="none").labels == ("Background",)


def test_rules_are_tuned_without_it(truth):
    whole = read_annotations(truth, background="none")
    names = ("run", "Background", "swim")
    times = np.stack([np.arange(140) / 2, np.arange(140) / 2 + 1], axis=1)
    timelines = {}
    for name, video in whole.videos.items():
        scores = np.zeros((140, 3), np.float32)
        for s in video.segments:
            inside = (times.mean(axis=1) > s.start) & (times.mean(axis=1) < s.end)
            scores[inside, names.index(s.label)] = 0.9
        timelines[name] = Timeline(name, times, scores, names, 70.0)
    found = tune(whole, timelines, SegmentRules())
    assert found.average_map == tune(read_annotations(truth), timelines, SegmentRules()).average_map
    assert found.average_map > tune(whole, timelines, SegmentRules(background="swim")).average_map
