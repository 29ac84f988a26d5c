"""Every number of report.json and compare.json, recomputed from the CSV by other programs and plain loops.

``naive.py`` holds the recomputation; it reads the file with Python's csv module and shares no code with
the product. What a report holds besides is listed here as not recomputed.
"""

import json

import numpy as np
import pytest

from tests.evaluation.report import naive
from tests.evaluation.report.made import softmax, write_csv
from timesformer.evaluation.report.comparison import build_comparison
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.report import build_report
from timesformer.evaluation.report.temperature import find_temperature
from timesformer.evaluation.report.train_list import read_train_list
from timesformer.io.json_text import json_text

NOT_RECOMPUTED = {"run", "scores", "views", "validation", "method", "training_frequency", "names",
                  "confusion_order", "training", "schema_version", "kind", "task", "groups", "folder",
                  "sha256", "predictions", "verdict", "seeds", "a_prediction_name",
                  "b_prediction_name"}  # fmt: skip
NAMES = [f"class, {k}" for k in range(12)]


def drawn(num_videos, num_classes, seed, *, labels=None, strength=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num_videos) if labels is None else np.array(labels)
    logits = 1.5 * rng.normal(size=(num_videos, num_classes))
    logits[np.arange(num_videos), labels] += strength
    return labels, logits


def eighths(num_videos, num_classes, seed):
    """Probabilities that are multiples of 1/8, so that most are equal to another."""
    labels, logits = drawn(num_videos, num_classes, seed)
    rng = np.random.default_rng(seed)
    return labels, np.stack([rng.multinomial(8, row) / 8 for row in softmax(logits)])


def ucf(num_videos, num_films):
    rng = np.random.default_rng(5)
    films = np.sort(rng.integers(num_films, size=num_videos))
    return [f"v_Run_g{film:02}_c{i:02}.avi" for i, film in enumerate(films)]


def single(name):
    """Labels, scores and options of a case."""
    labels, logits = drawn(60, 7, 0)
    probabilities = softmax(logits)
    sure = np.eye(7)[labels]
    few = np.array([0, 0, 2, 2, 2, 7] * 8)
    return {
        "random": (labels, probabilities, {}),
        "names": (labels, probabilities, {"names": NAMES[:7]}),
        "logits": (labels, logits, {"kind": "logits"}),
        "ties": (*eighths(70, 6, 1), {}),
        "ties of two": (*eighths(40, 2, 2), {}),
        "three classes": (labels % 3, softmax(logits[:, :3]), {}),
        "two classes": (labels % 2, softmax(logits[:, :2]), {}),
        "classes without videos": (few, softmax(drawn(48, 9, 3, labels=few)[1]), {}),
        "classes of one video": (np.arange(7), probabilities[:7], {}),
        "one video": (labels[:1], probabilities[:1], {}),
        "one wrong video": ((labels[:1] + 1) % 7, sure[:1], {}),
        "two videos": (labels[:2], probabilities[:2], {}),
        "all right": (labels, sure, {}),
        "all wrong": (labels, np.roll(sure, 1, axis=1), {}),
        "all scores equal": (labels, np.full((60, 7), 1 / 7), {"digits": 17}),
        "one label": (np.full(60, 3), probabilities, {}),
        "one prediction": (labels, np.roll(np.eye(7)[np.zeros(60, int)], 4, axis=1), {}),
        "unreadable": (labels, probabilities, {"failed": ["x.mp4", "y.mp4", "z.mp4"]}),
        "groups": (labels, probabilities, {"paths": ucf(60, 9)}),
        "groups of ties": (*eighths(50, 4, 8), {"paths": ucf(50, 12)}),
        "groups all right": (labels, sure, {"paths": ucf(60, 9)}),
        "one group": (labels, probabilities, {"paths": ucf(60, 1)}),
        "two groups": (labels, probabilities, {"paths": ucf(60, 2)}),
        "huge logits": (labels, 500 * logits, {"kind": "logits"}),
    }[name]


SINGLE = [
    "random", "names", "logits", "ties", "ties of two", "three classes", "two classes",
    "classes without videos", "classes of one video", "one video", "one wrong video", "two videos",
    "all right", "all wrong", "all scores equal", "one label", "one prediction", "unreadable", "groups",
    "groups of ties", "groups all right", "one group", "two groups", "huge logits",
]  # fmt: skip


