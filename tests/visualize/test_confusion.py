import numpy as np

from timesformer.visualize.confusion import draw_histograms, draw_matrices

COUNTS = np.array([[4, 0, 0], [1, 2, 1], [0, 0, 0]])


def test_each_row_is_the_share_of_its_true_class_and_an_empty_one_is_zero():
    made = draw_matrices(COUNTS, "abc", size=(2, 2), subset=[1, 0], groups={"p": [1]})
    shown = {tag: f.axes[0].images[0].get_array().tolist() for tag, f in made.items()}
    assert shown == {
        "Confusion Matrix": [[1, 0, 0], [0.25, 0.5, 0.25], [0, 0, 0]],
        "Confusion Matrix Subset": [[2 / 3, 1 / 3], [0, 1]],
        "Confusion Matrices Grouped by Parent Classes/p": [[1]],
    }


def test_a_histogram_begins_with_the_most_frequent_prediction():
    (figure,) = draw_histograms(COUNTS, "abc", size=(2, 2), subset=[1], top=2).values()
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.25]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["b", "a"]
