"""Results are written, read as they were, and named where they are wrong."""

import json

import numpy as np
import pytest

from timesformer.detection.read_results import read_detections
from timesformer.detection.results import (
    Detection,
    ResultsError,
    detections_of,
    write_csv,
    write_results,
)

FOUND = {
    "a film": [Detection("long jump", 0.1 + 0.2, 1.25, 7.0), Detection("=run", -3.5, 0.0, 0.5)],
    "123": [Detection("run, fast", 1e-9, 2.0, 2.0)],
    "nothing": [],
}


def test_results_are_read_as_they_were(tmp_path):
    write_results(tmp_path / "r.json", FOUND, external_data={"model": "m.pyth"})
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["version"] == "VERSION 1.3"
    assert content["external_data"] == {"model": "m.pyth"}
    assert content["results"]["123"] == [{"label": "run, fast", "score": 1e-9, "segment": [2, 2]}]
    found = read_detections(tmp_path / "r.json")
    assert found.by_video() == FOUND
    assert found.videos == ("a film", "123", "nothing")
    assert found.times.dtype == np.float64
    assert len(found) == 3
    assert detections_of(FOUND).by_video() == FOUND


def test_a_csv_is_read_as_it_was(tmp_path):
    write_csv(tmp_path / "r.csv", FOUND)
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines[:2] == [
        "video,label,score,start,end",
        "a film,long jump,0.30000000000000004,1.25,7.0",
    ]
    assert lines[2].startswith("a film,'=run,")
    found = read_detections(tmp_path / "r.csv").by_video()
    assert found == {name: rows for name, rows in FOUND.items() if rows}


def test_a_folder_is_its_results_files(tmp_path):
    for name, rows in FOUND.items():
        write_results(tmp_path / f"{name}.json", {name: rows})
    (tmp_path / "manifest.json").write_text('{"videos": 3}')
    assert read_detections(tmp_path).by_video() == FOUND
    write_results(tmp_path / "z.json", {"123": []})
    with pytest.raises(ResultsError, match="z.json: 123 is in .*123.json too; remove one"):
        read_detections(tmp_path)


TEXTS = {
    "": "r.json is empty; detect again",
    "{": "r.json is not JSON",
    '{"database": {}}': 'no entry "results"; results are {"results"',
    '{"results": {"a": 3}}': "a has 3, which is not a detection",
    '{"results": {"a": [3]}}': "a has 3, which is not a detection",
    '{"results": {"a": [{"score": 1, "segment": [1, 2]}]}}': "which is not a detection",
    '{"results": {"a": [{"label": 1, "score": 1, "segment": [1, 2]}]}}': "which is not a detection",
    '{"results": {"a": [{"label": "x", "score": "1", "segment": [1, 2]}]}}': "which is not a detec",
    '{"results": {"a": [{"label": "x", "score": true, "segment": [1, 2]}]}}': "which is not a detec",
    '{"results": {"a": [{"label": "x", "score": 1, "segment": [1]}, '
    '{"label": "x", "score": 1, "segment": [1, 2, 3]}]}}': "'segment': [1]}, which is not a detection",
    '{"results": {"a": [{"label": "x", "score": 1, "segment": "12"}]}}': "which is not a detection",
    '{"results": {"a": [{"label": "x", "score": NaN, "segment": [1, 2]}]}}': "a has x with the score "
    "nan from 1 to 2 s, as 1 of 1 detections; scores and times are finite",
    '{"results": {"a": [{"label": "x", "score": 1, "segment": [1, Infinity]}]}}': "from 1 to inf s",
    '{"results": {"a": [{"label": "x", "score": 1, "segment": [2, 1]}]}}': "from 2 to 1 s, which ends "
    "before it starts",
}


@pytest.mark.parametrize("text", TEXTS)
def test_files_that_are_no_results_are_named(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ResultsError) as caught:
        read_detections(tmp_path / "r.json")
    assert TEXTS[text] in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ResultsError, match="no such file or folder"):
        read_detections(tmp_path / "none")
    with pytest.raises(ResultsError, match="no results in this folder"):
        read_detections(tmp_path)
    (tmp_path / "r.csv").write_text("video,label,score\n")
    with pytest.raises(ResultsError, match="no column start in its first line"):
        read_detections(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("video,label,score,start,end\na,x,1,2,3\na,x,1,2\n")
    with pytest.raises(ResultsError, match="line 3 has no numbers for score, start and end"):
        read_detections(tmp_path / "r.csv")


def test_detections_are_checked_wherever_they_are_from():
    with pytest.raises(ResultsError, match="^m: a has x with the score nan"):
        detections_of({"a": [Detection("x", float("nan"), 1, 2)]}, origin="m")
