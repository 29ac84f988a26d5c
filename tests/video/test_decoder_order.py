"""Files as people have them: every frame in the order of FFmpeg's own tool, and each asked for alone.

Frames carry their number. A row of ``KINDS`` makes a file of one kind from a clean one.
"""

import json
import random
import shutil
import subprocess

import av
import numpy as np
import pytest

from tests.conftest import frame_number, numbered_frame, write_video
from timesformer.video import READERS, packets, read_video, reader
from timesformer.video.encode import reencode
from timesformer.video.remarks import DAMAGED, HDR, ROTATED, UNEVEN

FFMPEG = shutil.which("ffmpeg")
TORCHCODEC = pytest.mark.torchcodec
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="needs FFmpeg's command-line tool")
COUNT = 72
X264 = ["-c:v", "libx264", "-g", "12", "-bf", "2"]
OPEN_GOP = [*X264[:4], "-bf", "3", "-x264-params", "open-gop=1:keyint=12:scenecut=0"]
VP8 = ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "200k"]
HEVC = ["-c:v", "libx265", "-x265-params", "keyint=12:bframes=3:log-level=none"]


def ffmpeg(*arguments):
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    frames = [numbered_frame(i) for i in range(COUNT)]
    options = {"g": "12", "bf": "2", "sc_threshold": "0"}
    return write_video(tmp_path_factory.mktemp("clean") / "clean.mp4", frames, options=options)


def encoded(name, *options):
    return name, lambda source, path: ffmpeg("-i", source, *options, path)


def trimmed(name, *options, seconds=0.95):
    """Cut at no keyframe without encoding: packets before the first shown frame are kept."""

    def make(source, path):
        whole = path.with_name(f"whole{path.suffix}")
        ffmpeg("-i", source, *options, whole)
        ffmpeg("-ss", seconds, "-i", whole, "-c", "copy", path)

    return name, make


def joined(name, *options):
    """A recording in parts: times restart in the middle."""

    def make(source, path):
        ffmpeg("-i", source, *options, path)
        path.write_bytes(path.read_bytes() * 2)

    return name, make


