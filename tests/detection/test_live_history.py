"""A reader that opens now, one that follows and one that fell behind all see the same stream."""

import json
import math
import tracemalloc

import numpy as np
import pytest

from tests.detection.made_stream import event_line, made_lines, stream_line, window_line
from timesformer.detection import live_history
from timesformer.detection.live_history import LiveHistory

NAMES = [f"class {i}" for i in range(100)]


def filled(lines, names=NAMES):
    history = LiveHistory()
    history.add(stream_line(names), received=100.0)
    for i, line in enumerate(lines):
        history.add(line, received=101.0 + i)
    return history


def read(history, number=None, most=7):
    """All lines after ``number``, and whether the reader began anew."""
    lines, restarted = [], False
    while True:
        batch = history.after(number, most=most)
        restarted |= batch.restart
        lines += map(json.loads, batch.lines)
        if not batch.lines:
            return lines, restarted, number
        number = batch.number


def plain(start, timeline=0):
    return window_line(start, np.full(100, 0.01), NAMES, timeline=timeline)


def test_all_lines_come_once_and_in_order_in_parts_of_any_size():
    lines = list(made_lines(NAMES, seconds=30))
    history = filled(lines)
    for most in (1, 7, 10_000):
        seen, restarted, _ = read(history, most=most)
        assert restarted
        assert [line["kind"] for line in seen] == ["stream", *(line["kind"] for line in lines)]
        assert [line["start"] for line in seen[1:]] == [line["start"] for line in lines]
    assert seen[0]["received"] == 100.0
    windows = sum(line["kind"] == "window" for line in lines)
    assert (history.scored, history.skipped) == (
        windows,
        sum(line["kind"] == "skipped" for line in lines),
    )


def test_a_reader_that_follows_gets_new_lines_alone():
    history = filled([plain(0.0)])
    _, _, number = read(history)
    assert not history.has_after(number)
    history.add(plain(1.0), received=200.0)
    assert history.has_after(number)
    seen, restarted, _ = read(history, number)
    assert [line["start"] for line in seen] == [1.0]
    assert not restarted


def test_an_empty_history_is_a_beginning():
    history = LiveHistory()
    assert history.after(None, most=5) == ((), -1, True)
    history.add(stream_line(NAMES), received=0.0)
    assert not history.after(-1, most=5).restart


def test_of_a_window_the_classes_remain_that_can_be_seen():
    p = np.full(100, 0.001)
    p[[3, 50]] = 0.6, 0.3
    p[60] = live_history.LEAST_PROBABILITY
    seen, _, _ = read(filled([window_line(2.0, p, NAMES)]))
    assert seen[1]["k"][:3] == [3, 50, 60]
    assert seen[1]["p"] == [0.6, 0.3, 0.005, 0.001, 0.001]
    assert "probabilities" not in seen[1]
    many = filled([window_line(2.0, np.full(100, 0.01), NAMES)])
    assert len(read(many)[0][1]["k"]) == live_history.MOST_CLASSES


@pytest.mark.parametrize("probability", [0.25, None])
def test_a_window_without_probabilities_has_its_label_alone(probability):
    line = window_line(0.0, np.full(100, 0.01), NAMES) | {
        "probability": probability,
        "label": NAMES[7] if probability else None,
    }
    del line["probabilities"]
    seen = read(filled([line]))[0][1]
    assert (seen["k"], seen["p"]) == (([7], [0.25]) if probability else ([], []))


def test_what_a_browser_cannot_read_is_null_and_names_are_printable():
    line = window_line(0.0, np.full(100, np.nan), NAMES, latency=math.nan) | {"probability": None}
    names = ["a\u202eb", *NAMES[1:]]
    seen, _, _ = read(filled([line, event_line("start", "a\u202eb", 0.0, None)], names))
    assert seen[1]["latency"] is None
    assert seen[1]["k"] == []
    assert seen[0]["class_names"][0] == seen[2]["label"] == "a\\u202eb"


