"""Chosen frames against a plain decode of the whole file."""

import os
import subprocess
import sys
import types

import av
import numpy as np
import pytest
import torch

from tests.conftest import ROOT, frame_number, numbered_frame, write_video
from timesformer.video import VideoError, packets, read_video, reader, sampling
from timesformer.video.streams import choose_stream


def all_frames(path):
    """Every frame of a file in the decoder's order: the oracle; ``rgb`` converts one."""
    with av.open(str(path), metadata_errors="replace") as container:
        return list(container.decode(choose_stream(container)))


def rgb(frame):
    return frame.to_ndarray(format="rgb24")


def choose(indices):
    return lambda timeline: np.array(indices)[None]


def numbers(frames):
    return [frame_number(frames.images[i]) for i in frames.index[0]]


@pytest.mark.parametrize("gop", [1, 6, 60])
@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_the_frames_asked_for_are_the_frames_returned(numbered_video, name, gop, bframes):
    if name == "a.avi" and bframes:
        pytest.skip("AVI cannot time B-frames; real ones are tested below")
    path = numbered_video(60, name=name, gop=gop, bframes=bframes)
    for indices in ([0], [59], [30, 31, 32], [5, 20, 41, 59], [7, 7, 7, 50, 3], range(60)):
        assert numbers(read_video(path, choose(list(indices)))) == list(indices)


def test_every_frame_is_decoded_and_converted_once(numbered_video, monkeypatch):
    path = numbered_video(60, gop=10)
    frames = read_video(path, lambda _: np.array([[1, 5, 9], [5, 9, 13], [1, 1, 1]]))
    assert [frame_number(image) for image in frames.images] == [1, 5, 9, 13]
    assert frames.index.tolist() == [[0, 1, 2], [1, 2, 3], [0, 0, 0]]


def test_keyframes_between_distant_frames_are_jumped_to(numbered_video):
    path = numbered_video(240, gop=10, bframes=0)
    frames = read_video(path, choose([2, 121, 239]))
    assert numbers(frames) == [2, 121, 239]
    assert frames.decoded <= 3 + 2 + 10


@pytest.mark.parametrize("multi_thread", [False, True])
def test_threads_do_not_change_frames(numbered_video, multi_thread):
    path = numbered_video(60, gop=30)
    assert numbers(read_video(path, choose([3, 33, 59]), multi_thread=multi_thread)) == [3, 33, 59]


def test_variable_frame_rate_is_read_by_order(tmp_path):
    pts = [0, 1, 2, 10, 11, 30, 31, 32, 33, 50]
    path = write_video(tmp_path / "vfr.mp4", map(numbered_frame, range(10)), pts=pts)
    timelines = []

    def select(timeline):
        timelines.append(timeline)
        return np.arange(10)[None]

    assert numbers(read_video(path, select)) == list(range(10))
    ticks = timelines[0].pts
    assert np.allclose(np.diff(ticks) / (ticks[1] - ticks[0]), np.diff(pts))


@pytest.mark.parametrize("size", [(50, 34), (66, 98)])
def test_sizes_that_are_no_multiple_of_a_block_are_read(numbered_video, size):
    path = numbered_video(5, height=size[0], width=size[1])
    assert read_video(path, choose([4])).images.shape == (1, *size, 3)


def published_clip(arrival, header_frames, duration, fps, shape, view, num_views):
    """Official_behaviour 3.3 on decoded frames: the pts of one test clip."""
    num_frames, rate = shape
    size = rate * num_frames / 30 * fps
    if header_frames and duration:
        start = max(header_frames - size, 0) * view / num_views
        first, last = (int(at * (duration / header_frames)) for at in (start, start + size - 1))
        kept = set()
        for pts in arrival:
            if pts >= first:
                kept.add(pts)
                if pts > last:
                    break
        start = 0
    else:
        kept = set(arrival)
        start = max(len(kept) - size, 0) * view / num_views
    spread = torch.linspace(start, start + size - 1, num_frames).clamp(0, len(kept) - 1).long()
    return [sorted(kept)[i] for i in spread.tolist()]


def views_are_published(path, timeline, arrival):
    """Check the test views by the pts in the decoder's order; whether frame by frame.

    Where a container stores times of decoding, or frames are dropped, they are neighbours.
    """
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        facts = stream.frames, stream.duration, float(stream.average_rate)
    shape, num_views = (8, 16), 4
    is_exact = arrival == sorted(arrival) and timeline.is_even
    for k in range(num_views):
        published = published_clip(arrival, *facts, shape, k, num_views)
        place = sampling.view_place(k, num_views, "official")
        chosen = sampling.clip_indices(timeline, sampling.ClipShape(*shape, 30), place)
        away = np.abs(chosen - np.searchsorted(np.sort(arrival), published)).max()
        assert away <= (0 if is_exact else 1), path.name
    return is_exact


def test_every_real_file_gives_the_frames_of_a_plain_decode_and_the_published_views(shared):
    files = sorted((shared / "videos").glob("*.*")) + sorted((shared / "codecs").glob("*"))
    exact = 0
    for path in files:
        if path.suffix == ".csv":
            continue
        oracle = all_frames(path)
        rng = np.random.default_rng(len(oracle))
        chosen = np.unique(rng.integers(0, len(oracle), size=6))
        lengths = []

        def select(timeline, chosen=chosen, lengths=lengths):
            lengths.append(len(timeline.pts))
            return chosen[None]

        frames = read_video(path, select)
        assert lengths == [len(oracle)], path.name
        for row, i in enumerate(chosen):
            assert np.array_equal(frames.images[row], rgb(oracle[i])), (path.name, i)
        if path.parent.name == "videos":
            exact += views_are_published(path, frames.timeline, [frame.pts for frame in oracle])
    assert exact > 40


