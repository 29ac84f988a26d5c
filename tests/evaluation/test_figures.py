import json

import numpy as np
import pytest

from timesformer.config import ConfigError, load_config
from timesformer.evaluation.figures import build_figures

SCORES, TRUE = 3.0 * np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 1, 2])


@pytest.fixture
def config(tiny_yaml):
    def config(**board):
        keys = {"ENABLE": 1, "CONFUSION_MATRIX.ENABLE": 1, "HISTOGRAM.ENABLE": 1, **board}
        pairs = [str(x) for key, value in keys.items() for x in (f"TENSORBOARD.{key}", value)]
        return load_config(tiny_yaml, pairs)

    return config


def test_the_matrix_shows_the_share_of_each_true_class(config):
    made = build_figures(config())(SCORES, TRUE)
    image = made["Confusion Matrix"].axes[0].images[0].get_array()
    assert image.tolist() == [[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]]
    bars = made["Top 10 predictions by classes/1"].axes[0].patches
    assert [bar.get_height() for bar in bars] == [0.5, 0.5, 0]


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("CLASS_NAMES_PATH", '{"a": 3}', "class 'a' has id 3, but MODEL.NUM_CLASSES is 3"),
        ("CLASS_NAMES_PATH", "[1", "is not a JSON object"),
        ("CLASS_NAMES_PATH", "3", "is not a JSON object"),
        ("CONFUSION_MATRIX.SUBSET_PATH", "zebra\n", "'zebra' is not a class"),
        ("CATEGORIES_PATH", '{"p": ["zebra"]}', "'zebra' is not a class"),
    ],
)
def test_files_that_cannot_be_used_are_named(config, tmp_path, key, text, message):
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        build_figures(config(**{key: path}))(SCORES, TRUE)


def test_missing_files_are_named(config):
    with pytest.raises(ConfigError, match=r"TENSORBOARD file gone\.json cannot be read"):
        build_figures(config(CLASS_NAMES_PATH="gone.json"))(SCORES, TRUE)


def test_names_come_from_the_file(config, tmp_path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"a": 0, "b": 1, "c": 2}))
    made = build_figures(config(CLASS_NAMES_PATH=path))(SCORES, TRUE)
    labels = [tick.get_text() for tick in made["Confusion Matrix"].axes[0].get_xticklabels()]
    assert labels == ["a", "b", "c"]


def test_a_report_is_drawn_by_the_functions_of_reports(config):
    board = {"CONFUSION_MATRIX.ENABLE": 0, "HISTOGRAM.ENABLE": 0, "REPORT.ENABLE": 1}
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(90, 3)).astype(np.float32), rng.integers(0, 3, 90)
    made = build_figures(config(**board))(scores, labels)
    names = ["accuracy", "per_class", "confusion", "reliability", "coverage"]
    assert list(made) == [f"Report/{name}" for name in names]
    right = labels == scores.argmax(axis=1)
    bars = [bar.get_width() for bar in made["Report/accuracy"].axes[0].patches]
    assert bars[0] == pytest.approx(100 * right.mean())
    classes = [bar.get_width() for bar in made["Report/per_class"].axes[0].patches]
    assert classes == pytest.approx(sorted(100 * right[labels == k].mean() for k in range(3)))
    confidence = np.exp(scores).max(axis=1) / np.exp(scores).sum(axis=1)
    points = made["Report/reliability"].axes[0].lines[-1]
    assert np.mean(points.get_xdata()) == pytest.approx(100 * confidence.mean())
    assert np.mean(points.get_ydata()) == pytest.approx(100 * right.mean())


def test_several_labels_have_figures_of_a_report_too(config):
    board = {"CONFUSION_MATRIX.ENABLE": 0, "HISTOGRAM.ENABLE": 0, "REPORT.ENABLE": 1}
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (40, 3)).astype(np.float32)
    made = build_figures(config(**board))(rng.normal(size=(40, 3)), labels)
    assert list(made) == ["Report/accuracy", "Report/per_class"]


def test_without_figures_their_files_are_not_read(config):
    board = {"CONFUSION_MATRIX.ENABLE": 0, "HISTOGRAM.ENABLE": 0, "CLASS_NAMES_PATH": "gone.json"}
    assert build_figures(config(**board)) is None
    assert build_figures(config(ENABLE=0, CLASS_NAMES_PATH="gone.json")) is None
