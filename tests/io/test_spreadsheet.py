"""Cells of CSV that people open: no formula, numbers as they are, and back again."""

import csv
import io

import pytest

from timesformer.io.spreadsheet import original, safe, safe_row


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-v.mp4", "'-v.mp4"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'single'.mp4", "''single'.mp4"),
        ("''=1", "'''=1"),
        ("-0.125", "-0.125"),
        ("-1e-05", "-1e-05"),
        ("-inf", "-inf"),
        ("\t1", "'\t1"),
        ("3;7", "3;7"),
        ("a=b.mp4", "a=b.mp4"),
        ("", ""),
    ],
)
def test_a_name_is_never_a_formula_and_comes_back(text, cell):
    assert safe(text) == cell
    assert original(cell) == text
    file = io.StringIO(newline="")
    csv.writer(file).writerow(safe_row([text, -1, 2.5]))
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert [original(row[0]), *row[1:]] == [text, "-1", "2.5"]
