"""Made-up predictions: a CSV as a test writes it, from arrays."""

import csv
import json

import numpy as np

from timesformer.config import load_config


def softmax(logits):
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def random_scores(num_videos, num_classes, *, seed=0, strength=1.5):
    """Labels (N,), class probabilities (N, K) that know something of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_videos)
    logits = rng.normal(size=(num_videos, num_classes))
    logits[np.arange(num_videos), labels] += strength
    return labels, softmax(logits)


def write_csv(path, labels, scores, *, paths=None, failed=(), names=(), columns=None, digits=6):
    """Write the file, and return it; ``failed``: paths without scores."""
    paths = paths or [f"videos/{i:05d}.mp4" for i in range(len(labels))]
    columns = columns or {}
    named = ["label_name", "prediction_name"] if names else []
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "prediction", "error", *named, *columns,
                         *(f"score_{k}" for k in range(scores.shape[1]))])  # fmt: skip
        for i, (video, label, row) in enumerate(zip(paths, labels, scores, strict=True)):
            best = int(row.argmax())
            label = ";".join(map(str, np.flatnonzero(label))) if np.ndim(label) else int(label)
            called = [names[label], names[best]] if names else []
            more = [texts[i] for texts in columns.values()]
            writer.writerow([video, label, best, "", *called, *more,
                             *(f"{score:.{digits}g}" for score in row)])  # fmt: skip
        for video in failed:
            blank = [""] * (len(named) + len(columns) + scores.shape[1])
            writer.writerow([video, 0, "", "broken file", *blank])
    return path


TRAINED = {"wall_seconds": 100.0, "clips_per_second": 7.0, "tasks": ["train", "test"],
           "peak_ram_gib": 1.5, "peak_gpu_gib": 0.0}  # fmt: skip


def write_run(folder, recipe, *, num_videos=60, sessions=(TRAINED,)):
    """The folder of a finished run of a shipped recipe of four classes: how many videos it has right."""
    labels, scores = random_scores(num_videos, 4)
    write_csv(folder / "test_predictions.csv", labels, scores)
    (folder / "config.yaml").write_text(load_config(recipe).dump())
    found = {"scored": num_videos, "videos": num_videos, "seconds": 2.0}
    (folder / "test_results.json").write_text(json.dumps(found))
    (folder / "run.json").write_text(json.dumps({"sessions": sessions}))
    return int((scores.argmax(axis=1) == labels).sum())