def check(found, expected, place=""):
    """Whether all that was recomputed is there, and nothing else but NOT_RECOMPUTED."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), place
        assert set(found) - NOT_RECOMPUTED == set(expected), place
        for key, value in expected.items():
            check(found[key], value, f"{place}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            check(one, other, f"{place}[{i}]")
    elif isinstance(expected, float | np.floating):
        assert isinstance(found, int | float), place
        assert found == pytest.approx(float(expected), rel=1e-6, abs=1e-7), place
    else:
        assert found == expected, place


def as_read(value):
    return json.loads(json_text(value))


@pytest.mark.parametrize("name", SINGLE)
def test_every_number_of_one_label_a_video(name, tmp_path):
    labels, scores, options = single(name)
    kind = options.pop("kind", "probabilities")
    file = write_csv(tmp_path / "test_predictions.csv", labels, scores, **options)
    check(as_read(build_report(read_predictions(file))), naive.report(file, kind))


@pytest.mark.parametrize("seed", range(16))
def test_every_number_of_random_sizes(seed, tmp_path):
    """Few or many videos, films and classes, of which some do not occur; ties in every second one."""
    rng = np.random.default_rng(seed)
    num_videos, num_classes = int(rng.integers(1, 45)), int(rng.integers(2, 9))
    if seed % 2:
        labels, scores = eighths(num_videos, num_classes, seed)
    else:
        labels = rng.choice(
            rng.permutation(num_classes)[: rng.integers(1, num_classes + 1)], num_videos
        )
        scores = softmax(drawn(num_videos, num_classes, seed, labels=labels)[1])
    paths = ucf(num_videos, int(rng.integers(1, 12))) if seed % 3 == 0 else None
    failed = [f"broken {i}" for i in range(seed % 4)] if paths is None else ()
    file = write_csv(tmp_path / "test_predictions.csv", labels, scores, paths=paths, failed=failed)
    check(as_read(build_report(read_predictions(file))), naive.report(file, "probabilities"))


def test_every_number_of_sums_of_clips(tmp_path):
    labels, logits = drawn(50, 5, 4)
    file = write_csv(tmp_path / "test_predictions.csv", labels, 30 * logits)
    (tmp_path / "test_results.json").write_text('{"ensemble": "sum", "views": 30}')
    check(as_read(build_report(read_predictions(file))), naive.report(file, "logits", views=30))


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_every_number_of_a_temperature_a_change_and_a_train_list(kind, tmp_path):
    labels, logits = drawn(60, 5, 6)
    make = softmax if kind == "probabilities" else np.asarray
    file = write_csv(tmp_path / "test_predictions.csv", labels, make(logits))
    other_labels, other = drawn(80, 5, 7)
    paths = [f"val {i}" for i in range(80)]
    val = write_csv(tmp_path / "val_predictions.csv", other_labels, make(2.5 * other), paths=paths)
    against = write_csv(tmp_path / "b/test_predictions.csv", labels, make(drawn(60, 5, 8)[1]))
    (tmp_path / "train.csv").write_text("".join(f"t{i}.mp4 {i * i % 7 % 5}\n" for i in range(40)))
    test = read_predictions(file)
    found = as_read(
        build_report(
            test,
            temperature=find_temperature(test, "val"),
            against=read_predictions(against),
            train=read_train_list(tmp_path / "train.csv", test),
        )
    )
    expected, others = naive.report(file, kind), naive.per_class(naive.Table(against))
    train = [sum(i * i % 7 % 5 == k for i in range(40)) for k in range(5)]
    for row, other, count in zip(expected["per_class"], others, train, strict=True):
        row["train_videos"] = count
        row["change"] = {"accuracy": row["accuracy"] - other["accuracy"]}
    expected["calibration"]["temperature"] = naive.with_temperature(naive.Table(file), kind, 1, val)
    check(found, expected)
    rho = naive.training_frequency(expected["per_class"], train)
    assert found["training_frequency"]["spearman"] == pytest.approx(rho)


def several(name):
    rng = np.random.default_rng(3)
    hot = rng.random((30, 5)) < 0.35
    scores = 1 / (1 + np.exp(-2 * rng.normal(size=(30, 5)) - hot))
    once = hot.copy()
    once[:, 2] = np.arange(30) == 4
    without = hot.copy()
    without[:, 3] = False
    return {
        "random": (hot, scores, {}),
        "ties": (hot, np.round(4 * scores) / 4, {}),
        "equal scores": (hot, np.full((30, 5), 0.5), {}),
        "a class without videos": (without, scores, {}),
        "a class of one video": (once, scores, {}),
        "one video": (hot[hot.any(axis=1)][:1], scores[:1], {}),
        "every label": (np.ones((12, 5), dtype=bool), scores[:12], {}),
        "no label": (np.zeros((12, 5), dtype=bool), scores[:12], {}),
        "unreadable": (hot, scores, {"failed": ["x.mp4"]}),
        "groups": (hot, scores, {"paths": ucf(30, 8)}),
    }[name]


@pytest.mark.filterwarnings("error:Mean of empty slice")
@pytest.mark.parametrize(
    "name",
    ["random", "ties", "equal scores", "a class without videos", "a class of one video", "one video",
     "every label", "no label", "unreadable", "groups"],
)  # fmt: skip
def test_every_number_of_several_labels_a_video(name, tmp_path):
    hot, scores, options = several(name)
    file = write_csv(tmp_path / "test_predictions.csv", hot, scores, **options)
    (tmp_path / "test_results.json").write_text('{"map": 0.5, "ensemble": "sigmoid"}')
    check(as_read(build_report(read_predictions(file))), naive.report_of_several(file))


def second_of(labels, seed):
    return softmax(drawn(len(labels), int(labels.max()) + 1, seed, labels=labels, strength=0.7)[1])


@pytest.mark.parametrize(
    "name", ["random", "ties", "one video", "all right", "unreadable", "groups"]
)
def test_every_number_of_a_comparison(name, tmp_path):
    labels, scores, options = single(name)
    files = []
    for i, each in enumerate([scores, second_of(labels, 11), second_of(labels, 12)]):
        padded = np.zeros(scores.shape)
        padded[:, : each.shape[1]] = each
        files.append(write_csv(tmp_path / f"r{i}/test_predictions.csv", labels, padded, **options))
    runs = [read_predictions(file) for file in files]
    found = as_read(build_comparison(runs, names=["a", "b", "c"]))
    check(found, naive.comparison(files, ["a", "b", "c"]))
