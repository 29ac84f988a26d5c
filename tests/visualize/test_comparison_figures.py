from tests.visualize.made_report import made_comparison
from timesformer.visualize.comparison_figures import draw_forest


def test_a_point_is_filled_where_the_interval_does_not_hold_zero():
    pairs = made_comparison()["pairs"]
    axes = draw_forest(pairs).axes[0]
    points = axes.lines[1:]
    assert [line.get_xdata()[0] for line in points] == [pair["difference"] for pair in pairs]
    filled = [line.get_markerfacecolor() == line.get_color() for line in points]
    assert filled == [pair["interval"][0] > 0 or pair["interval"][1] < 0 for pair in pairs]
    assert len(set(filled)) == 2
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"{pair['a']}\n− {pair['b']}" for pair in pairs]
