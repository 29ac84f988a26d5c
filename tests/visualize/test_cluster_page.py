"""The page of clusters shows the numbers of its dictionary, and no more videos than a page bears."""

import pytest

from tests.features.made import made_cluster_report
from timesformer.visualize.cluster_page import render_clusters, shown_members


@pytest.fixture(scope="module")
def report():
    return made_cluster_report()


@pytest.fixture(scope="module")
def page(report):
    return render_clusters(report)


def test_the_numbers_are_there(report, page):
    scores = report["scores"]
    assert f'<p class="big">{scores["v_measure"]:.3f}</p>' in page
    low, high = scores["interval"]
    assert f"{100 * low:.1f} to {100 * high:.1f}" in page
    for cluster in report["clusters"]:
        assert f'<h3 id="cluster-{cluster["cluster"]}">' in page
    for cluster in report["clusters"]:
        for each in cluster["members"]:
            assert f"{each['distance']:.3f} from the middle" in page
    assert "0.5 to 2.2 s" in page


def test_names_are_escaped(page):
    assert "<i>x</i>" not in page
    assert "<b>high</b>" not in page
    assert "jump &lt;b&gt;high&lt;/b&gt;" in page


def test_the_table_counts_the_classes_of_a_cluster(report, page):
    table = page.split('<table class="heat">')[1].split("</table>")[0]
    rows = table.split("<tr>")[2:]
    for row, cluster in zip(rows, report["clusters"], strict=True):
        cells = [cell.split(">")[1] for cell in row.split("<td")[1:]]
        counts = sorted(int(cell.split("<")[0]) for cell in cells if cell.split("<")[0])
        assert counts == sorted(each["videos"] for each in cluster["classes"])


def test_parts_of_one_file_have_pictures_of_their_own(report):
    shown = [each for rows in shown_members(report).values() for each in rows]
    names = [each["path"] for each in shown if each["source"] == "whole.mp4"]
    assert sorted(names) == ["whole.mp4", "whole.mp4 (2)"]
    page = render_clusters(report, {"whole.mp4 (2)": [b"picture"]})
    assert page.count("data:image/jpeg") == 1


def test_many_videos_and_clusters_are_shortened():
    report = made_cluster_report((60, 3))
    shown = shown_members(report)
    assert [len(rows) for rows in shown.values()] == [
        min(cluster["videos"], 24) for cluster in report["clusters"]
    ]
    left = report["clusters"][0]["videos"] - 24
    assert f"{left} videos more in" in render_clusters(report)
    many = {**report, "clusters": report["clusters"] * 100}
    assert max(len(rows) for rows in shown_members(many).values()) <= 2 * 4 * 100


def test_without_labels_there_are_no_scores(report):
    bare = {**report, "scores": None, "classes": None}
    bare["clusters"] = [
        {**each, "classes": [], "label": None, "name": None} for each in report["clusters"]
    ]
    page = render_clusters(bare)
    assert "v-measure" not in page
    assert 'class="heat"' not in page