def beheaded(name, *options, packet=188, share=0.3):
    """The file begins inside a group of pictures."""

    def make(source, path):
        ffmpeg("-i", source, *options, path)
        data = path.read_bytes()
        path.write_bytes(data[int(len(data) * share) // packet * packet :])

    return name, make


def timed(name, expression):
    """Times by an expression of N (the frame's number) and TS, in ticks of 1 / 1000 s."""

    def make(source, path):
        plain = path.with_name("plain.mkv")
        ffmpeg("-i", source, "-c:v", "mpeg4", "-bf", "0", "-g", "12", plain)
        ffmpeg("-i", plain, "-c", "copy", "-bsf:v", f"setts=ts='{expression}'", path)

    return name, make


def cut_off(name, *options, share=0.6):
    def make(source, path):
        ffmpeg("-i", source, *options, path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return name, make


KINDS = {
    "edit list": trimmed("a.mp4", *X264),
    "edit list, open groups": trimmed("a.mov", *OPEN_GOP),
    "edit list, HEVC": trimmed("a.mp4", *HEVC),
    "trimmed mkv": trimmed("a.mkv", *OPEN_GOP),
    "open groups": encoded("a.mkv", *OPEN_GOP),
    "gradual refresh": encoded("a.mp4", *X264[:6], "-x264-params", "intra-refresh=1:keyint=12"),
    "transport stream": encoded("a.ts", *OPEN_GOP),
    "interlaced": encoded("a.ts", *X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    "times restart": joined("a.ts", *X264),
    "times restart, MPEG-2": joined("a.vob", "-c:v", "mpeg2video", "-bf", "2", "-g", "12"),
    "begins inside a group": beheaded("a.ts", *OPEN_GOP),
    "begins inside a group, raw": beheaded("a.264", *X264, packet=1),
    "begins inside a group, MPEG-2": beheaded("a.ts", "-c:v", "mpeg2video", "-bf", "2"),
    "no times": encoded("a.h264", *X264),
    "no times, MPEG-2": encoded("a.m2v", "-c:v", "mpeg2video", "-bf", "2"),
    "no times, HEVC": encoded("a.265", *HEVC),
    "times of decoding": encoded("a.avi", "-c:v", "mpeg4", "-bf", "2", "-g", "12"),
    "times of decoding, H.264": encoded("a.avi", *X264),
    "program stream": encoded("a.mpg", "-c:v", "mpeg2video", "-bf", "2", "-g", "12"),
    "times repeat": timed("a.mkv", "floor(TS/66)*66"),
    "times jump back": timed("a.mkv", "if(gt(N,40),TS-1000,TS)"),
    "hidden frames": encoded("a.webm", *VP8),
    "fragments": encoded("a.mp4", *X264, "-movflags", "+frag_keyframe+empty_moov"),
    "cut off": cut_off("a.mkv", *X264),
    "cut off, index in front": cut_off("a.mp4", *X264, "-movflags", "+faststart", share=0.9),
    "flash": encoded("a.flv", *X264),
    "camcorder": encoded("a.m2ts", *X264),
    "editing": encoded("a.mxf", "-c:v", "mpeg2video", "-bf", "2", "-r", "30"),
}


@pytest.fixture(params=KINDS)
def kind(request, clean, tmp_path):
    """Path of a file, and the numbers that FFmpeg's tool shows, in its order."""
    name, make = KINDS[request.param]
    path = tmp_path / name
    make(clean, path)
    return path, shown_by_ffmpeg(path)


def shown_by_ffmpeg(path, height=64, width=96):
    options = ["-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo"]
    data = subprocess.run(
        [FFMPEG, "-loglevel", "quiet", "-i", str(path), *options, "-"],
        capture_output=True, check=False,
    ).stdout  # fmt: skip
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    return [frame_number(frame) for frame in frames]


def read_all(path, read=read_video, **options):
    return read(path, lambda timeline: np.arange(len(timeline.pts))[None], **options)


def numbers(frames):
    return [frame_number(frames.images[i]) for i in frames.index[0]]


@needs_ffmpeg
def test_frames_are_those_of_ffmpeg_in_its_order_and_alone(kind, monkeypatch):
    path, expected = kind
    assert len(expected) > 20
    whole = read_all(path)
    assert numbers(whole) == expected
    assert len(whole.timeline.seconds) == len(expected)
    assert whole.timeline.seconds[0] == 0
    assert np.all(np.diff(whole.timeline.seconds) > 0)
    rng = random.Random(len(expected))
    for k in [0, len(expected) - 1, *rng.sample(range(len(expected)), 4)]:
        assert numbers(read_video(path, lambda _, k=k: np.array([[k]]))) == [expected[k]], k
    monkeypatch.setattr(packets, "KEPT_BYTES", 0)  # as of a large file
    monkeypatch.setattr(reader, "HELD_BYTES", 0)
    k = rng.randrange(len(expected))
    assert numbers(read_video(path, lambda _: np.array([[k, 0]]))) == [expected[k], expected[0]]


@needs_ffmpeg
@pytest.mark.torchcodec
def test_torchcodec_is_used_only_where_it_agrees(kind):
    path, expected = kind
    read = READERS["torchcodec"]
    assert numbers(read_all(path, read)) == expected
    for k in random.Random(1).sample(range(len(expected)), 3):
        assert numbers(read(path, lambda _, k=k: np.array([[k]]))) == [expected[k]], k


@needs_ffmpeg
@pytest.mark.parametrize("name", ["times of decoding", "times restart", "edit list", "no times"])
def test_a_smaller_copy_keeps_every_frame_and_its_time(clean, tmp_path, name):
    file, make = KINDS[name]
    source, target = tmp_path / file, tmp_path / "small.mp4"
    make(clean, source)
    reencode(source, target, short_side=32)
    before, after = read_all(source), read_all(target)
    assert numbers(after) == numbers(before)
    assert np.allclose(before.timeline.seconds, after.timeline.seconds, atol=1e-3)


@needs_ffmpeg
@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_frames_are_turned_as_ffmpeg_turns_them(clean, tmp_path, turn, mirror):
    path = tmp_path / "turned.mp4"
    with av.open(str(clean)) as reading, av.open(str(path), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        stream.set_display_rotation(turn, hflip=mirror)
        for packet in reading.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                writing.mux(packet)
    options = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    shown = np.frombuffer(ffmpeg("-i", path, *options), np.uint8)
    one = lambda _: np.array([[0]])  # noqa: E731
    stored, turned = read_video(path, one), read_video(path, one, apply_rotation=True)
    assert stored.images.shape == (1, 64, 96, 3)
    assert [remark.kind for remark in stored.remarks] == [ROTATED]
    assert turned.remarks == ()
    assert np.array_equal(shown.reshape(turned.images.shape), turned.images)
    small = tmp_path / "small.mp4"
    reencode(path, small, short_side=32)
    assert [remark.kind for remark in read_video(small, one).remarks] == [ROTATED]


@needs_ffmpeg
def test_hdr_and_uneven_rates_are_named(clean, tmp_path):
    one = lambda _: np.array([[0]])  # noqa: E731
    hdr = ["-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"]
    ffmpeg("-i", clean, *X264, *hdr, tmp_path / "hdr.mp4")
    found = read_video(tmp_path / "hdr.mp4", one).remarks
    assert [(remark.kind, remark.detail[:2]) for remark in found] == [(HDR, "PQ")]
    gap = ["-vf", "select='not(between(n,30,50))'", "-vsync", "vfr"]
    ffmpeg("-i", clean, *gap, *X264, tmp_path / "gap.mp4")
    found = read_video(tmp_path / "gap.mp4", one).remarks
    assert [remark.kind for remark in found] == [UNEVEN]
    assert "0.0333 to 0.733 s apart" in found[0].detail


def test_the_default_stream_then_the_largest_and_no_cover_is_the_video(tmp_path):
    def write(path, sizes, default=None):
        with av.open(str(path), "w") as container:
            streams = []
            for i, (height, width) in enumerate(sizes):
                stream = container.add_stream("mpeg4", rate=30)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.disposition = av.stream.Disposition.default if i == default else 0
                streams.append(stream)
            for number in range(12):
                for stream in streams:
                    image = numbered_frame(number, height=stream.height, width=stream.width)
                    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                    container.mux(stream.encode(frame))
            for stream in streams:
                container.mux(stream.encode())
        return read_all(path).images.shape[1:3]

    assert write(tmp_path / "largest.mkv", [(32, 64), (64, 96)]) == (64, 96)
    assert write(tmp_path / "default.mkv", [(32, 64), (64, 96)], default=0) == (32, 64)


def test_what_cannot_be_decoded_is_named_and_the_rest_is_used(numbered_video):
    path = numbered_video(60, name="a.mkv", gop=10)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    whole = read_all(path)
    found = numbers(whole)
    assert len(found) < 60
    assert sorted(set(found)) == found or DAMAGED in {remark.kind for remark in whole.remarks}
    for k in (0, len(found) // 2, len(found) - 1):
        assert np.array_equal(
            read_video(path, lambda _, k=k: np.array([[k]])).images[0], whole.images[k]
        )


@pytest.mark.parametrize("backend", ["pyav", pytest.param("torchcodec", marks=TORCHCODEC)])
def test_every_shared_case_is_right(shared, monkeypatch, backend):
    monkeypatch.syspath_prepend(shared / "cases")
    from numbered import number

    read = READERS[backend]
    for name, expected in json.loads((shared / "cases/truth.json").read_text()).items():
        path, truth = shared / "cases/videos" / name, expected["numbers"]
        assert [number(image) for image in read_all(path, read).images] == truth, name
        k = len(truth) * 5 // 6
        alone = read(path, lambda _, k=k: np.array([[k]]))
        assert number(alone.images[0]) == truth[k], name
