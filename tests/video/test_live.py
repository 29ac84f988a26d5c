"""Times of a stream always increase; where they jump, time begins anew."""

import io
import itertools

import av
import cv2
import numpy as np
import pytest

from tests.conftest import frame_number
from timesformer.video import live
from timesformer.video.decoding import Decoder
from timesformer.video.live import StreamClock, visit_stream

STEP = 3600  # ticks of a frame


def places(*times):
    clock = StreamClock(25.0, 1 / 90_000)
    return [clock.place(time) for time in times]


def test_times_count_from_the_first_frame():
    assert places(7200, 10800, 14400) == [(0, "the stream begins"), (3600, ""), (7200, "")]


def test_a_missing_time_is_one_frame_later():
    assert [ticks for ticks, _ in places(None, None, 7200, None)] == [0, 3600, 7200, 10800]


def test_times_a_little_out_of_order_still_increase():
    assert [ticks for ticks, _ in places(0, 7200, 3600, 10800)] == [0, 7200, 7201, 10800]


@pytest.mark.parametrize(("to", "text"), [(0, "-40.00 s"), (90_000 * 100, r"\+60.00 s")])
def test_a_jump_of_the_clock_is_a_new_beginning(to, text):
    first, second, third, last = places(90_000 * 36, 90_000 * 38, 90_000 * 40, to)
    assert (first[0], second[0], third[0]) == (0, 180_000, 360_000)
    assert last[0] == 0
    assert last[1].startswith("the clock of the stream jumped by")
    assert pytest.approx(float(last[1].split()[-2])) == (to / 90_000 - 40)
    assert text.replace("\\", "") in last[1]


class Recorder:
    def __init__(self):
        self.begun, self.frames, self.ended, self.lost = [], [], 0, []

    def begin(self, fps, tick_seconds, reason):
        self.begun.append((fps, tick_seconds, reason))

    def take(self, ticks, image):
        self.frames.append((ticks, frame_number(image)))

    def lose(self, error):
        self.lost.append(error)

    def finish(self):
        self.ended += 1


def test_all_frames_come_in_order_with_their_times(numbered_video):
    path = numbered_video(40, name="a.ts")
    seen, packets = Recorder(), []
    with av.open(io.BytesIO(path.read_bytes())) as container:
        visit_stream(container, container.streams.video[0], seen, release=packets.append)
    assert [number for _, number in seen.frames] == list(range(40))
    seconds = np.array([ticks for ticks, _ in seen.frames]) * seen.begun[0][1]
    assert np.allclose(seconds, np.arange(40) / 30, atol=1e-3)
    assert len(seen.begun) == seen.ended == 1
    assert len([packet for packet in packets if packet.size]) == 40


def test_pictures_of_a_camera_without_times_have_those_of_their_arrival(monkeypatch):
    pictures = b""
    for i in range(12):
        _, jpeg = cv2.imencode(".jpg", np.full((16, 16, 3), 20 * i, np.uint8))
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        pictures += head.encode() + jpeg.tobytes() + b"\r\n"
    times = itertools.count(70.0, 0.1)
    monkeypatch.setattr(live, "monotonic", lambda: next(times))
    seen = Recorder()
    seen.take = lambda ticks, image: seen.frames.append(ticks)
    with av.open(io.BytesIO(pictures), format="mpjpeg") as container:
        visit_stream(container, container.streams.video[0], seen, release=lambda packet: None)
    [(_, tick, _)] = seen.begun
    assert np.allclose(np.array(seen.frames) * tick, np.arange(12) / 10)


def test_what_cannot_be_decoded_is_told_before_the_next_frame(numbered_video, monkeypatch):
    made = []
    monkeypatch.setattr(live, "Decoder", lambda *parts: made.append(Decoder(*parts)) or made[0])
    path = numbered_video(120, name="a.mkv", gop=30)
    with av.open(str(path)) as container:
        packets = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    content = bytearray(path.read_bytes())
    for pos, size in packets[40:50]:
        content[pos + 8 : pos + size] = b"\xff" * (size - 8)
    seen = Recorder()
    with av.open(io.BytesIO(bytes(content))) as container:
        visit_stream(container, container.streams.video[0], seen, release=lambda packet: None)
    assert 30 < len(seen.frames) < 120
    assert seen.lost
    assert not made[0].errors  # they are not kept
    assert seen.ended == 1
