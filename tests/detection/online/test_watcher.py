"""What is said of a stream is what is said of its recording; what is not said of it is counted."""

import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from timesformer.config import ConfigError
from timesformer.detection.detector import Detector
from timesformer.detection.files import segments_of
from timesformer.detection.online.backlog import LateError, Waiting
from timesformer.detection.online.clips import Began, Over
from timesformer.detection.online.items import (
    Action,
    NewTimeline,
    Skipped,
    SourceChange,
    Summary,
    Window,
)
from timesformer.detection.online.reading import Due
from timesformer.detection.online.watcher import Watcher
from timesformer.detection.rules import SegmentRules
from timesformer.inference.predictor import Predictor
from timesformer.io.opening import SourceError
from timesformer.video import VideoError

RULES = SegmentRules(onset=0.36, offset=0.34, min_on=0.2, min_off=0.2, smooth="median:3")
FIFOS = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")


@pytest.fixture
def predictor(trained):
    def make(*overrides):
        return Predictor.from_checkpoint(trained(*overrides)[1], "cpu")

    return make


def of_kind(items, kind):
    return [item for item in items if isinstance(item, kind)]


def scores(items):
    return np.stack([item.probabilities for item in of_kind(items, Window)])


def assert_counted(items, watcher):
    [summary] = of_kind(items, Summary)
    assert items[-1] is summary
    assert summary.due == watcher.backlog.due == summary.scored + summary.skipped
    assert summary.scored == len(of_kind(items, Window))
    assert summary.skipped == len(of_kind(items, Skipped))
    times = [(item.timeline, item.start) for item in items if isinstance(item, Window | Skipped)]
    assert times == sorted(set(times))  # each once
    return summary


@pytest.mark.parametrize(
    "options", [{}, {"late": "skip", "speed": 2.0}, {"late": "queue:9", "speed": 8.0}],
    ids=["unpaced", "paced", "fast"],
)  # fmt: skip
def test_a_file_is_watched_as_it_is_detected(predictor, numbered_video, options):
    model, video = predictor(), numbered_video(150)
    expected = Detector(model, stride=0.25).run(video)
    watcher = Watcher(model, str(video), stride=0.25, rules=RULES, **options)
    began = time.monotonic()
    items = list(watcher)
    if speed := options.get("speed"):
        assert time.monotonic() - began > 4.5 / speed
    summary = assert_counted(items, watcher)
    windows = of_kind(items, Window)
    if not summary.skipped:  # a loaded machine may be too slow
        assert scores(items).tobytes() == expected.probabilities.tobytes()
        segments = [
            (a.label, a.score, a.start, a.end) for a in of_kind(items, Action) if a.kind == "end"
        ]
        assert sorted(segments) == sorted(map(tuple, segments_of(expected, RULES)))
        assert segments
    else:
        places = [int(np.flatnonzero(expected.windows[:, 0] == w.start)[0]) for w in windows]
        assert scores(items).tobytes() == expected.probabilities[places].tobytes()
    assert summary.stream_seconds == pytest.approx(5)
    for window in windows:
        assert min(window.waiting, window.decode, window.model) >= -1e-9
        assert window.label == watcher.class_names[int(window.probabilities.argmax())]


