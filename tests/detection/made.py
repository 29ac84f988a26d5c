"""Random annotations and detections, and their files."""

import json
from pathlib import Path

import numpy as np

from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.evaluation import evaluate_detections
from timesformer.detection.metrics import Columns
from timesformer.detection.results import Detection, detections_of

LABELS = ("jump", "run", "swim", "throw")


def random_columns(rng, *, videos=4, classes=3, annotations=12, detections=40, ties=False):
    """Truth and detections; some of these lie near annotations, some anywhere, some hold nothing."""
    starts = rng.random(annotations) * 50
    truth = Columns(
        rng.integers(0, videos, annotations),
        rng.integers(0, classes, annotations),
        np.stack([starts, starts + 1 + rng.random(annotations) * 9], axis=1),
        np.ones(annotations),
    )
    if not detections:
        nothing = np.empty(0, np.int64)
        return truth, Columns(nothing, nothing, np.empty((0, 2)), np.empty(0))
    near = rng.integers(0, annotations, detections)
    times = truth.times[near] + rng.normal(0, 1.2, (detections, 2))
    times = np.sort(times.round(1) if ties else times, axis=1)
    times[rng.random(detections) < 0.05, 1] = times[0, 1]
    times.sort(axis=1)
    empty = rng.random(detections) < 0.05
    times[empty, 1] = times[empty, 0]
    is_other = rng.random(detections) < 0.2
    found = Columns(
        np.where(is_other, rng.integers(0, videos, detections), truth.video[near]),
        np.where(
            rng.random(detections) < 0.2, rng.integers(0, classes, detections), truth.label[near]
        ),
        times,
        rng.integers(0, 5, detections) / 5 if ties else rng.random(detections),
    )
    return truth, found


def as_results(found, names=LABELS):
    """Results JSON of columns; videos are called v0, v1, ..."""
    results = {f"v{k}": [] for k in range(int(found.video.max(initial=0)) + 1)}
    for video, label, times, score in zip(
        found.video.tolist(), found.label, found.times.tolist(), found.scores.tolist(), strict=True
    ):
        results[f"v{video}"].append({"label": names[label], "score": score, "segment": times})
    return {"version": "1", "results": results, "external_data": {}}


def as_database(truth, *, subset="validation", duration=70.0, names=LABELS):
    """ActivityNet JSON of columns."""
    database = {
        f"v{k}": {"subset": subset, "duration": duration, "annotations": []}
        for k in range(int(truth.video.max(initial=0)) + 1)
    }
    for video, label, times in zip(
        truth.video.tolist(), truth.label, truth.times.tolist(), strict=True
    ):
        database[f"v{video}"]["annotations"].append({"label": names[label], "segment": times})
    return {"version": "1", "database": database}


def write_pair(folder, truth, found):
    """Files of truth and results."""
    (folder / "t.json").write_text(json.dumps(as_database(truth)))
    (folder / "p.json").write_text(json.dumps(as_results(found)))
    return folder / "t.json", folder / "p.json"


def made_detection_report(*, tious=(0.3, 0.5, 0.7), seed=2):
    """The dictionary of an evaluation, with names that a page has to escape."""
    rng = np.random.default_rng(seed)
    truth, found = random_columns(rng, videos=9, classes=4, annotations=40, detections=150)
    names = ("high jump", "run <b>100 m</b>", "swim", "a class with a very long name of many words")
    videos, results = {}, {}
    for v in range(9):
        rows = [
            Segment(names[truth.label[i]], *truth.times[i])
            for i in np.flatnonzero(truth.video == v)
        ]
        videos[f"film {v} " + v * "of_a_long_name_"] = Video(tuple(rows), 70.0)
        results[f"film {v} " + v * "of_a_long_name_"] = [
            Detection(names[found.label[i]], found.scores[i], *found.times[i])
            for i in np.flatnonzero(found.video == v)
        ]
    results["<other>"] = [Detection("swim", 0.5, 0, 1)]
    annotations = Annotations(Path("truth.json"), videos, "validation")
    return evaluate_detections(annotations, detections_of(results), tious, predictions="p.json")
