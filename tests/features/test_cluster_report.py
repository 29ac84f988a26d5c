"""Numbers and lines of clusters are those of the clusters; the files hold every video once."""

import csv
import json

import numpy as np
import pytest

from tests.features.made import made_cluster_report, made_features
from timesformer.features.cluster_output import write_clusters
from timesformer.features.cluster_report import cluster_lines, cluster_report
from timesformer.features.clusters import against_labels, by_kmeans
from timesformer.features.compare import DISTANCES
from timesformer.features.feature_set import FeaturesError


def report_of(made, clusters=None, group="auto", distance="cosine"):
    comparison = DISTANCES[distance].build(made, None, lambda rows, _: rows)
    return cluster_report(made, comparison, clusters=clusters, seed=0, group=group)


def test_the_numbers_are_those_of_the_clusters():
    made = made_features((4, 5, 6), noise=1.0)
    report = report_of(made)
    found = by_kmeans(made.vectors(), 3, seed=0)
    scores = against_labels(found.codes, made.labels, None, seed=0)
    for name in ("v_measure", "adjusted_rand", "accuracy", "chance"):
        assert report["scores"][name] == getattr(scores, name)
    assert report["scores"]["interval"] == [scores.interval.low, scores.interval.high]
    for code, cluster in enumerate(report["clusters"]):
        inside = np.flatnonzero(found.codes == code)
        assert cluster["cluster"] == code + 1
        assert {each["path"] for each in cluster["members"]} == {made.paths[i] for i in inside}
        distances = [each["distance"] for each in cluster["members"]]
        assert distances == sorted(found.distances[inside])
        assert sum(each["videos"] for each in cluster["classes"]) == cluster["videos"]
        assert cluster["label"] == scores.class_of.get(code)


def test_the_lines_say_what_is_in_each_cluster():
    report = report_of(made_features((4, 5, 6), noise=0.1))
    lines = cluster_lines(report, "cls tokens")
    assert lines[0] == "15 videos of 3 classes in 3 clusters; cls tokens"
    text = "\n".join(lines)
    assert "accuracy       100.00 %  95 % interval 79.61 .. 100.00" in text
    assert "      1       6  name 2  6 name 2" in text


def test_videos_without_labels_are_clustered_without_scores():
    made = made_features((4, 5))
    unlabelled = made._replace(labels=np.full(9, -1))
    report = report_of(unlabelled, 2)
    assert (report["scores"], report["classes"]) == (None, None)
    assert [each["videos"] for each in report["clusters"]] == [5, 4]
    assert cluster_lines(report, "x")[0] == "9 videos in 2 clusters; x"
    with pytest.raises(
        FeaturesError, match=r"made.npz: not all videos have labels, so say --clusters K"
    ):
        report_of(unlabelled)
    with pytest.raises(
        FeaturesError, match=r"made.npz has 9 videos .* too few for --clusters 10; lower it"
    ):
        report_of(made, 10)


def test_orders_of_frames_are_clustered_by_dtw():
    pytest.importorskip("dtaidistance", reason="needs dtaidistance (the extra dtw)")
    made = made_features((8,), noise=0.05, frames=4)
    values = made.values.copy()
    values[5:] = values[5:, ::-1]
    labels = np.repeat([0, 1], [5, 3])
    report = report_of(made._replace(values=values, labels=labels), distance="dtw")
    assert report["scores"]["accuracy"] == 1


def test_the_files_hold_every_video_once(tmp_path):
    report = made_cluster_report()
    page = write_clusters(tmp_path / "out", report, with_frames=False)
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "out/clusters.json").read_text()) == report
    with (tmp_path / "out/clusters.csv").open() as file:
        rows = list(csv.DictReader(file))
    listed = [(c["cluster"], m["path"]) for c in report["clusters"] for m in c["members"]]
    assert [(int(row["cluster"]), row["path"]) for row in rows] == listed
    [timed] = [row for row in rows if row["path"] == "<i>x</i>.mp4"]
    assert (timed["start"], timed["end"], timed["name"]) == ("0.5", "2.25", "jump <b>high</b>")


def test_pictures_of_videos_that_can_be_read_are_in_the_page(tmp_path, numbered_video):
    path = str(numbered_video(30))
    made = made_features((2, 2))
    paths = (path, path, *made.paths[2:])
    report = report_of(made._replace(paths=paths), group="none") | {"settings": ""}
    page = write_clusters(tmp_path / "out", report, with_frames=True).read_text()
    assert page.count("data:image/jpeg") == 6  # three frames of both parts of the file