def test_a_damaged_part_is_unreadable_as_in_detect(predictor, numbered_video):
    video, model = numbered_video(300, gop=30), predictor()
    content = bytearray(video.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\0" * third
    video.write_bytes(content)
    expected = Detector(model, stride=0.25).run(video)
    watcher = Watcher(model, str(video), stride=0.25)
    items = list(watcher)
    last = [item for item in of_kind(items, Window) if item.timeline == items[-1].timelines - 1]
    found = np.stack([item.probabilities for item in last])
    assert np.array_equal(found, expected.probabilities, equal_nan=True)
    assert [item.probability is None for item in last] == np.isnan(
        expected.probabilities[:, 0]
    ).tolist()
    assert "cannot be decoded" in watcher.failure
    assert_counted(items, watcher)


class Slow:
    """A model that takes ``seconds`` for each window."""

    def __init__(self, monkeypatch, seconds):
        score = Detector.score

        def slow(detector, clips):
            time.sleep(seconds)
            return score(detector, clips)

        monkeypatch.setattr(Detector, "score", slow)


def test_a_slow_model_skips_windows_and_changes_no_score(predictor, numbered_video, monkeypatch):
    model, video = predictor(), numbered_video(240)
    expected = Detector(model, stride=0.1).run(video)
    by_start = dict(zip(expected.windows[:, 0].tolist(), expected.probabilities, strict=True))
    Slow(monkeypatch, 0.25)
    watcher = Watcher(model, str(video), stride=0.1, speed=2.0)
    items = list(watcher)
    summary = assert_counted(items, watcher)
    assert summary.due == len(expected.windows)
    assert 0 < summary.scored < summary.due / 2
    for window in of_kind(items, Window):
        assert window.probabilities.tobytes() == by_start[window.start].tobytes()
    # what waits is at most one forward and one stride old
    assert summary.latency["waiting"]["p50"] < 0.25 + 0.1


def test_an_end_by_the_user_skips_what_waits_and_is_summed_up(
    predictor, numbered_video, monkeypatch
):
    Slow(monkeypatch, 0.05)
    watcher, items = Watcher(predictor(), str(numbered_video(240)), stride=0.1), []
    for item in watcher:
        items.append(item)
        if len(of_kind(items, Window)) == 3:
            break
    items += list(watcher.finish())
    assert list(watcher.finish()) == []  # once
    [summary] = of_kind(items, Summary)
    assert summary.scored == 3
    assert summary.skipped == len(of_kind(items, Skipped)) > 0


def test_a_window_that_is_computed_at_the_end_counts_as_skipped(
    predictor, numbered_video, monkeypatch
):
    score, calls = Detector.score, []

    def interrupted(detector, clips):
        calls.append(clips)
        if len(calls) == 4:  # the first one is before the stream begins
            raise KeyboardInterrupt
        return score(detector, clips)

    monkeypatch.setattr(Detector, "score", interrupted)
    watcher, items = Watcher(predictor(), str(numbered_video(240)), stride=0.1), []
    with pytest.raises(KeyboardInterrupt):
        items.extend(watcher)
    items += list(watcher.finish())
    assert assert_counted(items, watcher).scored == 2
    starts = [item.start for item in items if isinstance(item, Window | Skipped)]
    assert starts == pytest.approx(np.arange(len(starts)) * 0.1)
    assert len(starts) > 3
    assert list(watcher) == []  # it has been watched


def test_what_waits_at_the_end_is_skipped_in_its_own_timeline(predictor, numbered_video):
    watcher = Watcher(predictor(), str(numbered_video(30)))
    for item in (Began("a"), Waiting("", Due(0.0, 1.0)), Over(5.0), Began("b"),
                 Waiting("", Due(0.0, 1.0)), Over(4.0)):  # fmt: skip
        watcher.backlog.put(item)
    items = list(watcher.finish())
    assert [(item.timeline, item.start) for item in of_kind(items, Skipped)] == [(0, 0), (1, 0)]
    summary = assert_counted(items, watcher)
    assert (summary.due, summary.timelines, summary.stream_seconds) == (2, 2, 9.0)


@FIFOS
def test_a_pipe_gives_the_scores_of_the_file_that_goes_through_it(
    predictor, numbered_video, tmp_path
):
    video, model, fifo = numbered_video(150, name="a.ts"), predictor(), tmp_path / "pipe"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: fifo.write_bytes(video.read_bytes()))
    thread.start()
    watcher = Watcher(model, str(fifo), stride=0.25, late="wait", retries=0)
    items = list(watcher)
    thread.join(10)
    expected = Detector(model, stride=0.25).run(video)
    assert scores(items).tobytes() == expected.probabilities.tobytes()
    assert [(w.start, w.end) for w in of_kind(items, Window)] == list(
        map(tuple, expected.windows.tolist())
    )
    assert watcher.failure == "the stream has ended"
    assert_counted(items, watcher)


