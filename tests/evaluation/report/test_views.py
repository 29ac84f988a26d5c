"""Accuracy by views: the last point is the test itself, each other one a naive ensemble."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from tests.evaluation.report.made import write_csv
from timesformer.evaluation.report import views
from timesformer.evaluation.report.predictions import read_predictions

N, V, C, K = 60, 4, 3, 5
RULES = {
    "sum": lambda logits: logits.sum(axis=0),
    "max": lambda logits: logits.max(axis=0),
    "softmax": lambda logits: softmax(logits, axis=1).mean(axis=0),
}


@pytest.fixture
def run(tmp_path):
    def make(method="sum", *, failed=()):
        rng = np.random.default_rng(0)
        labels = rng.integers(K, size=N)
        logits = rng.normal(size=(N, V * C, K)).astype(np.float16)
        logits[np.arange(N), :, labels] += 0.5
        scores = np.array([RULES[method](video.astype(np.float32)) for video in logits])
        paths = [f"{i}.mp4" for i in range(N)]
        write_csv(tmp_path / "test_predictions.csv", labels, scores, paths=paths, failed=failed)
        facts = {"top1_acc": 1.0, "seconds": 36.0, "ensemble": method, "views": V * C}
        (tmp_path / "test_results.json").write_text(json.dumps(facts))
        rows = np.concatenate([logits, np.full((len(failed), V * C, K), np.nan, np.float16)])
        stored = {"scores": rows, "paths": np.array([*paths, *failed]), "temporal": V, "crops": C,
                  "method": method}  # fmt: skip
        np.savez(tmp_path / "test_views.npz", **stored)
        return read_predictions(tmp_path), logits, stored

    return make


@pytest.mark.parametrize("method", RULES)
def test_each_point_is_the_ensemble_of_its_clips(run, method):
    predictions, logits, _ = run(method, failed=["broken.mp4"])
    found = views.view_curve(predictions, views.read_views(predictions), None)
    points = {(p["temporal"], p["crops"]): p for p in found["points"]}
    assert set(points) == {(n, c) for n in range(1, V + 1) for c in (1, C)}
    chosen = {1: [1], 2: [0, 3], 3: [0, 2, 3], 4: [0, 1, 2, 3]}  # 1.5 rounds to 2
    for (count, crops), point in points.items():
        clips = [C * t + c for t in chosen[count] for c in (range(C) if crops > 1 else [1])]
        scores = [RULES[method](video[clips].astype(np.float32)) for video in logits]
        right = np.mean(np.argmax(scores, axis=1) == predictions.labels)
        assert point["value"] == pytest.approx(100 * right)
        assert point["milliseconds"] == pytest.approx(1000 * 36 / (N * V * C) * len(clips))
    whole = points[V, C]
    assert whole["value"] == 100 * (predictions.predicted == predictions.labels).mean()
    assert whole["interval"][0] < whole["value"] < whole["interval"][1]


def test_the_clips_of_other_protocols_took_their_share_of_the_time(run, tmp_path):
    run()
    facts = {"seconds": 36.0, "ensemble": "sum", "views": V * C, "clips": 2 * V * C}
    (tmp_path / "test_results.json").write_text(json.dumps(facts))
    predictions = read_predictions(tmp_path)
    *_, last = views.view_curve(predictions, views.read_views(predictions), None)["points"]
    assert last["milliseconds"] == pytest.approx(1000 * 36 / N / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": np.array([f"other {i}" for i in range(N)])}, "is of other videos or classes"),
        ({"scores": np.zeros((N, V * C, K + 1), np.float16)}, "is of other videos or classes"),
        ({"temporal": V + 1}, "15 clips of a video, but an array of the shape"),
        ({"paths": np.array([{}] * N)}, "is not a file of views"),
        (
            {"predictions_sha256": np.array("0" * 64)},
            "is of another test than .*; test again with T",
        ),
    ],
)
def test_what_is_of_another_test_is_refused(run, change, message, tmp_path):
    predictions, _, stored = run()
    np.savez(tmp_path / "test_views.npz", **{**stored, **change})
    with pytest.raises(views.ViewsError, match=message):
        views.read_views(predictions)


def test_no_or_damaged_views_name_the_key(run, tmp_path):
    predictions, _, _ = run()
    np.save(tmp_path / "one.npy", np.ones(3))
    for content in (b"PK\x03\x04 torn", (tmp_path / "one.npy").read_bytes()):
        (tmp_path / "test_views.npz").write_bytes(content)
        with pytest.raises(views.ViewsError, match="test again with TEST.SAVE_VIEWS True"):
            views.read_views(predictions)
    (tmp_path / "test_views.npz").unlink()
    with pytest.raises(views.ViewsError, match="does not exist; test again with TEST.SAVE_VIEWS"):
        views.read_views(predictions)
