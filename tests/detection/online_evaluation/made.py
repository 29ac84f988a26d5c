"""Streams with known answers, as timesformer watch prints them, and their annotations."""

import json
from pathlib import Path

import numpy as np

from timesformer.detection.annotations import Annotations, Segment, Video
from timesformer.detection.online_evaluation.evaluation import evaluate_streams
from timesformer.detection.online_evaluation.streams import Stream, announce
from timesformer.detection.rules import SegmentRules

LABELS = ("background", "jump", "run", "swim")
SPAN, STRIDE = 2.0, 0.5


def made_truth(rng, *, videos=3, duration=60.0, labels=LABELS[1:]):
    """ActivityNet JSON: actions one after the other, with background between."""
    database = {}
    for v in range(videos):
        annotations, time = [], float(rng.uniform(2, 5))
        while time < duration - 8:
            length = float(rng.uniform(2, 7))
            label = labels[rng.integers(len(labels))]
            annotations.append(
                {"label": label, "segment": [round(time, 2), round(time + length, 2)]}
            )
            time += length + float(rng.uniform(1.5, 6))
        database[f"v{v}"] = {
            "subset": "validation",
            "duration": duration,
            "annotations": annotations,
        }
    return {"version": "1", "database": database}


def made_scores(rng, entry, *, noise=1.0, names=LABELS, stride=STRIDE, span=SPAN):
    """Windows (W, 2), and probabilities (W, K) that rise with the share of a window that is the class."""
    starts = np.arange(int((entry["duration"] - span) / stride) + 1) * stride
    windows = np.stack([starts, starts + span], axis=1)
    logits = rng.normal(0, noise, (len(windows), len(names)))
    share = np.zeros_like(logits)
    for each in entry["annotations"]:
        start, end = each["segment"]
        common = np.minimum(windows[:, 1], end) - np.maximum(windows[:, 0], start)
        share[:, names.index(each["label"])] += np.maximum(common, 0) / span
    share[:, 0] = 1 - share[:, 1:].sum(axis=1)
    odds = np.exp(logits + 5 * share)
    return windows, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def stream_rows(source, windows, scores, *, latency=0.3, speed=1.0, skipped=(), names=LABELS):
    """The lines as objects; windows whose place is in ``skipped`` were skipped."""
    yield {
        "kind": "stream",
        "source": source,
        "class_names": list(names),
        "span": float(windows[0, 1] - windows[0, 0]),
        "stride": STRIDE,
        "speed": speed,
    }
    delays = np.broadcast_to(latency, len(windows))
    for place, ((start, end), row) in enumerate(zip(windows.tolist(), scores, strict=True)):
        base = {"timeline": 0, "start": start, "end": end}
        if place in skipped:
            yield {"kind": "skipped", **base}
            continue
        best = int(row.argmax())
        yield {
            "kind": "window",
            **base,
            "label": names[best],
            "probability": float(row[best]),
            "latency": float(delays[place]),
            "probabilities": [float(each) for each in row],
        }
    yield {"kind": "summary", "stream_seconds": float(windows[-1, 1])}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_streams(folder, *, seed=0, videos=3, noise=1.0, **options):
    """``t.json`` and a folder ``streams`` of JSONL files, in ``folder``."""
    rng = np.random.default_rng(seed)
    truth = made_truth(rng, videos=videos)
    (folder / "t.json").write_text(json.dumps(truth))
    (folder / "streams").mkdir()
    for name, entry in truth["database"].items():
        windows, scores = made_scores(rng, entry, noise=noise)
        rows = stream_rows(f"/videos/{name}.mp4", windows, scores, **options)
        write_rows(folder / f"streams/{name}.jsonl", rows)
    return folder / "t.json", folder / "streams"


def made_stream_report(*, seed=2, noise=2.0, speed=1.0, rate=100, fps=None):
    """The dictionary of an evaluation, with names that a page has to escape."""
    names = (
        "background",
        "high jump",
        "run <b>100 m</b>",
        "a class with a very long name of many words",
    )
    rng = np.random.default_rng(seed)
    truth = made_truth(rng, labels=names[1:])["database"]
    streams, videos = [], {}
    for v, entry in enumerate(truth.values()):
        name = f"film {v} " + v * "of_a_long_name_"
        windows, scores = made_scores(rng, entry, noise=noise, names=names)
        delays = None if speed is None else np.full(len(windows), 0.4 * speed)
        found = Stream(name, Path(f"{name}.jsonl"), names, windows, scores, 60.0, STRIDE, delays)
        streams.append(announce(found, SegmentRules()))
        parts = (Segment(each["label"], *each["segment"]) for each in entry["annotations"])
        videos[name] = Video(tuple(parts), 60.0)
    annotations = Annotations(
        Path("truth.json"), videos | {"<other>": Video((), 9.0)}, "validation"
    )
    return evaluate_streams(annotations, streams, rate=rate, fps=fps)