@FIFOS
def test_a_source_that_restarts_goes_on_with_a_new_timeline(predictor, numbered_video, tmp_path):
    video, fifo = numbered_video(60, name="a.ts"), tmp_path / "pipe"
    os.mkfifo(fifo)
    more = threading.Event()

    def write():
        fifo.write_bytes(video.read_bytes())
        more.wait(20)
        fifo.write_bytes(video.read_bytes())

    thread = threading.Thread(target=write)
    thread.start()
    watcher, items = Watcher(predictor(), str(fifo), stride=0.25, late="wait", retries=1), []
    for item in watcher:
        items.append(item)
        if isinstance(item, SourceChange) and item.what == "lost":
            more.set()
            if len([each for each in of_kind(items, SourceChange) if each.what == "lost"]) == 2:
                break
    items += list(watcher.finish())
    thread.join(10)
    changes = [(item.what, item.reason) for item in of_kind(items, SourceChange)]
    assert changes[0] == ("lost", "the stream has ended")
    assert changes[1][0] == "reconnected"
    assert len(of_kind(items, NewTimeline)) == 1
    halves = [[w for w in of_kind(items, Window) if w.timeline == k] for k in (0, 1)]
    assert halves[0]
    assert scores(halves[0]).tobytes() == scores(halves[1]).tobytes()
    assert assert_counted(items, watcher).reconnects == 1


class Server:
    """Gives a file, at first only half of it ``breaks`` times; requests after ``most`` are refused."""

    def __init__(self, content, *, breaks=0, most=99, status=200):
        outer, self.requests = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                self.send_response(status if outer.requests <= most else 503)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                half = len(content) // 2 if outer.requests <= breaks else None
                self.wfile.write(content[:half])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/live.ts"

    def __enter__(self):
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)


def test_a_stream_of_the_network_is_connected_again_and_then_given_up(
    predictor, numbered_video, monkeypatch
):
    monkeypatch.setattr("timesformer.detection.online.reading.FIRST_DELAY", 0.02)
    video = numbered_video(90, name="a.ts")
    with Server(video.read_bytes(), breaks=1, most=2) as server:
        watcher = Watcher(predictor(), server.url, stride=0.25, late="wait", retries=3)
        items = list(watcher)
    lost = [item for item in of_kind(items, SourceChange) if item.what == "lost"]
    assert [item.retry_in for item in lost] == [0.02, 0.02, 0.04, 0.08]
    assert "5XX" in watcher.failure
    assert assert_counted(items, watcher).reconnects == 1
    halves = [[w for w in of_kind(items, Window) if w.timeline == k] for k in (0, 1)]
    assert len(halves[0]) < len(halves[1])
    assert scores(halves[0]).tobytes() == scores(halves[1][: len(halves[0])]).tobytes()


def test_what_is_not_a_video_is_an_error(predictor, tmp_path):
    with Server(b"", status=404) as server, pytest.raises(VideoError, match="404"):
        list(Watcher(predictor(), server.url))
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="a.mp4"):
        list(Watcher(predictor(), str(tmp_path / "a.mp4")))


def test_a_pipe_without_a_video_names_the_way(predictor, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"no video" * 99)
    with open(tmp_path / "a", "rb") as file, monkeypatch.context() as patched:
        patched.setattr("sys.stdin", file)
        with pytest.raises(
            VideoError, match="-: Invalid data found .*; a pipe must carry a format"
        ):
            list(Watcher(predictor(), "-"))


def test_a_server_that_says_nothing_is_named(predictor):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/live.ts"
        watcher = Watcher(predictor(), url, timeout=0.3, retries=0)
        list(watcher)
    assert watcher.failure == "nothing has come for 0.3 s (--timeout)"


