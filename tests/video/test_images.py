"""Frame folders against the images that were written, decoded frames against themselves."""

import cv2
import numpy as np
import pytest

from tests.conftest import numbered_frame
from tests.video.test_reader import choose, numbers
from timesformer.video import VideoError, read_folder
from timesformer.video.images import choose_images


def test_frame_folders_are_read_in_the_order_given_as_rgb(tmp_path):
    files = []
    for i in range(4):
        files.append(tmp_path / f"frame {i}.png")
        cv2.imwrite(str(files[-1]), numbered_frame(i, tint=(10, 20, 255)))  # BGR: red
    frames = read_folder(files, choose([3, 0, 3]))
    assert numbers(frames) == [3, 0, 3]
    assert frames.images[-1][..., 0].max() == 255
    assert frames.images[-1][..., 2].max() == 10


def test_broken_frame_folders_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), numbered_frame(1))
    cv2.imwrite(str(tmp_path / "b.png"), numbered_frame(1, height=32))
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(VideoError, match="folder without frames"):
        read_folder([], choose([0]))
    with pytest.raises(VideoError, match=r"gone\.png: cannot be read"):
        read_folder([tmp_path / "gone.png"], choose([0]))
    with pytest.raises(VideoError, match=r"c\.png: not an image"):
        read_folder([tmp_path / "c.png"], choose([0]))
    with pytest.raises(VideoError, match="differ in size"):
        read_folder([tmp_path / "a.png", tmp_path / "b.png"], choose([0, 1]))


def test_decoded_frames_are_chosen_like_those_of_a_file():
    images = np.stack([numbered_frame(i) for i in range(6)])
    frames = choose_images(images, choose([5, 2, 5]), fps=25)
    assert numbers(frames) == [5, 2, 5]
    assert len(frames.images) == 2


def test_no_frames_at_all_are_refused():
    with pytest.raises(VideoError, match="a video of no frames; give it some"):
        choose_images(np.empty((0, 4, 4, 3), np.uint8), choose([0]), fps=25)
