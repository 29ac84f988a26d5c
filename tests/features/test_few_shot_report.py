"""Numbers and lines of a few-shot test are those of its parts."""

import pytest

from tests.features.made import made_features
from timesformer.features.compare import DISTANCES
from timesformer.features.episodes import classes_of
from timesformer.features.few_shot import by_prototypes, few_shot
from timesformer.features.few_shot_report import few_shot_lines, few_shot_report

SETTINGS = {"ways": 3, "queries": 5, "episodes": 40, "seed": 2}


def report_of(made, distance="cosine", **settings):
    comparison = DISTANCES[distance].build(made, None, lambda rows, _: rows)
    return few_shot_report(
        made, comparison, **(SETTINGS | {"shots": [1, 2], "group": "auto"} | settings)
    )


def test_the_numbers_are_those_of_the_episodes():
    made = made_features((4, 5, 6), noise=1.0)
    report = report_of(made)
    _, classes = classes_of(made.labels, None)
    for row in report["shots"]:
        found = few_shot(classes, by_prototypes(made.vectors()), shots=row["shots"], **SETTINGS)
        assert row["accuracy"] == found.accuracy
        assert row["interval"] == [found.interval.low, found.interval.high]
        for number, each in zip(found.per_class, report["per_class"], strict=True):
            assert each["shots"][str(row["shots"])]["accuracy"] == number.accuracy
    assert report["nearest_neighbour"]["chance"] == pytest.approx(1 / 3)
    rights = sum(row["videos"] * row["nearest_neighbour"] for row in report["per_class"])
    assert report["nearest_neighbour"]["accuracy"] == pytest.approx(rights / 15)


def test_the_lines_show_the_lowest_class_first():
    report = report_of(made_features((4, 5, 6), noise=1.0))
    lines = few_shot_lines(report, "cls tokens, cosine")
    text = "\n".join(lines)
    assert lines[0] == "15 videos of 3 classes; cls tokens, cosine"
    assert lines[1] == "40 episodes of 3 classes, at most 5 queries of each, seed 2"
    accuracy, (low, high) = report["shots"][1]["accuracy"], report["shots"][1]["interval"]
    assert (
        f"3-way 2-shot          {100 * accuracy:.2f}  {100 * low:.2f} .. {100 * high:.2f}" in text
    )
    table = text.split("class   ")[1].splitlines()[2:]
    shares = [float(line.split()[3]) for line in table]
    assert shares == sorted(shares)


def test_groups_are_passed_over():
    made = made_features((4, 4, 4), noise=1.0)
    paths = tuple(f"v_Class{i // 4}_g{i // 2:02d}_c{i % 2}.avi" for i in range(12))
    report = report_of(made._replace(paths=paths), shots=[1])
    assert report["groups"] == {"by": "ucf101", "number": 6}
    assert few_shot_lines(report, "x")[0] == "12 videos in 6 groups (ucf101) of 3 classes; x"
    assert report_of(made._replace(paths=paths), shots=[1], group="none")["groups"]["by"] is None


def test_dtw_of_frames_tells_orders_apart_that_vectors_cannot():
    """Classes whose frames are the same, in another order."""
    pytest.importorskip("dtaidistance", reason="needs dtaidistance (the extra dtw)")
    made = made_features((6,), noise=0.05, frames=4)
    values = made.values.copy()
    values[3:] = values[3:, ::-1]
    labels = made.labels.copy()
    labels[3:] = 1
    made = made._replace(values=values, labels=labels)
    assert report_of(made, "dtw", ways=2, shots=[1])["shots"][0]["accuracy"] == 1
    assert report_of(made, ways=2, shots=[1])["shots"][0]["accuracy"] < 0.9
