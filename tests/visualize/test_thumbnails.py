import os
import time

import cv2
import numpy as np
import pytest

from tests.conftest import frame_number
from timesformer.visualize import thumbnails
from timesformer.visualize.thumbnails import HEIGHT, MOST_BYTES, gallery_frames


def decode(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def numbers(jpegs):
    return [frame_number(decode(jpeg)[..., ::-1]) for jpeg in jpegs]


def test_frames_are_spread_over_the_video_or_over_its_seconds(numbered_video):
    video = str(numbered_video(60, height=96, width=144))
    found = gallery_frames({video: None}, workers=1)
    assert numbers(found[video]) == [7, 30, 52]
    found = gallery_frames({video: (1.0, 1.633)}, workers=1)  # frames 30 to 49
    assert numbers(found[video]) == [32, 40, 47]
    found = gallery_frames({video: (99.0, 100.0)}, workers=1)
    assert numbers(found[video]) == [7, 30, 52]


def test_a_folder_of_frames_and_a_source_of_another_name(tmp_path):
    for i in range(10):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((48, 64, 3), 20 * i, np.uint8))
    found = gallery_frames({"a": None}, sources={"a": str(tmp_path)}, workers=1)
    assert [round(decode(jpeg).mean() / 20) for jpeg in found["a"]] == [1, 5, 8]
    assert decode(found["a"][0]).shape == (HEIGHT, 128, 3)


def test_broken_and_absent_videos_have_no_frames(tmp_path, numbered_video):
    good = str(numbered_video(12))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    names = [str(tmp_path / name) for name in ("broken.mp4", "absent.mp4", "empty")]
    found = gallery_frames(dict.fromkeys([*names, good]), workers=2)
    assert list(found) == [*names, good]
    assert [len(found[name]) for name in found] == [0, 0, 0, 3]


def test_no_videos_are_no_frames():
    assert gallery_frames({}, workers=2) == {}


def test_a_frame_of_noise_is_small_too(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (240, 426, 3), np.uint8)
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), noise)
    found = gallery_frames({str(tmp_path): None}, workers=1)
    assert all(len(jpeg) <= MOST_BYTES for jpeg in found[str(tmp_path)])


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe in the file system")
def test_a_video_that_does_not_answer_is_given_up(tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    started = time.monotonic()
    assert gallery_frames({str(pipe): None}, workers=1, seconds=0.5) == {str(pipe): []}
    assert time.monotonic() - started < 30


def test_progress_is_shown(numbered_video):
    totals = []

    def progress(results, total):
        totals.append(total)
        return results

    gallery_frames({str(numbered_video(12)): None}, workers=1, progress=progress)
    assert totals == [1]
    assert tuple(sorted(thumbnails.FRAMES_AT)) == thumbnails.FRAMES_AT