def test_passwords_of_addresses_are_not_shown():
    history = LiveHistory()
    history.add(stream_line(NAMES, source="rtsp://me:secret@camera:554/1"), received=0.0)
    lost = {"kind": "source", "what": "lost", "reason": "rtsp://me:secret@camera: refused"}
    history.add(lost | {"at": None, "retry_in": 1.0}, received=0.0)
    seen, _, _ = read(history)
    assert history.title == seen[0]["source"] == "rtsp://camera:554/1"
    assert seen[1]["reason"] == "rtsp://camera: refused"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("/films/a/b c.mp4", "b c.mp4"),
        ("/dev/video0", "/dev/video0"),
        ("http://camera/x.mp4", "http://camera/x.mp4"),
        ("-", "-"),
    ],
)
def test_a_file_is_called_by_its_name(source, title):
    history = LiveHistory()
    history.add(stream_line(NAMES, source=source), received=0.0)
    line = read(history)[0][0]
    assert (line["title"], line["source"], history.title) == (title, source, title)


def test_numbers_of_numpy_are_numbers():
    line = plain(np.float64(1.0)) | {"probability": np.float32(0.01), "timeline": np.int64(0)}
    assert read(filled([line]))[0][1]["probability"] == pytest.approx(0.01)


def test_windows_leave_by_time_and_by_number_while_events_stay(monkeypatch):
    monkeypatch.setattr(live_history, "SECONDS", 50.0)
    begin = event_line("start", "class 1", 1.0, None)
    closed = [event_line("start", "class 2", 1, None), event_line("end", "class 2", 1, 3)]
    lines = [begin, *closed, *(plain(float(i)) for i in range(200))]
    seen, _, _ = read(filled(lines))
    assert [line["kind"] for line in seen[:4]] == ["stream", "start", "start", "end"]
    assert [line["start"] for line in seen[4:]] == [float(i) for i in range(149, 200)]
    monkeypatch.setattr(live_history, "MOST_LINES", 10)
    seen, _, _ = read(filled(lines))
    assert [line["start"] for line in seen[4:]] == [float(i) for i in range(190, 200)]


def test_a_reader_that_fell_behind_begins_anew(monkeypatch):
    monkeypatch.setattr(live_history, "MOST_LINES", 10)
    history = filled([plain(float(i)) for i in range(10)])
    _, _, number = read(history)
    for i in range(11):
        history.add(plain(10.0 + i), received=300.0)
    seen, restarted, _ = read(history, number)
    assert restarted
    assert [line["start"] for line in seen[1:]] == [11.0 + i for i in range(10)]


def test_a_class_that_runs_for_long_is_never_forgotten(monkeypatch):
    monkeypatch.setattr(live_history, "MOST_LINES", 10)
    others = [
        event_line(kind, "class 2", i, end)
        for i in range(1000)
        for kind, end in (("start", None), ("end", i + 1))
    ]
    begin = event_line("start", "class 1", 0.5, None)
    history = filled([begin, *others])
    seen, _, _ = read(history)
    assert [line for line in seen if line["label" if "label" in line else "kind"] == "class 1"]
    assert len(seen) == 2 + 10 + live_history.MOST_OLDER
    history.add(event_line("end", "class 1", 0.5, 9.0), received=1.0)
    for line in others:
        history.add(line, received=2.0)
    assert not any(line.get("label") == "class 1" for line in read(history)[0])


def test_timelines_follow_each_other_on_one_axis():
    history = filled([plain(0.0), plain(10.0)])  # received at 101 and 102 seconds
    history.add(event_line("start", "class 1", 5.0, None), received=102.0)
    history.add({"kind": "timeline", "number": 1, "reason": "reconnect"}, received=109.0)
    history.add(plain(0.0, timeline=1), received=110.0)
    history.add({"kind": "timeline", "number": 2, "reason": "reconnect"}, received=9000.0)
    offsets = [line["offset"] for line in read(history)[0] if line["kind"] == "timeline"]
    first = 10.0 + 2.13 + 7.0
    assert offsets == [
        pytest.approx(first),
        pytest.approx(first + 2.13 + live_history.LONGEST_GAP),
    ]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(live_history, "SECONDS", 50.0)
    names = [f"class {i}" for i in range(400)]
    p = np.full(400, 0.2 / 399)
    p[:20] = 0.04
    history = filled([], names)
    line, sizes = window_line(0.0, p, names), []
    tracemalloc.start()
    for i in range(300):
        if i in (100, 299):
            sizes.append(tracemalloc.get_traced_memory()[0])
        history.add(line | {"start": i, "end": i + 2.0}, received=float(i))
    tracemalloc.stop()
    assert sizes[1] < 1.2 * sizes[0]
    assert len(history) <= 52
