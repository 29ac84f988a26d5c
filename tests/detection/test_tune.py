"""The search finds what a loop over rules, segmenter and evaluation finds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.evaluation import evaluate_detections
from timesformer.detection.results import ResultsError, detections_of
from timesformer.detection.rules import SegmentRules
from timesformer.detection.segments import find_segments
from timesformer.detection.timeline import Timeline
from timesformer.detection.tune import tune

NAMES = ("background", "jump", "run")


def made(seed, *, count=60, level=0.3, noise=0.15):
    """A film whose scores are low, but higher where something happens."""
    rng = np.random.default_rng(seed)
    starts = np.arange(count) * 0.5
    windows = np.stack([starts, starts + 1], axis=1)
    middles = starts + 0.5
    scores = rng.random((count, 3)) * noise
    segments = []
    for start in np.arange(3, count / 2 - 6, 8):
        label, end = int(rng.integers(1, 3)), start + rng.uniform(2, 4)
        segments.append(Segment(NAMES[label], float(start), float(end)))
        scores[(middles > start) & (middles < end), label] += level
    duration = float(windows[-1, 1])
    timeline = Timeline(str(seed), windows, scores.astype(np.float32), NAMES, duration)
    return Video(tuple(segments), duration), timeline


@pytest.fixture(scope="module")
def films():
    films = {f"film{seed}": made(seed) for seed in range(5)}
    truth = Annotations(Path("t"), {name: film[0] for name, film in films.items()}, None)
    return truth, {name: film[1] for name, film in films.items()}


def average_map(truth, timelines, rules):
    found = {
        name: find_segments(
            *each.windows.T, each.probabilities, NAMES, rules, duration=each.duration
        )
        for name, each in timelines.items()
    }
    return evaluate_detections(truth, detections_of(found), (0.3, 0.4, 0.5, 0.6, 0.7))[
        "average_mAP"
    ]


@pytest.mark.parametrize("base", [SegmentRules(), SegmentRules(smooth="median:3", pad=0.1)])
def test_every_value_is_that_of_the_segmenter(films, base):
    base = replace(base, background="background")
    tuned = tune(*films, base, onsets=(0.3, 0.6), offsets=(0.1, 0.3), min_ons=(0, 1.5))
    assert [(r.onset, r.offset, r.min_on) for r, _ in tuned.tried] == [
        (0.3, 0.1, 0), (0.3, 0.1, 1.5), (0.3, 0.3, 0), (0.3, 0.3, 1.5),
        (0.6, 0.1, 0), (0.6, 0.1, 1.5), (0.6, 0.3, 0), (0.6, 0.3, 1.5),
    ]  # fmt: skip
    for rules, value in tuned.tried:
        assert value == pytest.approx(average_map(*films, rules), abs=1e-12)
    assert tuned.before == pytest.approx(average_map(*films, base), abs=1e-12)


def test_the_best_rules_are_found(films):
    base = SegmentRules(min_off=0.5)
    tuned = tune(*films, base)
    assert tuned.before < 0.1 < 0.9 < tuned.average_map
    assert tuned.average_map == max(value for _, value in tuned.tried)
    assert tuned.rules.min_off == 0.5
    assert tuned.videos == 5
    assert len(tuned.tried) == 45 * 6


def test_of_equals_the_nearest_is_taken(films):
    truth, timelines = films
    sure = {
        name: replace(each, probabilities=np.where(each.probabilities > 0.2, 1, 0).astype(float))
        for name, each in timelines.items()
    }
    base = SegmentRules(onset=0.45, offset=0.35, min_on=1.0, min_off=0.3)
    tuned = tune(truth, sure, base)
    assert tuned.rules == base
    assert tuned.average_map == tuned.before > 0.9


def test_names_that_do_not_meet_are_shown(films):
    truth, timelines = films
    with pytest.raises(ResultsError, match="the truth has film0, scores are of x"):
        tune(truth, {"x": timelines["film0"]}, SegmentRules())
    other = {name: replace(each, class_names=("a", "b", "c")) for name, each in timelines.items()}
    with pytest.raises(ResultsError, match="the truth has jump, run, the model a, b, c"):
        tune(truth, other, SegmentRules())
