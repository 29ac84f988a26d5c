"""The dictionary of all figures, of which each metric has its own test."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests.detection.made import LABELS, random_columns, write_pair
from tests.detection.test_metrics import naive_ap
from timesformer.detection.annotations import Annotations, Segment, Video, read_annotations
from timesformer.detection.evaluation import evaluate_detections
from timesformer.detection.lines import evaluation_lines
from timesformer.detection.read_results import read_detections
from timesformer.detection.results import Detection, detections_of


def test_figures_of_files_are_those_of_the_loop(tmp_path):
    truth, found = random_columns(np.random.default_rng(3), annotations=30, detections=200)
    files = write_pair(tmp_path, truth, found)
    report = evaluate_detections(
        read_annotations(files[0]), read_detections(files[1]), (0.3, 0.5), predictions=files[1]
    )
    expected = {
        str(least): np.mean([naive_ap(truth, found, k, least) for k in range(3)])
        for least in (0.3, 0.5)
    }
    assert report["mAP"] == pytest.approx(expected, abs=1e-12)
    assert report["average_mAP"] == pytest.approx(np.mean([*expected.values()]), abs=1e-12)
    assert [row["label"] for row in report["per_class"]] == list(LABELS[:3])
    for k, row in enumerate(report["per_class"]):
        assert row["AP"]["0.5"] == pytest.approx(naive_ap(truth, found, k, 0.5))
        assert row["annotations"] == (truth.label == k).sum()
        assert row["detections"] == (found.label == k).sum()
    assert report["warnings"] == []
    assert set(report["average_recall"]) == {"1", "5", "10", "50", "100"}
    assert set(report["f1"]) == {"10", "25", "50"}
    shares = [report["edit"], report["per_frame_mAP"], *report["f1"].values()]
    assert all(0 < share < 1 for share in shares)
    lines = "\n".join(evaluation_lines(report))
    assert f"average  {100 * report['average_mAP']:.2f}" in lines
    assert "4 videos of validation, 30 annotations of 3 classes, 200 detections" in lines


def perfect():
    videos = {
        "a": Video((Segment("run", 1, 4), Segment("jump", 5, 6)), 10.0),
        "b": Video((Segment("run", 2, 8),), 9.0),
    }
    found = {
        name: [Detection(s.label, 0.9, s.start, s.end) for s in video.segments]
        for name, video in videos.items()
    }
    return videos, found


def evaluate(videos, found, **options):
    truth = Annotations(
        Path("t.json"),
        videos,
        None,
        elsewhere=frozenset({"other"}),
        labels_elsewhere=frozenset({"swim"}),
    )
    return evaluate_detections(truth, detections_of(found), (0.5, 0.95), **options)


def test_what_is_right_is_1():
    report = evaluate(*perfect())
    assert report["mAP"] == {"0.5": 1, "0.95": 1}
    assert report["average_recall"] == {"1": pytest.approx(2 / 3)} | dict.fromkeys(
        ("5", "10", "50", "100"), pytest.approx(1)
    )
    assert [report["per_frame_mAP"], report["edit"], report["average_mAP"]] == [1, 1, 1]
    assert report["f1"] == {"10": 1, "25": 1, "50": 1}
    assert report["worst"] == []


def test_everything_a_reader_must_know_is_said():
    videos, found = perfect()
    videos["a"] = Video(videos["a"].segments + videos["a"].segments[:1], 10.0)
    found["other"] = [Detection("run", 1, 0, 1)]
    found["x"] = [Detection("run", 1, 0, 1)]
    found["a"] += [Detection("swim", 1, 0, 1), Detection("fly", 1, 0, 1), Detection("fly", 1, 0, 1)]
    del found["b"]
    report = evaluate(videos, found)
    assert report["warnings"] == [
        "Left out: 3 detections of 2 labels (swim, fly) that the truth does not have; 1 of these labels "
        "are in other subsets.",
        "Left out: 1 detection in 1 video (other) of other subsets of the truth.",
        "Wrong by definition: 1 detection in 1 video (x) that the truth does not have; --ignore-others "
        "leaves them out.",
        "Without results, so that nothing is found there: 1 video (b) of the truth.",
        "Given more than once: 1 of the annotations, as run in a; each one counts, as in the published "
        "evaluation, and --clean keeps one.",
    ]
    assert report["unmatched"] == {
        "videos": {"x": 1},
        "videos_of_other_subsets": {"other": 1},
        "labels": {"swim": 1, "fly": 2},
        "without_results": ["b"],
    }
    left_out = evaluate(videos, found, leave_out_others=True)
    assert left_out["warnings"][2].startswith("Left out: 1 detection in 1 video (x)")
    assert left_out["average_mAP"] > report["average_mAP"]


def test_nothing_found_is_0_and_said():
    report = evaluate(perfect()[0], {"a": [], "b": []})
    assert report["warnings"] == ["There is no detection of these videos and classes."]
    numbers = [report["average_mAP"], report["edit"], *report["f1"].values()]
    assert numbers == [0, 0, 0, 0, 0]
    assert report["per_frame_mAP"] == pytest.approx(np.mean([9 / 19, 1 / 19]))


def test_a_hundred_thousand_detections_take_no_loop():
    """0.6 s of a processor; a loop over detections and thresholds takes minutes."""
    rng = np.random.default_rng(0)
    size = {"videos": 500, "classes": 4, "annotations": 1000, "detections": 100_000}
    truth, found = random_columns(rng, **size)
    videos = {
        f"{v}": Video(tuple(Segment(LABELS[k], *t) for k, t in rows), 70.0)
        for v, rows in grouped(truth.video, zip(truth.label, truth.times, strict=True)).items()
    }
    detected = grouped(found.video, zip(found.label, found.scores, found.times, strict=True))
    results = detections_of(
        {f"{v}": [Detection(LABELS[k], s, *t) for k, s, t in rows] for v, rows in detected.items()}
    )
    annotations = Annotations(Path("t"), videos, None)
    start = time.process_time()
    report = evaluate_detections(annotations, results, (0.3, 0.4, 0.5, 0.6, 0.7))
    assert time.process_time() - start < 8
    assert report["detections"] == 100_000


def grouped(keys, rows):
    found = {}
    for key, row in zip(keys.tolist(), rows, strict=True):
        found.setdefault(key, []).append(row)
    return found
