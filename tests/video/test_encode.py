import errno
import os

import av
import numpy as np
import pytest

from tests.conftest import frame_number, numbered_frame, write_video
from timesformer.files import WriteError
from timesformer.video import VideoError, read_video
from timesformer.video.encode import Output, reencode, small_size


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((1920, 1080), 256, (456, 256)),
        ((1080, 1920), 256, (256, 456)),
        ((455, 257), 256, (454, 256)),
        ((320, 240), 256, (320, 240)),
        ((33, 21), 256, (32, 20)),
        ((1, 400), 256, (2, 400)),
    ],
)
def test_sizes_are_even_and_never_enlarged(size, side, expected):
    assert small_size(*size, side) == expected


def times(path):
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(video=0)]


def test_frames_keep_their_number_their_order_and_their_times(tmp_path):
    pts = np.cumsum([1, 1, 3, 1, 2] * 8).tolist()  # variable frame rate
    frames = [numbered_frame(i, height=120, width=180) for i in range(40)]
    source = write_video(tmp_path / "a.mkv", frames, pts=pts, options={"bf": "2"})
    target = tmp_path / "deep/a.mp4"
    reencode(source, target, short_side=80)
    images = read_video(target, lambda timeline: np.arange(len(timeline.pts))[None]).images
    assert images.shape == (40, 80, 120, 3)
    assert [frame_number(image) for image in images] == list(range(40))
    assert times(target) == pytest.approx(times(source), abs=2e-3)
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.name == "h264"


def test_what_is_complete_is_left_alone_and_nothing_partial_remains(tmp_path):
    (tmp_path / "b.mp4").write_text("complete")
    reencode(tmp_path / "missing.avi", tmp_path / "b.mp4", short_side=64)
    assert (tmp_path / "b.mp4").read_text() == "complete"
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"text\.mp4: cannot be re-encoded \(InvalidData.*replace"):
        reencode(tmp_path / "text.mp4", tmp_path / "c.mp4", short_side=64)
    whole = write_video(tmp_path / "whole.mp4", [numbered_frame(0)] * 20)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:200])
    with pytest.raises(VideoError, match=r"cut\.mp4: "):
        reencode(tmp_path / "cut.mp4", tmp_path / "c.mp4", short_side=64)
    assert not [
        path for path in tmp_path.iterdir() if "partial" in path.name or path.name == "c.mp4"
    ]


def test_real_files_survive(shared, tmp_path):
    for name in ("codecs/torchcodec__h264_10bits.mp4", "codecs/torchcodec__bt709_full_range.mp4",
                 "videos/feluda__v_BenchPress_g05_c04.avi", "videos/intel_asl__no.mkv"):  # fmt: skip
        target = tmp_path / "out" / f"{name}.mp4"
        reencode(shared / name, target, short_side=128)
        pair = [read_video(path, lambda t: np.array([[len(t.pts) // 2]])).images[0]
                for path in (shared / name, target)]  # fmt: skip
        assert min(pair[1].shape[:2]) == 128
        assert abs(pair[0].mean(axis=(0, 1)) - pair[1].mean(axis=(0, 1))).max() < 6, name


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    source = write_video(tmp_path / "a.mp4", [numbered_frame(i) for i in range(30)])

    def full(self, data):
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise self.error

    monkeypatch.setattr(Output, "write", full)
    with pytest.raises(WriteError, match=r"--out .*small\.mp4 cannot be written: No space left"):
        reencode(source, tmp_path / "out" / "small.mp4", short_side=32)
    assert list((tmp_path / "out").iterdir()) == []
