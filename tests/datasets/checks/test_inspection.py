"""What a scan says of good, cut, empty and foreign files, and of the shared real ones."""

import csv

import av
import cv2
import numpy as np
import pytest

from tests.conftest import numbered_frame, write_video
from timesformer.datasets.checks.inspection import inspect_video, thumbnail_strip, video_seconds
from timesformer.datasets.checks.video_info import VideoInfo, picture


def test_a_sound_file(numbered_video):
    facts = inspect_video(str(numbered_video(60, height=48, width=64)))
    assert facts._replace(content="", picture="") == VideoInfo(
        60, 60, 30.0, 2.0, 64, 48, "h264", "", "", "", ""
    )
    assert len(bytes.fromhex(facts.content)) == 16
    assert len(bytes.fromhex(facts.picture)) == 3 * 8 * 9


def test_real_videos_have_the_frames_of_the_manifest(shared):
    with (shared / "videos/manifest.csv").open() as file:
        rows = [
            row for row in csv.DictReader(file) if row["frames_header"] != row["frames_decoded"]
        ]
    assert len(rows) >= 20  # mkv without a count, packed AVIs
    for row in rows[::3]:
        facts = inspect_video(str(shared / "videos" / row["file"]))
        assert facts.frames == int(row["frames_decoded"]), row["file"]
        assert facts.problem == "", (row["file"], facts.detail)


def test_the_shared_codecs_are_sound(shared):
    for path in sorted((shared / "codecs").iterdir()):
        if path.suffix in {".mp4", ".mkv", ".gif"}:
            assert inspect_video(str(path)).problem == "", path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "front.mp4"])
def test_a_cut_file_is_truncated(tmp_path, name):
    frames = [np.roll(numbered_frame(i), i, axis=0) for i in range(90)]
    path = tmp_path / name
    codec = "mpeg4" if path.suffix == ".avi" else "libx264"
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    assert inspect_video(str(path)).problem == ""
    facts = inspect_video(str(cut(path, 0.6)))
    assert facts.problem == "truncated"
    assert 5 < facts.frames < 80
    assert "promised" in facts.detail


def test_a_file_cut_before_its_index_is_unreadable(numbered_video):
    facts = inspect_video(str(cut(numbered_video(60), 0.9)))  # moov is at the end
    assert facts.problem == "unreadable"
    assert facts.detail
    assert facts.content


@pytest.mark.parametrize("content", [b"no video\n" * 50, b""])
def test_text_and_empty_files_are_unreadable(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert inspect_video(str(path)).problem == "unreadable"


def test_a_file_without_video_stream_is_unreadable(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    facts = inspect_video(str(path))
    assert facts.problem == "unreadable"
    assert facts.detail == "no video stream; remove it from the list"


@pytest.fixture
def empty_video(tmp_path):
    """A header that promises 12 frames, and nothing behind it."""
    path = write_video(tmp_path / "header only.avi", [numbered_frame(0)] * 12, codec="mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    return path


def test_a_stream_without_decodable_frames(empty_video):
    facts = inspect_video(str(empty_video))
    assert (facts.problem, facts.frames) == ("zero frames", 0)
    assert "none of 12 frames" in facts.detail


def test_a_damaged_file_is_named_and_its_frames_counted(numbered_video):
    path = numbered_video(60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 60] = b"\xff" * 60
    path.write_bytes(data)
    facts = inspect_video(str(path))
    assert facts.problem in {"damaged", "truncated", ""}  # what the decoder conceals, it hides
    assert facts.frames > 30


def test_a_picture_is_the_mean_brightness_of_cells():
    image = np.repeat(np.arange(9, dtype=np.uint8) * 20, 10)[None].repeat(80, axis=0)
    cells = np.frombuffer(bytes.fromhex(picture([image, image])), np.uint8).reshape(2, 8, 9)
    assert (cells == np.arange(9) * 20).all()


def test_a_strip_is_four_frames_side_by_side(numbered_video):
    jpeg = thumbnail_strip(str(numbered_video(60, height=36, width=64)))
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (72, 4 * 128, 3)


def test_a_strip_needs_a_frame(empty_video):
    with pytest.raises(ValueError, match="no decodable frame; re-encode it"):
        thumbnail_strip(str(empty_video))


def test_the_length_of_a_video_is_known_without_decoding(numbered_video, monkeypatch):
    monkeypatch.setattr("timesformer.video.by_list.ListedDecoder.decode", None)
    monkeypatch.setattr("timesformer.video.reader.decode_whole", None)
    assert video_seconds(str(numbered_video(45))) == pytest.approx(1.5)
