"""Pages hold every number of their report, escape names and need no other file."""

import re
from html.parser import HTMLParser

import pytest

from tests.visualize.made_report import made_comparison, made_frames, made_report
from tests.visualize.test_page import OTHER_FILES
from timesformer.visualize.gallery import shown_videos
from timesformer.visualize.report_page import render_comparison, render_report

REPORT, COMPARISON = made_report(), made_comparison()
LARGE = made_report(400, 4000)
VOID = {"meta", "link", "img", "input", "option", "br", "path", "use", "line"}


class Structure(HTMLParser):
    """Open tags, the text outside scripts and styles, and the identifiers."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.ids, self.links = [], [], [], []
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "img":
            assert attrs["alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)


@pytest.mark.parametrize(
    "page",
    [render_report(REPORT), render_report(LARGE), render_comparison(COMPARISON)],
    ids=["report", "large report", "comparison"],
)
def test_a_page_is_whole_and_needs_nothing_else(page):
    structure = Structure(page)
    assert structure.open == []
    assert len(set(structure.ids)) == len(structure.ids)
    assert not OTHER_FILES.search(page)
    for link in structure.links:
        if link.startswith("#"):
            assert link[1:] in structure.ids


def test_a_report_is_the_same_bytes_every_time():
    frames = made_frames(shown_videos(REPORT))
    assert render_report(REPORT, frames) == render_report(made_report(), frames)
    assert render_comparison(COMPARISON) == render_comparison(made_comparison())


def test_the_headline_has_every_metric_with_its_interval():
    text = Structure(render_report(REPORT)).text
    for name, title in [("top1", "top-1"), ("top5", "top-5"), ("mean_class", "mean class"),
                        ("macro_f1", "macro F1")]:  # fmt: skip
        found = REPORT["accuracy"][name]
        low, high = found["interval"]
        assert f"{title} {found['value']:.1f} {low:.1f} to {high:.1f}" in text
    assert f"chance, {REPORT['accuracy']['chance']['value']:.1f}" in text
    top1 = REPORT["accuracy"]["top1"]
    wrong, right = top1["if_unreadable_wrong"], top1["if_unreadable_right"]
    assert f"4 of 404 videos could not be read; the numbers are those of the others. With these all wrong or all right: top-1 {wrong:.1f} to {right:.1f}" in text  # fmt: skip # noqa: E501


def test_every_class_has_a_row_the_lowest_first():
    rows = re.findall(r'<tr data-text="([^"]*)"', render_report(REPORT))
    expected = sorted(REPORT["per_class"], key=lambda row: row["accuracy"])
    assert [row.replace("&lt;", "<").replace("&gt;", ">") for row in rows] == [
        row["name"] for row in expected
    ]


def test_a_small_matrix_is_a_table_in_the_clustered_order():
    page = render_report(REPORT)
    table = page[page.index('<table class="heat">') :]
    body = table[table.index("<tbody>") : table.index("</table>")]
    cells = re.findall(r"<td[^>]*>(\d*)</td>", body)
    order, counts = REPORT["confusion_order"], REPORT["confusion"]
    assert [int(cell or 0) for cell in cells] == [counts[k][p] for k in order for p in order]
    assert 'id="matrix-data"' not in page


def test_a_large_matrix_is_data_that_cannot_end_its_script():
    names = [f"{label}</script>" for label in range(21)]
    report = made_report(21, 400)
    report["classes"]["names"] = names
    page = render_report(report)
    data = page[page.index('id="matrix-data">') :]
    data = data[: data.index("</script>")]
    assert "20\\u003c/script\\u003e" in data
    assert page.count("</script>") == 2


def test_names_are_escaped():
    page = render_report(REPORT)
    assert "<both>" not in page
    assert "waving &lt;both&gt; hands" in page


def test_a_limited_test_says_so_before_any_number():
    report = made_report()
    report["run"]["limited"] = "10 of 400 videos"
    text = Structure(render_report(report)).text
    assert text.index("LIMITED to 10 of 400 videos: the numbers are of a part") < text.index(
        "top-1 accuracy"
    )


def test_a_file_that_names_no_videos_says_so():
    report = made_report()
    report["run"]["has_paths"] = False
    text = Structure(render_report(report)).text
    assert "The file names no videos: they are called by their rows, and have no frames." in text


def test_parts_that_are_null_are_left_out():
    page = render_report(
        made_report(
            calibration=None,
            views=None,
            validation=None,
            training_frequency=None,
            coverage=[],
            confused_pairs=[],
            gallery={"confident_errors": [], "least_certain": [], "mislabelled": []},
        )
    )
    for text in ("Confidence</h2>", "Views</h2>", "Validation and test<", ">trained on<"):
        assert text not in page
    assert "No video got a wrong class." in page
    assert page.count(">None.<") == 3


def test_several_labels_have_average_precision_in_place_of_accuracy():
    report = made_report(task="multi_label", confusion=[], confusion_order=[], confused_pairs=[])
    report["accuracy"] = {"map": {"value": 31.25, "interval": [30.0, 33.0], "method": "bootstrap"}}
    for row in report["per_class"]:
        row |= {"average_precision": 40.0 + row["label"], "accuracy": None}
    text = Structure(render_report(report)).text
    assert "mAP 31.2 % 95 % interval 30.0 to 33.0" in text.replace("mAP  ", "mAP ")
    assert "40.0" in text
    assert "most confused with" not in text


def test_a_class_without_videos_comes_last_and_has_a_dash():
    report = made_report()
    report["per_class"][3] |= {"support": 0, "accuracy": None, "interval": None}
    report["classes"]["with_videos"] = 7
    page = render_report(report)
    assert re.findall(r'<tr data-text="([^"]*)"', page)[-1] == "long jump"
    assert "1 of 8 classes have no video in this test." in page


def test_videos_without_frames_are_counted_once_and_shown_by_name():
    paths = list(shown_videos(REPORT))
    some = render_report(REPORT, made_frames(paths[2:]))
    assert "2 of these videos could not be read and are shown by name." in some
    none = render_report(REPORT)
    assert "No frames were read, so the videos are shown by name." in none
    assert REPORT["gallery"]["confident_errors"][0]["path"] in none


def test_a_comparison_has_every_pair_and_run():
    text = Structure(render_comparison(COMPARISON)).text
    for pair in COMPARISON["pairs"]:
        assert pair["verdict"] in text
        low, high = (f"{end:.2f}".replace("-", "−") for end in pair["interval"])
        names = ("p_holm", "mcnemar_p_holm")
        assert f"{low} to {high} {' '.join(f'{pair[name]:.2g}' for name in names)}" in text
        assert f"{pair['both']} {pair['only_a']} {pair['only_b']} {pair['neither']}" in text
    for run in COMPARISON["runs"]:
        assert f"{run['name']} {run['folder']} {run['accuracy']['top1']['value']:.2f}" in text
    assert "3 videos of spaceOnly_8x32 are not in every run and left out." in text
    assert "a, a-2 2 71.20 69.20 to 73.20 0.80" in text
    assert "+3.20 points, 95 % interval 0.40 to 6.00; Welch's t of 2 and 2 seeds, p = 0.03." in text


def test_a_comparison_has_the_change_of_each_class():
    row = COMPARISON["per_class"][1]
    a, b, _ = row["accuracies"]
    text = Structure(render_comparison(COMPARISON)).text
    assert f"high jump {row['support']} {a:.1f} {b:.1f} {b - a:+.1f}".replace("-", "−") in text


def test_a_large_page_has_at_most_five_megabytes():
    report = made_report(400, 19796)
    frames = {path: [bytes(12_000)] * 4 for path in shown_videos(report)}
    assert 3e6 < len(render_report(report, frames).encode()) < 5e6


def test_flips_that_are_not_shown_are_counted():
    page = render_comparison(made_comparison(8, 2000, num_runs=4))
    assert page.count("27 more in compare.json.") == 12
    assert page.count("<li data-text") == 12 * 13


def test_a_name_cannot_turn_the_direction_of_writing():
    report = made_report(21, 300)
    report["classes"]["names"][0] = report["per_class"][0]["name"] = "a\u202eb"
    page = render_report(report)
    assert "\u202e" not in page
    assert page.count("a\\u202eb") >= 3


def test_the_p_values_of_one_pair_are_not_adjusted():
    comparison = made_comparison(num_runs=2)
    comparison["pairs"][0] |= {
        "p": 0.0123,
        "mcnemar_p": 0.0456,
        "p_holm": 0.7,
        "mcnemar_p_holm": 0.8,
    }
    text = Structure(render_comparison(comparison)).text
    assert "0.012 0.046" in text
    assert "adjusted" not in text


def test_one_video_is_no_videos():
    report = made_report()
    report["videos"]["scored"] = report["calibration"]["temperature"]["videos"] = 1
    text = Structure(render_report(report)).text
    assert "1 video, 8 classes" in text
    assert " 1 video. " in text
    assert "Each point is one of 15 bins of equally many videos" in text
    assert not re.search(r"\b1 (videos(?!/)|classes|groups|views)\b", text)


def test_the_run_that_changes_are_against_is_named():
    rows = [row | {"change": {"accuracy": 1.5}} for row in REPORT["per_class"]]
    against = {"run": REPORT["run"] | {"against": "<other>"}, "per_class": rows}
    text = Structure(render_report(REPORT | against)).text
    assert "the lowest first. The change is in points, against <other>." in text
    assert "The change is in points" not in Structure(render_report(REPORT)).text
