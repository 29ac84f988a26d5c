"""Lines of watch become a stream, and what is wrong is named with file and line."""

import json

import numpy as np
import pytest

from tests.detection.online_evaluation.made import made_scores, made_truth, stream_rows, write_rows
from timesformer.detection.online_evaluation.read_lines import read_lines, source_name
from timesformer.detection.online_evaluation.streams import StreamError


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    return made_scores(rng, made_truth(rng)["database"]["v0"])


@pytest.fixture
def rows(made):
    return list(stream_rows("/videos/film.mp4", *made, skipped={3, 4}, speed=2.0))


def test_windows_scores_and_delays_are_read(tmp_path, made, rows):
    windows, scores = made
    start = {"timeline": 0, "label": "run", "start": 1.0, "known_at": 3.0, "latency": 0.5}
    rows[5:5] = [{"kind": "start", **start}, {"kind": "withdrawn", **start}]
    rows[8] |= {"probability": None}  # a window that could not be read
    rows.append({"kind": "source", "what": "lost", "at": None})
    stream = read_lines(write_rows(tmp_path / "x.jsonl", rows))
    kept = [i for i in range(len(windows)) if i not in (3, 4, 5)]
    assert (stream.video, stream.skipped, stream.unread, stream.stride) == ("film", 2, 1, 0.5)
    np.testing.assert_array_equal(stream.windows, windows[kept])
    np.testing.assert_array_equal(stream.scores, scores[kept])
    assert stream.scores.dtype == np.float32
    np.testing.assert_allclose(stream.delays, 0.6)
    assert stream.announced == (("run", 1.0, 3.0, 1.0),)
    assert stream.withdrawn == 1
    assert stream.duration == 60.0


def test_without_a_speed_there_are_no_delays(tmp_path, rows):
    rows[0] |= {"speed": None}
    rows.insert(2, {"kind": "start", "label": "run", "start": 1.0, "known_at": 3.0})
    stream = read_lines(write_rows(tmp_path / "x.jsonl", rows), video="other")
    assert (stream.video, stream.delays, stream.announced[0].delay) == ("other", None, None)


def test_a_live_stream_has_the_speed_of_the_wall(tmp_path, rows):
    for late, delay in (("skip", 0.3), ("queue:4", 0.3), ("wait", None)):
        rows[0] |= {"speed": None, "late": late}
        stream = read_lines(write_rows(tmp_path / "x.jsonl", rows))
        assert (None if stream.delays is None else stream.delays[0]) == delay


def test_a_window_that_is_longer_than_its_stream_ends_with_it(tmp_path, rows):
    short = [*rows[:2], {"kind": "summary", "stream_seconds": 1.2}]
    stream = read_lines(write_rows(tmp_path / "x.jsonl", short))
    assert (stream.windows.tolist(), stream.duration) == ([[0.0, 1.2]], 1.2)


def test_an_interrupted_stream_ends_with_its_last_window(tmp_path, rows):
    stream = read_lines(write_rows(tmp_path / "x.jsonl", rows[:21]))
    assert stream.duration == stream.windows[-1, 1] == 11.5


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a b/film.one.mp4", "film.one"),
        ("rtsp://host:554/door?x=1", "door"),
        ("/dev/video0", "video0"),
        ("-", "-"),
    ],
)
def test_a_stream_goes_by_its_source(source, name):
    assert source_name(source) == name


def test_one_timeline_is_chosen(tmp_path, rows):
    second = [row | {"timeline": 1} for row in rows[1:9]]
    rows[-1:-1] = [{"kind": "timeline", "number": 1, "reason": "reconnected"}, *second]
    path = write_rows(tmp_path / "x.jsonl", rows)
    with pytest.raises(
        StreamError, match=r"x\.jsonl:119: .* began anew here \(reconnected\).*0 to 1"
    ):
        read_lines(path)
    with pytest.raises(StreamError, match="no timeline 2; it has those from 0 to 1"):
        read_lines(path, timeline=2)
    assert [len(read_lines(path, timeline=n).windows) for n in (0, 1)] == [115, 6]
    assert read_lines(path, timeline=1).duration == 5.5


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (4, '{"kind": "window", "sta', r"x\.jsonl:4: the line is torn or not JSON"),
        (4, b"\xff\xfe\x00{", r"x\.jsonl:4: the line is torn or not JSON"),
        (4, "[1]", r'x\.jsonl:4: no object with a "kind"'),
        (1, {"kind": "other"}, "has 0 lines of the kind stream, and must have one"),
        (2, {"kind": "stream"}, "has 2 lines of the kind stream"),
        (1, {"class_names": None}, "has no class_names; watch again with --probabilities"),
        (1, {"stride": 0}, "has no stride above 0"),
        (3, {"end": 0.2}, r"x\.jsonl:3: a window from 0\.5 to 0\.2 s"),
        (3, {"start": None}, r"x\.jsonl:3: a window from None to 2\.5 s"),
        (3, {"end": 2.0}, r"x\.jsonl:3: a window from 0\.5 to 2\.0 s"),
        (3, {"start": float("nan")}, r"x\.jsonl:3: a window from nan"),
        (3, {"probabilities": [0.5]}, r"x\.jsonl:3: 1 probabilities for 4 classes"),
        (3, {"probabilities": "x"}, r"x\.jsonl:3: no probabilities for 4 classes"),
        (3, {"probabilities": [0, 1, 2, float("nan")]}, r"x\.jsonl:3: .* not finite numbers"),
        (3, {"latency": None}, r"x\.jsonl:3: the latency is None"),
        (3, {"latency": -1}, r"x\.jsonl:3: the latency is -1"),
        (
            3,
            {"kind": "start", "label": 3},
            r"x\.jsonl:3: a start without label, start and known_at",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, rows, line, change, message):
    lines = [json.dumps(row).encode() for row in rows]
    if isinstance(change, dict):
        change = json.dumps(rows[line - 1] | change)
    lines[line - 1] = change.encode() if isinstance(change, str) else change
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(StreamError, match=message):
        read_lines(tmp_path / "x.jsonl")


@pytest.mark.parametrize("events_only", [False, True])
def test_without_probabilities_the_remedy_is_said(tmp_path, rows, events_only):
    kept = [
        {key: value for key, value in row.items() if key != "probabilities"}
        for row in rows
        if not (events_only and row["kind"] == "window")
    ]
    with pytest.raises(
        StreamError, match="has no probabilities .* watch again with --probabilities"
    ):
        read_lines(write_rows(tmp_path / "x.jsonl", kept))


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(StreamError, match="empty is empty; watch again"):
        read_lines(tmp_path / "empty")
    with pytest.raises(StreamError, match="absent: no such file or folder"):
        read_lines(tmp_path / "absent")
    with pytest.raises(StreamError, match="cannot be read: Is a directory"):
        read_lines(tmp_path)
