"""Annotated copies play: same frames at the same times, with a class on them."""

import contextlib
import time
from functools import partial

import av
import cv2
import numpy as np
import pytest
import torch

from tests.conftest import frame_number, numbered_frame
from timesformer.files import WriteError, write_atomically
from timesformer.inference import annotate
from timesformer.inference.predictor import Prediction
from timesformer.video import VideoError


def prediction(video, name="waving"):
    return Prediction(str(video), torch.tensor([0.0, 2.0]), torch.tensor([0.1, 0.9]), ("no", name))


def decoded(path):
    """(seconds, picture) of every frame."""
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert not container.streams.audio
        return [
            (frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("times", [None, [0, 1, 2, 5, 6, 11, 12, 13, 14, 20, 21, 22]])
def test_an_annotated_copy_has_the_frames_at_their_times(numbered_video, tmp_path, times):
    source = numbered_video(12, height=65, width=97, codec="ffv1", name="a.mkv", pts=times)
    annotate.annotate(prediction(source), tmp_path / "b.mp4")
    found = decoded(tmp_path / "b.mp4")
    expected = times or range(12)
    assert [seconds for seconds, _ in found] == pytest.approx([t / 30 for t in expected], abs=2e-3)
    assert [frame_number(picture[:40]) for _, picture in found] == list(range(12))
    assert found[0][1].shape == (64, 96, 3)


def test_an_annotated_copy_of_a_video_without_times_has_all_its_frames(numbered_video, tmp_path):
    source = numbered_video(12, name="a.h264")
    annotate.annotate(prediction(source), tmp_path / "b.mp4")
    found = decoded(tmp_path / "b.mp4")
    assert [frame_number(picture[:40]) for _, picture in found] == list(range(12))


def test_an_annotated_copy_is_upright(tmp_path):
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(90)
        for i in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(i), "rgb24")))
        container.mux(stream.encode())
    annotate.annotate(prediction(path), tmp_path / "b.mp4")
    assert {picture.shape for _, picture in decoded(tmp_path / "b.mp4")} == {(96, 64, 3)}


def test_the_time_limit_is_of_each_frame_and_not_of_the_whole_video(
    numbered_video, tmp_path, monkeypatch
):
    class Slow(annotate.Decoder):
        def frames(self):
            for frame in super().frames():
                time.sleep(0.05)
                yield frame

    monkeypatch.setattr(annotate, "Decoder", Slow)
    annotate.annotate(prediction(numbered_video(12)), tmp_path / "b.mp4", seconds=0.4)
    assert len(decoded(tmp_path / "b.mp4")) == 12


def test_the_text_is_on_a_dark_bar_and_fits():
    picture = np.full((120, 160, 3), 200, np.uint8)
    plain = annotate.put_text(picture.copy(), "")
    assert (plain[:98] == 200).all()
    assert (plain[98:] == 50).all()
    short = annotate.put_text(picture.copy(), "waving")
    assert (short != plain).any()
    assert (short[:98] == 200).all()
    long = annotate.put_text(picture.copy(), "a very long name of a class that is no word at all")
    assert (long[98:, 155:] == 50).all()
    same = [annotate.put_text(picture.copy(), text) for text in ("caf\u00e9", "caf?")]
    assert np.array_equal(*same)


def test_a_frame_folder_becomes_a_video(tmp_path):
    (tmp_path / "frames").mkdir()
    for i in range(5):
        cv2.imwrite(str(tmp_path / f"frames/{i}.png"), numbered_frame(i))
    annotate.annotate(prediction(tmp_path / "frames"), tmp_path / "b.mp4")
    found = decoded(tmp_path / "b.mp4")
    assert [frame_number(picture[:40]) for _, picture in found] == list(range(5))
    assert found[-1][0] == pytest.approx(4 / 30, abs=2e-3)


def test_a_copy_that_cannot_be_written_is_an_error(numbered_video, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"--annotate .*b\.mp4 cannot be written"):
        annotate.annotate(prediction(numbered_video(3)), tmp_path / "file/b.mp4")


def test_a_video_without_frames_leaves_an_older_copy_as_it_was(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "b.mp4").write_text("older")
    with pytest.raises(VideoError):
        annotate.annotate(prediction(tmp_path / "empty.mp4"), tmp_path / "b.mp4")
    assert (tmp_path / "b.mp4").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mp4", "empty.mp4"]


@pytest.mark.parametrize("after", [0, 1000])
def test_a_disk_that_fills_up_leaves_no_torn_copy(numbered_video, tmp_path, monkeypatch, after):
    out = tmp_path / "out"
    monkeypatch.setattr(annotate, "write_atomically", partial(_until_full, after=after))
    with pytest.raises(WriteError, match=r"b\.mp4 cannot be written: No space left on device"):
        annotate.annotate(prediction(numbered_video(12)), out / "b.mp4")
    assert not list(out.iterdir())


@contextlib.contextmanager
def _until_full(path, mode, *, option, after):
    """``write_atomically`` on a disk that has room for some bytes."""

    class Disk:
        def __init__(self, file):
            self.file = file
            self.seek, self.tell = file.seek, file.tell

        def write(self, data):
            if self.file.tell() + len(data) > after:
                raise OSError(28, "No space left on device")
            return self.file.write(data)

    with write_atomically(path, mode, option=option) as file:
        yield Disk(file)
