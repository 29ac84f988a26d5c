import pytest

from timesformer.tables import choose, format_table, markdown_table, seconds_text


def test_a_row_is_found_and_a_wrong_name_lists_the_rows():
    table = {"sgd": 1, "adamw": 2}
    assert choose(table, "adamw", key="K") == 2
    with pytest.raises(ValueError, match="K is 'adam'; choose one of sgd, adamw"):
        choose(table, "adam", key="K")


def test_columns_are_as_wide_as_their_widest_cells_and_a_rule_is_below_the_head():
    rows = [("run", "top-1 %"), ("\x1b[1m", 7.5), ("日本", "100")]
    assert format_table(rows, right=[1]).splitlines() == [
        "run      top-1 %",
        "-------  -------",
        "\\x1b[1m      7.5",
        "日本         100",
    ]


def test_parts_of_a_table_have_the_widths_that_are_given():
    assert format_table([("a", "b", "")], has_head=False, widths=[3, 2, 9]) == "a    b"


def test_markdown_keeps_bars_within_cells():
    assert markdown_table(
        [("run", "top-1 %"), ("a|b", 7.5), ("\x1b", "")], right=[1]
    ).splitlines() == [
        "| run | top-1 % |",
        "| --- | ---: |",
        "| a\\|b | 7.5 |",
        "| \\x1b |  |",
    ]


def test_times_are_readable():
    assert [seconds_text(s) for s in (4.4, 89, 90, 600, 7200)] == [
        "4 s", "89 s", "1.5 min", "10.0 min", "2.0 h"]  # fmt: skip