def test_an_error_that_names_the_source_is_told_as_it_is(predictor, monkeypatch):
    told = "rtsp://camera/1: no video stream that can be decoded"

    def connect(*_, **__):
        raise SourceError(told)

    monkeypatch.setattr("timesformer.detection.online.reading.connect", connect)
    with pytest.raises(SourceError) as caught:
        list(Watcher(predictor(), "rtsp://camera/1"))
    assert str(caught.value) == told


def test_nobody_listens_at_an_address(predictor, monkeypatch):
    monkeypatch.setattr("timesformer.detection.online.reading.FIRST_DELAY", 0.01)
    with Server(b"") as server:
        url = server.url
    watcher = Watcher(predictor(), url, retries=2)
    items = list(watcher)
    assert [item.what for item in of_kind(items, SourceChange)] == ["lost", "lost"]
    assert watcher.failure == "Connection refused"
    assert items[-1].due == 0


@FIFOS
def test_a_source_that_falls_behind_is_told(predictor, numbered_video, tmp_path, monkeypatch):
    monkeypatch.setattr("timesformer.detection.online.reading.BEHIND_SECONDS", 0.4)
    monkeypatch.setattr("timesformer.detection.online.reading.BURST_SECONDS", 0.3)
    monkeypatch.setattr("timesformer.detection.online.watcher.STALL_SECONDS", 99)
    content, fifo = numbered_video(90, name="a.ts").read_bytes(), tmp_path / "pipe"
    os.mkfifo(fifo)

    def write():
        with open(fifo, "wb", buffering=0) as file:
            half = len(content) // 2
            file.write(content[:half])
            time.sleep(3)
            file.write(content[half:])

    thread = threading.Thread(target=write)
    thread.start()
    items = list(Watcher(predictor(), str(fifo), stride=0.5, retries=0))
    thread.join(10)
    [behind] = [item for item in of_kind(items, SourceChange) if item.what == "behind"]
    assert behind.reason.startswith("frames come ")


def test_a_stream_that_stalls_is_told_once(predictor, numbered_video, tmp_path, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no FIFOs")
    monkeypatch.setattr("timesformer.detection.online.watcher.STALL_SECONDS", 0.3)
    content, fifo = numbered_video(90, name="a.ts").read_bytes(), tmp_path / "pipe"
    os.mkfifo(fifo)
    go_on = threading.Event()

    def write():
        with open(fifo, "wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            go_on.wait(20)
            file.write(content[len(content) // 2 :])

    thread = threading.Thread(target=write)
    thread.start()
    stalls = []
    for item in Watcher(predictor(), str(fifo), stride=0.25, late="wait", retries=0):
        if isinstance(item, SourceChange) and item.what == "stalled":
            stalls.append(item.reason)
            threading.Timer(0.8, go_on.set).start()
    thread.join(10)
    assert stalls == ["no frame for 0.3 seconds"]


def test_sources_and_options_that_cannot_be(predictor, tmp_path):
    model = predictor()
    with pytest.raises(SourceError, match="no.mp4: no such file; check the path"):
        Watcher(model, str(tmp_path / "no.mp4"))
    with pytest.raises(SourceError, match="/dev/video77: no such camera; there is"):
        Watcher(model, "/dev/video77")
    with pytest.raises(
        SourceError, match="comes at its own pace; --realtime and --speed are for files"
    ):
        Watcher(model, "rtsp://127.0.0.1/1", speed=1)
    with pytest.raises(SourceError, match="is a folder of frames, which has no pace"):
        Watcher(model, str(tmp_path), speed=1)
    with pytest.raises(ConfigError, match="--speed is -1, but must be above 0"):
        Watcher(model, str(tmp_path), speed=-1)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(
        LateError, match=r"--late queue:2 is for .*a.mp4 is a file, .* add --realtime"
    ):
        Watcher(model, str(tmp_path / "a.mp4"), late="queue:2")
    with pytest.raises(ConfigError, match="--stride is 9"):
        Watcher(model, str(tmp_path), stride=9)
