import cv2
import numpy as np
import pytest

from tests.conftest import frame_number
from timesformer.datasets.checks.stills import encode_jpeg, read_stills
from timesformer.video import VideoError


def test_stills_are_frames_at_fractions_of_the_video(numbered_video):
    path = str(numbered_video(40))
    assert [frame_number(image) for image in read_stills(path, (0.0, 0.5, 0.99))] == [0, 20, 39]
    inside = read_stills(path, (0.0, 0.99), span=(0.5, 1.0))  # both ends are shown
    assert [frame_number(image) for image in inside] == [15, 30]


def test_a_broken_video_is_an_error(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"a\.mp4"):
        read_stills(str(tmp_path / "a.mp4"), (0.5,))


def test_a_jpeg_has_the_height_and_at_most_the_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    large = encode_jpeg([noise, noise], height=100)
    small = encode_jpeg([noise, noise], height=100, most_bytes=len(large) // 2)
    assert len(small) <= len(large) // 2
    for data in (large, small):
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (100, 300, 3)


def test_colours_are_those_of_the_frames():
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 255
    blue, _, found = cv2.imdecode(
        np.frombuffer(encode_jpeg([red], height=20), np.uint8), cv2.IMREAD_COLOR
    )[10, 10]
    assert (found > 240, blue < 15) == (True, True)
