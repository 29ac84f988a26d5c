"""Thresholds as they are written on the command line."""

import pytest

from timesformer.detection.thresholds import ThresholdError, parse_tious


@pytest.mark.parametrize(
    ("text", "tious"),
    [
        ("0.3:0.7:0.1", (0.3, 0.4, 0.5, 0.6, 0.7)),
        ("0.5:0.95:0.05", (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)),
        ("0.5", (0.5,)),
        ("0.5,0.25,0.5", (0.25, 0.5)),
        ("0.3:0.65:0.1", (0.3, 0.4, 0.5, 0.6)),
        ("1", (1.0,)),
    ],
)
def test_the_last_one_is_included(text, tious):
    assert parse_tious(text) == tious


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("half", "are 'half'; write first:last:step, as 0.3:0.7:0.1, or numbers with commas"),
        ("0.3:0.7", "write first:last:step"),
        ("nan", "write first:last:step"),
        ("", "write first:last:step"),
        ("0.7:0.3:0.1", "are none, or more than 100"),
        ("0.3:0.7:0", "are none, or more than 100"),
        ("0.3:0.7:0.0001", "are none, or more than 100"),
        ("0:0.5:0.1", "must be above 0 and at most 1"),
        ("50", "must be above 0 and at most 1"),
    ],
)
def test_others_are_named(text, message):
    with pytest.raises(ThresholdError, match=message):
        parse_tious(text)