def test_a_packet_without_a_frame_does_not_shift_the_others(shared):
    path = shared / "videos/torchvision__RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    oracle = all_frames(path)
    assert len(oracle) == 72  # of 73 packets
    frames = read_video(path, choose([0, 1, 2, 40, 71]))
    for row, i in enumerate([0, 1, 2, 40, 71]):
        assert np.array_equal(frames.images[row], rgb(oracle[i]))


def test_the_colour_order_is_rgb(tmp_path):
    red = [np.full((32, 32, 3), (250, 5, 5), np.uint8)] * 3
    image = read_video(write_video(tmp_path / "red.mp4", red), choose([1])).images[0]
    assert image[..., 0].mean() > 200 > 60 > image[..., 2].mean()


def audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def header_only(path):
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("libx264", rate=30)  # and no packet
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"cannot be decoded \(FileNotFoundError"),
        (lambda path: path.write_bytes(b""), "cannot be decoded"),
        (lambda path: path.write_text("not a video" * 50), "cannot be decoded"),
        (audio_only, "no video stream"),
        (header_only, "no decodable frame"),
    ],
    ids=["missing", "empty", "text", "audio", "no frames"],
)
def test_a_file_without_video_is_named_with_its_reason(tmp_path, make, message):
    path = tmp_path / "broken.mkv"
    make(path)
    with pytest.raises(VideoError, match=message) as error:
        read_video(path, choose([0]))
    assert str(path) in str(error.value)


def test_a_truncated_file_gives_what_is_left_of_it(numbered_video):
    path = numbered_video(60, name="cut.mkv", gop=10, bframes=0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    lengths = []

    def select(timeline):
        lengths.append(len(timeline.pts))
        return np.arange(len(timeline.pts))[None]

    frames = read_video(path, select)
    assert 5 < lengths[-1] < 60
    assert numbers(frames)[:-1] == list(range(lengths[-1] - 1))


def test_frames_that_memory_does_not_hold_are_named_before_they_fill_it(
    numbered_video, monkeypatch
):
    path = numbered_video(30)
    free = types.SimpleNamespace(available=20 * 64 * 96 * 3)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert numbers(read_video(path, choose([3, 20]))) == [3, 20]
    message = (
        r"30 frames of 96 x 64 pixels need .* GiB, and .* are free; make it smaller: .*--resize"
    )
    with pytest.raises(VideoError, match=message):
        read_video(path, choose(list(range(30))))


def test_importing_the_package_is_quick():
    """Nothing heavy behind ``import timesformer``: torch alone takes seconds."""
    code = (
        "import timesformer, sys; sys.exit(any(m in sys.modules for m in ('torch', 'av', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


def test_packets_nothing_refers_to_are_not_decoded(numbered_video):
    path = numbered_video(120, gop=60, bframes=3)
    wanted = [0, 17, 34, 51, 59]
    frames = read_video(path, choose(wanted))
    assert numbers(frames) == wanted
    assert frames.decoded < 45  # of 60


def test_a_large_video_is_read_again_instead_of_kept(numbered_video, monkeypatch):
    monkeypatch.setattr(packets, "KEPT_BYTES", 1000)
    for name in ("large.mp4", "large.mkv", "large.avi"):
        path = numbered_video(90, name=name, gop=9, bframes=0 if name.endswith("avi") else 2)
        for wanted in ([0], [89], [3, 40, 77], [10, 11, 12]):
            assert numbers(read_video(path, choose(wanted))) == wanted


def test_a_slow_file_is_given_up(numbered_video):
    path = numbered_video(60, gop=60)
    with pytest.raises(VideoError, match="not decoded within 0 seconds"):
        read_video(path, choose([59]), time_limit=0)


@pytest.mark.parametrize("kept_bytes", [0, packets.KEPT_BYTES])
def test_a_keyframe_that_is_none_is_made_up_for_from_the_start(
    numbered_video, monkeypatch, kept_bytes
):
    def lying(*args):
        """Some indexes flag packets as keyframes that cannot be decoded by themselves."""
        listed = packets.list_packets(*args)
        false = packets.Start(int(listed.shown[20]), 20)
        return listed._replace(starts=[listed.starts[0], false])

    monkeypatch.setattr(packets, "KEPT_BYTES", kept_bytes)
    path = numbered_video(30, gop=60, bframes=0)
    monkeypatch.setattr(reader, "list_packets", lying)
    assert numbers(read_video(path, choose([25, 28]))) == [25, 28]


def test_a_log_of_another_library_never_stops_a_decoder_for_good(numbered_video):
    """As torchvision 0.21 turns it on: threads of a decoder wait for Python to log, and it for them."""
    path = numbered_video(120)
    content = bytearray(path.read_bytes())
    for place in range(content.index(b"mdat") + 200, content.index(b"moov") - 8, 100):
        content[place] ^= 0x55
    path.write_bytes(content)
    reading = (
        "import sys, av, numpy; av.logging.set_level(av.logging.ERROR)\n"
        "from timesformer.video.reader import VideoError, read_video\n"
        "for i in range(8):\n"
        "    last = lambda t: numpy.array([[0, len(t.pts) - 1]])\n"
        "    try: read_video(sys.argv[1], last, multi_thread=True)\n"
        "    except VideoError: pass\n"
        "print('alive')"
    )
    command = [sys.executable, "-c", reading, str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == "alive", ended.stderr
