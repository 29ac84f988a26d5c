import numpy as np

from tests.visualize.made_report import coverage, made_report
from timesformer.visualize.calibration_figures import (
    confidence_histogram,
    draw_coverage,
    draw_reliability,
)


def test_a_point_a_bin_before_and_after_the_temperature():
    found = made_report()["calibration"]
    axes, histogram = draw_reliability(found, made_report()["coverage"]).axes
    diagonal, after, before = axes.lines
    for line, bins in ((before, found["bins"]), (after, found["temperature"]["bins"])):
        np.testing.assert_allclose(line.get_xdata(), [100 * each["confidence"] for each in bins])
        np.testing.assert_allclose(line.get_ydata(), [100 * each["accuracy"] for each in bins])
    assert list(diagonal.get_ydata()) == [0, 100]
    assert sum(bar.get_height() for bar in histogram.patches) == 100


def test_without_a_temperature_there_is_one_curve_and_empty_bins_have_no_point():
    found = made_report()["calibration"] | {"temperature": None}
    found["bins"][2]["videos"] = 0
    axes, _ = draw_reliability(found, made_report()["coverage"]).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 14]


def test_the_histogram_is_that_of_the_confidences():
    rng = np.random.default_rng(0)
    confidences = np.append(rng.beta(4, 2, 150), [0.5] * 20)
    left, shares = confidence_histogram(coverage(confidences, np.ones(170, bool)))
    counts, edges = np.histogram(confidences, np.linspace(0, 1, 21))
    np.testing.assert_allclose(left, 100 * edges[:-1])
    np.testing.assert_allclose(shares, 100 * counts / 170, atol=1e-9)


def test_equal_confidences_are_one_bar():
    left, shares = confidence_histogram(coverage(np.ones(7), np.ones(7, bool)))
    assert (left[shares > 0], shares.sum()) == (95, 100)


def test_coverage_is_drawn_as_it_is():
    points = made_report()["coverage"]
    axes = draw_coverage(points).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [each["accuracy"] for each in points])
    assert axes.texts[-1].get_text() == f"{points[-1]['accuracy']:.1f}"
    assert max(axes.get_yticks()) <= 100
