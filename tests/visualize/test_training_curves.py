"""A line a run in each panel, and the names of runs that lack one."""

import math

import pytest

from timesformer.visualize.training_curves import Curves, draw_curves, smooth


def test_smoothing_is_a_weighted_mean_of_the_values_so_far():
    values = [4.0, 1.0, 7.0, 2.0]
    keep = 1 - 2 / (3 + 1)
    for n, found in enumerate(smooth(values, 3), start=1):
        weights = [keep ** (n - 1 - i) for i in range(n)]
        expected = sum(w * v for w, v in zip(weights, values, strict=False)) / sum(weights)
        assert found == pytest.approx(expected)
    assert smooth([5.0] * 9, 4) == pytest.approx([5.0] * 9)
    assert smooth(values, 1) == values


def test_the_picture_has_a_line_a_run_and_says_what_is_missing(tmp_path):
    epochs = [0.5, 1.0, 1.5, 2.0]
    constant = [(epoch, 0.1) for epoch in epochs]
    first = Curves("first", "top-1", [(0.5, 3.0), (1.0, 3.0), (1.5, 1.5), (2.0, 1.5)], constant,
                   [(1.0, 60.0), (2.0, 60.0)], constant)  # fmt: skip
    second = Curves("second", "top-1", [(0.5, 3.0), (1.0, 0.5)], constant[:2], [], [])
    figure = draw_curves([first, second])
    loss, scores, _, speed = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "training loss", "validation top-1, %", "learning rate", "clips / s",
    ]  # fmt: skip
    drawn = [list(line.get_xdata()) for line in loss.lines]
    assert drawn == [epochs] * 2 + [[0.5, 1]] * 2
    assert list(loss.lines[0].get_ydata()) == [3, 3, 1.5, 1.5]
    assert list(scores.lines[0].get_ydata()) == [60, 60]
    assert loss.get_yscale() == "linear"
    assert [t.get_text() for t in figure.legends[0].texts] == [
        "first: best 60.00 % at epoch 1", "second",
    ]  # fmt: skip
    assert speed.get_title(loc="right") == "not in the files of second"
    assert not math.isnan(speed.get_ylim()[0])
    figure.savefig(tmp_path / "x.png")


def test_a_loss_that_goes_to_zero_is_drawn_on_a_logarithmic_scale():
    loss = [(step / 4, 10.0**-step) for step in range(1, 9)]
    figure = draw_curves([Curves("falling", "top-1", loss, [], [], [])])
    assert figure.axes[0].get_yscale() == "log"
