"""What ``timesformer detect`` prints of each video."""

from timesformer.cli.detect_work import lines
from timesformer.detection.results import Detection


def test_segments_are_a_table_under_the_name_of_the_video():
    head, table, end = lines("film\x1b", 12.34, [Detection("long jump", 0.5, 1, 2.5)])
    assert head == "film\\x1b: 1 segment(s) in 12.3 s"
    assert [line.split() for line in table.splitlines()][-1] == [
        "1.00",
        "2.50",
        "0.500",
        "long",
        "jump",
    ]
    assert end == ""
    assert lines("film", 3, []) == ["film: 0 segment(s) in 3.0 s", ""]
