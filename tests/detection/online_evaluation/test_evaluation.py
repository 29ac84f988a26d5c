"""The dictionary of all figures, of which each metric has its own test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.detection.online_evaluation.made import LABELS, STRIDE, made_stream_report
from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.online_evaluation.evaluation import evaluate_streams
from timesformer.detection.online_evaluation.streams import Stream

ACTIONS = (Segment("run", 4, 8), Segment("jump", 12, 16), Segment("run", 20, 22))


def perfect(*, delay=0.0, span=0.5):
    """A stream whose windows are much shorter than the actions, and always right."""
    starts = np.arange(int((30 - span) / 0.5) + 1) * 0.5
    windows = np.stack([starts, starts + span], axis=1)
    scores = np.full((len(windows), len(LABELS)), 0.01, np.float32)
    scores[:, 0] = 0.97
    for label, start, end in ACTIONS:
        inside = (windows[:, 0] >= start) & (windows[:, 1] <= end)
        scores[inside] = 0.01
        scores[inside, LABELS.index(label)] = 0.97
    delays = np.full(len(windows), delay)
    return Stream("a", Path("a.jsonl"), LABELS, windows, scores, 30.0, STRIDE, delays)


def evaluate(*streams, **options):
    truth = Annotations(Path("t.json"), {"a": Video(ACTIONS, 30.0)}, "validation")
    return evaluate_streams(truth, streams, **options)


def test_what_is_right_is_detected_after_one_window():
    report = evaluate(perfect())
    assert [row["label"] for row in report["per_class"]] == ["jump", "run"]
    for view in (report["stream_time"], report["as_seen"]):
        assert view["detection"] == {
            "threshold": pytest.approx(0.01),
            "false_alarms_per_hour": 0,
            "detected": 1,
            "mean_seconds": 0.5,
            "median_seconds": 0.5,
        }
        assert view["average_point_mAP"] == 1
        assert view["coverage"] == pytest.approx(29.5 / 30)
        # The first half second is not known yet, and after its end an action is on for as long.
        assert view["stages"][0]["mAP"] < 0.1
        late = [stage["mAP"] for stage in view["stages"][4:]]
        assert late == pytest.approx([(0.4 / (0.4 + 0.5) + 0.6 / (0.6 + 1.0)) / 2] * 6)
    assert report["windows"] == {"scored": 60, "skipped": 0, "unread": 0}
    assert [(row["actions"], row["detected"]) for row in report["per_class"]] == [(1, 1), (2, 1)]


def test_latency_delays_what_is_seen_alone():
    prompt, late = evaluate(perfect()), evaluate(perfect(delay=1.25))
    assert late["stream_time"] == prompt["stream_time"]
    seen = late["as_seen"]
    assert seen["detection"]["mean_seconds"] == 1.75
    assert seen["point_mAP"] | {"1": 0, "2": 1} == seen["point_mAP"]
    assert seen["per_frame_mAP"] < prompt["as_seen"]["per_frame_mAP"]
    assert seen["coverage"] < prompt["as_seen"]["coverage"]
    assert seen["detected_within"]["1.5"] == 0


def test_everything_a_reader_must_know_is_said():
    report = evaluate(perfect())
    assert report["warnings"] == [
        "The streams last 0.0083 hours, so a rate of 1 an hour allows no false alarm."
    ]
    assert evaluate(perfect(), rate=200)["warnings"] == []


def test_only_streams_that_all_have_latencies_are_evaluated_as_seen():
    truth = Annotations(Path("t"), {n: Video(ACTIONS, 30.0) for n in ("a", "b")}, None)
    streams = [perfect(), replace(perfect(), video="b", delays=None)]
    report = evaluate_streams(truth, streams, rate=500)
    assert report["as_seen"] is None
    assert report["warnings"] == [
        "Only 1 of 2 streams have latencies, so nothing is evaluated as seen."
    ]


def test_more_false_alarms_never_detect_fewer_actions():
    report = made_stream_report(noise=4)
    for view in (report["stream_time"], report["as_seen"]):
        shares = [point["detected"] for point in view["curve"]]
        assert shares == sorted(shares)
        assert len({*shares}) > 2
        for point in view["curve"]:
            assert point["false_alarms_per_hour"] <= point["allowed_per_hour"]
    hours = report["seconds"] / 3600
    false = sum(row["false_alarms_per_hour"] for row in report["per_class"]) * hours
    chosen = report["stream_time"]["detection"]
    assert false == pytest.approx(chosen["false_alarms_per_hour"] * hours)
    found = sum(row["detected"] * row["actions"] for row in report["per_class"])
    assert found == pytest.approx(chosen["detected"] * report["actions"])


def test_a_coarse_grid_may_hold_no_frame_of_a_stage():
    report = made_stream_report(fps=0.1)
    assert any(np.isnan(stage["mAP"]) for stage in report["stream_time"]["stages"])
