"""The figure of a training has the curves that the run has."""

from timesformer.visualize.training_figure import draw_training


def test_a_panel_for_each_curve():
    loss, validation = [[0.5, 2.0], [1.0, 1.0]], [[1, 40.0]]
    figure = draw_training({"metric": "top1", "loss": loss, "validation": validation})
    left, right = figure.axes
    assert left.lines[0].get_xydata().tolist() == loss
    assert right.lines[0].get_xydata().tolist() == validation
    assert (left.get_ylabel(), right.get_ylabel()) == ("training loss", "validation top-1, %")
    (only,) = draw_training({"metric": "map", "loss": [], "validation": validation}).axes
    assert only.get_ylabel() == "validation mAP, %"
