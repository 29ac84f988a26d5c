"""torchcodec against PyAV: the same frames at the same indices, on made and on real files."""

import builtins
import struct
from collections import Counter

import av
import numpy as np
import pytest
import torch

from tests.conftest import frame_number, numbered_frame, write_video
from timesformer.video import (
    BackendError,
    VideoError,
    check_torchcodec,
    read_torchcodec,
    read_video,
    torchcodec_reader,
)

needs_torchcodec = pytest.mark.torchcodec

MEAN_TOLERANCE = 0.05  # grey levels; measured: 0, or 0.0003 at most for MPEG-4
TEN_BIT_TOLERANCE = 3.0  # measured: 2.9


def choose(indices):
    return lambda timeline: np.array(indices)[None]


def numbers(frames):
    return [frame_number(frames.images[i]) for i in frames.index[0]]


@pytest.fixture
def fallbacks(monkeypatch):
    """The files that PyAV had to read, as they come."""
    read = []

    def count(path, select, **kwargs):
        read.append(str(path))
        return read_video(path, select, **kwargs)

    monkeypatch.setattr(torchcodec_reader, "read_video", count)
    return read


def write_fragment(path, frames, **kwargs):
    """Without an index or a duration in the header."""
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_wrong_count(path, frames, **kwargs):
    """The header of a Matroska file counts no frames; here its claim of the duration is wrong too."""
    write_video(path.with_suffix(".mkv"), frames)
    data = bytearray(path.with_suffix(".mkv").read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a float of 8 bytes
    data[at : at + 8] = struct.pack(">d", 100_000.0)
    path.write_bytes(data)
    return path


def rotated(path, frames, **kwargs):
    """A display matrix of 90 degrees, as telephones write it."""
    write_video(path, frames)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def video(**fixed):
    return lambda path, frames: write_video(path, frames, **fixed)


OPEN_GOP = {"g": "12", "bf": "3", "x264-params": "open-gop=1:keyint=12:min-keyint=12:scenecut=0"}
TIMES = [i + i * i // 16 for i in range(60)]
MADE = {
    "variable frame rate": ("a.mp4", video(pts=TIMES), False),
    "b-frames": ("a.mp4", video(options={"g": "15", "bf": "3"}), False),
    "open gop": ("a.mp4", video(options=OPEN_GOP), False),
    "open gop mkv": ("a.mkv", video(options=OPEN_GOP), False),
    "intra": ("a.mp4", video(options={"g": "1"}), False),
    "fragments, no duration": ("a.mp4", write_fragment, False),
    "wrong duration, no count": ("b.webm", write_wrong_count, False),
    "transport stream": ("a.ts", video(options={"g": "12", "bf": "0"}), True),
    "10 bit": ("a.mp4", video(pix_fmt="yuv420p10le"), False),
    "full range": ("a.mp4", video(pix_fmt="yuvj420p"), False),
    "4:4:4": ("a.mp4", video(pix_fmt="yuv444p"), False),
    "mpeg4": ("a.mp4", video(codec="mpeg4", options={"bf": "2", "g": "12"}), False),
    "avi": ("a.avi", video(codec="mpeg4", options={"bf": "0"}), True),
    "rotation": ("a.mp4", rotated, True),
}


@needs_torchcodec
@pytest.mark.parametrize("case", MADE)
def test_made_files_give_the_frames_of_pyav(tmp_path, fallbacks, case):
    name, write, falls_back = MADE[case]
    path = write(tmp_path / name, [numbered_frame(i) for i in range(60)])
    for indices in ([0], [59], [30, 31, 32], [5, 20, 41, 59], [7, 7, 50, 3], range(60)):
        ours, theirs = (read(path, choose(list(indices))) for read in (read_torchcodec, read_video))
        assert numbers(ours) == numbers(theirs)
        assert ours.images.shape == theirs.images.shape
        assert np.array_equal(ours.index, theirs.index)
        assert numbers(ours) == list(indices)
    assert bool(fallbacks) == falls_back


@needs_torchcodec
@pytest.mark.parametrize("size", [(50, 34), (66, 98), (35, 51)])
def test_odd_sizes(tmp_path, size):
    frames = [numbered_frame(i, height=size[0], width=size[1]) for i in range(9)]
    path = write_video(tmp_path / "a.mp4", frames, pix_fmt="yuv444p")
    images = read_torchcodec(path, choose([2, 8])).images
    assert images.shape == (2, *size, 3)
    assert np.array_equal(images, read_video(path, choose([2, 8])).images)


@needs_torchcodec
@pytest.mark.parametrize("multi_thread", [False, True])
def test_threads_do_not_change_frames(tmp_path, multi_thread):
    path = write_video(tmp_path / "a.mp4", map(numbered_frame, range(60)))
    frames = read_torchcodec(path, choose([3, 33, 59]), multi_thread=multi_thread)
    assert numbers(frames) == [3, 33, 59]


@needs_torchcodec
def test_every_real_file_gives_the_frames_of_pyav(shared, fallbacks):
    files = [*(shared / "videos").glob("*.*"), *(shared / "codecs").glob("*")]
    read = Counter()
    for path in sorted(path for path in files if path.suffix != ".csv"):
        rng = np.random.default_rng(len(path.name))
        timelines = []

        def select(timeline, rng=rng, timelines=timelines):
            timelines.append(timeline)
            clip = np.linspace(0, len(timeline.pts) - 1, 8).astype(int)
            return np.stack([clip, np.sort(np.minimum(clip + 1, len(timeline.pts) - 1))])

        fallbacks.clear()
        ours, theirs = read_torchcodec(path, select), read_video(path, select)
        assert np.array_equal(timelines[0].pts, timelines[-1].pts) or fallbacks, path.name
        assert ours.images.shape == theirs.images.shape, path.name
        assert np.array_equal(ours.index, theirs.index), path.name
        ten_bit = "10bits" in path.name
        difference = np.abs(ours.images.astype(np.int16) - theirs.images)
        worst = difference.mean(axis=(1, 2, 3)).max()
        assert worst <= (TEN_BIT_TOLERANCE if ten_bit else MEAN_TOLERANCE), (path.name, worst)
        assert nearest(ours.images, theirs.images) == list(range(len(ours.images))), path.name
        read["pyav" if fallbacks else "torchcodec"] += 1
        assert bool(fallbacks) == (path.suffix in {".avi", ".gif"}), path.name
    assert read["torchcodec"] > read["pyav"] > 0


def nearest(images, others):
    """Which of ``others`` each image is most like; itself where it is as good as any."""
    small, references = (stack[:, ::4, ::4].astype(np.float32) for stack in (images, others))
    best = []
    for i, image in enumerate(small):
        distances = np.abs(references - image).mean(axis=(1, 2, 3))
        best.append(i if distances[i] <= distances.min() else int(distances.argmin()))
    return best


@needs_torchcodec
def test_bytes_from_elsewhere_are_decoded_too(tmp_path, fallbacks):
    import fsspec

    path = write_video(tmp_path / "a.mp4", map(numbered_frame, range(60)))
    fsspec.filesystem("memory").pipe("/torchcodec.mp4", path.read_bytes())
    frames = read_torchcodec("memory://torchcodec.mp4", choose([3, 33, 59]))
    assert numbers(frames) == [3, 33, 59]
    assert not fallbacks


@needs_torchcodec
def test_frames_of_other_times_than_listed_are_left_to_pyav(tmp_path, fallbacks, monkeypatch):
    path = write_video(tmp_path / "a.mp4", map(numbered_frame, range(60)))
    described = torchcodec_reader._describe(str(path), name=path)

    def shifted(source, name):
        return described._replace(pts=described.pts + 1)

    monkeypatch.setattr(torchcodec_reader, "_describe", shifted)
    assert numbers(read_torchcodec(path, choose([3, 33]))) == [3, 33]
    shorter = described.timeline._replace(pts=described.timeline.pts[:-1])
    monkeypatch.setattr(
        torchcodec_reader, "_describe", lambda source, name: described._replace(timeline=shorter)
    )
    assert numbers(read_torchcodec(path, choose([3, 33]))) == [3, 33]
    assert len(fallbacks) == 2


@needs_torchcodec
def test_broken_files_are_named_and_truncated_ones_read(tmp_path):
    (tmp_path / "text.mp4").write_text("no video" * 50)
    for name in ("text.mp4", "gone.mp4"):
        with pytest.raises(VideoError, match=rf"{name}: cannot be decoded"):
            read_torchcodec(tmp_path / name, choose([0]))
    options = {"g": "10", "bf": "0"}
    path = write_video(tmp_path / "cut.mkv", map(numbered_frame, range(60)), options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ours, theirs = (read(path, choose([0, 9, 14])) for read in (read_torchcodec, read_video))
    assert np.array_equal(ours.images, theirs.images)


def test_a_missing_package_is_named_with_the_ways_out(monkeypatch, tmp_path):
    original = builtins.__import__

    def without(name, *args):
        if name.startswith("torchcodec"):
            raise RuntimeError("\nCould not load libtorchcodec.\nLikely causes: ...")
        return original(name, *args)

    torchcodec_reader._decoder_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    message = (
        r"DATA.DECODING_BACKEND is 'torchcodec', but it cannot be loaded \(Could not load "
        r"libtorchcodec\.\); install .*\[codec\].*FFmpeg.*DATA.DECODING_BACKEND pyav"
    )
    with pytest.raises(BackendError, match=message):
        check_torchcodec()
    with pytest.raises(BackendError, match=message):
        read_torchcodec(tmp_path / "a.mp4", choose([0]))


@needs_torchcodec
def test_a_missing_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="DECODING_DEVICE is 'cuda', but .* set it to cpu"):
        check_torchcodec("cuda")


@needs_torchcodec
def test_a_gpu_that_fails_is_no_secret(tmp_path, monkeypatch):
    """Here every decoder fails on cuda; PyAV's frames come with the reason."""
    monkeypatch.setattr(torchcodec_reader, "check_torchcodec", lambda device: None)
    path = write_video(tmp_path / "a.mp4", map(numbered_frame, range(20)))
    if not torch.cuda.is_available():
        frames = read_torchcodec(path, choose([3, 13]), device="cuda")
        assert numbers(frames) == [3, 13]
        assert frames.fallback.startswith(f"{path}: ")
    path = write_video(tmp_path / "a.avi", map(numbered_frame, range(20)), options={"bf": "0"})
    frames = read_torchcodec(path, choose([3, 13]), device="cuda")
    assert frames.fallback == f"{path}: avi does not find a packet by its time"
    assert read_torchcodec(path, choose([3]), device="cpu").fallback == ""


@needs_torchcodec
@pytest.mark.cuda
def test_the_gpu_gives_the_same_frames(tmp_path):
    path = write_video(
        tmp_path / "a.mp4", [numbered_frame(i, height=256, width=320) for i in range(60)]
    )
    assert numbers(read_torchcodec(path, choose([3, 33, 59]), device="cuda")) == [3, 33, 59]
