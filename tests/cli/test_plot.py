"""The plot command in this process."""

from functools import partial

import cv2
import pytest

from tests.evaluation.test_curves import table


@pytest.fixture
def plot(run_here):
    return partial(run_here, "plot")


def test_runs_become_a_picture_in_a_new_folder(plot, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        table(tmp_path / name)
    out = tmp_path / "pictures/curves.png"
    status, said, _ = plot(tmp_path / "one", tmp_path / "two", "--out", out)
    assert (status, said) == (0, f"{out}: one, two\n")
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 1000
    assert picture.std() > 5


def test_bad_input_is_one_line(plot, tmp_path):
    status, _, said = plot(tmp_path / "gone")
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("timesformer plot: error: ")
    status, _, said = plot(tmp_path, "--out", "x.svg")
    assert status == 2
    assert "--out is x.svg, but the picture is a PNG; end the name with .png" in said
    table(tmp_path)
    status, _, said = plot(tmp_path, "--out", tmp_path / "metrics.csv" / "x.png")
    assert status == 2
    assert "error: " in said
