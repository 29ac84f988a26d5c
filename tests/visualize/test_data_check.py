"""The page holds everything, escapes what it is given, and needs no other file."""

import re
from html.parser import HTMLParser

from tests.visualize.test_page import OTHER_FILES
from timesformer.datasets.checks.listing import Problem
from timesformer.datasets.checks.problems import CheckReport, count_kinds
from timesformer.visualize import data_check

HISTOGRAM = {0: {"train": 8, "val": 2}, 1: {"train": 4}}


def problem(line, video="a.mp4"):
    return Problem("missing", "train.csv", line, video, "0", "no such file")


def render(problems=(), histogram=HISTOGRAM, strips=None):
    report = CheckReport(list(problems), histogram, 2)
    return data_check.render_data_check(report, [("files", "10")], strips or {})


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "img", "input", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else():
    text = render([problem(1)], strips={0: ("a.mp4", b"\xff\xd8")})
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert not OTHER_FILES.search(text)
    assert 'src="data:image/jpeg;base64,/9g="' in text
    assert "1 class(es) are not shown" in text
    assert '<td class="key">files</td><td>10</td>' in text
    assert "train.csv:1" in text


def test_bars_are_as_long_as_the_counts():
    widths = re.findall(r'class="bar" style="width:([\d.]+)%', render())
    assert [float(width) for width in widths] == [100, 25, 50]


def test_names_are_escaped_even_if_they_are_no_utf8():
    text = render([problem(1, "<b>&\udcff.mp4")])
    assert r"&lt;b&gt;&amp;\udcff.mp4" in text
    text.encode("utf-8")


def test_a_page_without_problems_says_so():
    assert "<p>None.</p>" in render()


def test_long_lists_are_cut_and_say_so(monkeypatch):
    monkeypatch.setattr(data_check, "MOST_PROBLEMS", 3)
    monkeypatch.setattr(data_check, "MOST_CLASSES", 1)
    text = render([problem(i) for i in range(5)])
    assert "2 more in report.csv." in text
    assert "1 more classes." in text


def test_kinds_are_counted_gravest_first():
    short = problem(2)._replace(kind="too short")
    assert count_kinds([short, problem(1), short]) == [("missing", 1), ("too short", 2)]


def test_classes_have_their_names_beside_their_labels():
    found = CheckReport([], {0: {"train": 1}, 7: {"train": 1}}, 8)
    text = data_check.render_data_check(found, [], {0: ("a.mp4", b"")}, ("a\x1b<b>",))
    assert text.count('<td class="n">0 a\\x1b&lt;b&gt;</td>') == 2
    assert '<td class="n">7</td>' in text
