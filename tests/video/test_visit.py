"""Frames that pass by one after the other are those that a random reader gives, of every file."""

import av
import numpy as np
import pytest

from tests.conftest import SHARED, frame_number
from timesformer.video import VideoError, read_video
from timesformer.video.visit import visit_frames, visit_images

FILES = [path for folder in ("codecs", "cases/videos", "videos") if (SHARED / folder).is_dir()
         for path in sorted((SHARED / folder).iterdir()) if path.suffix != ".csv"]  # fmt: skip


class Every:
    """Wants every ``step``-th frame."""

    def __init__(self, step):
        self.step, self.seen, self.begun = step, {}, 0

    def begin(self, timeline, errors=()):
        self.seen.clear()
        self.begun += 1
        self.timeline = timeline
        return np.arange(0, len(timeline.pts), self.step)

    def take(self, place, image):
        self.seen[place] = image


@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path and path.name)
def test_a_passing_frame_is_the_frame_that_is_asked_for(path):
    if path is None:
        pytest.skip(f"needs the reference data in {SHARED}")
    visitor = Every(7)
    found = visit_frames(path, visitor)
    alone = read_video(path, lambda timeline: np.arange(0, len(timeline.pts), 7)[None])
    assert list(visitor.seen) == alone.indices[0].tolist()
    assert np.array_equal(found.timeline.pts, alone.timeline.pts)
    assert found.remarks == alone.remarks
    for place, image in zip(visitor.seen, alone.images, strict=True):
        if image.shape == visitor.seen[place].shape:  # a reader gives all frames one size
            assert np.array_equal(image, visitor.seen[place])


def test_each_frame_is_decoded_once(numbered_video):
    visitor = Every(1)
    found = visit_frames(numbered_video(100), visitor)
    assert found.decoded == 100
    assert [frame_number(image) for image in visitor.seen.values()] == list(range(100))
    assert (
        visit_frames(numbered_video(100), Every(60)).decoded < 60
    )  # what nobody wants is jumped over


def test_a_damaged_video_is_begun_again_with_the_frames_it_has(numbered_video):
    path = numbered_video(120, gop=30)
    with av.open(str(path)) as container:
        packets = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    content = bytearray(path.read_bytes())
    for start, size in packets[60:75]:
        content[start + 12 : start + size] = bytes(max(size - 12, 0))
    path.write_bytes(content)
    visitor = Every(1)
    found = visit_frames(path, visitor)
    assert visitor.begun == 2
    assert found.errors
    assert list(visitor.seen) == list(range(len(found.timeline.pts)))


def test_a_folder_of_frames_passes_by(tmp_path):
    import cv2

    for i in range(5):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), 10 * i, np.uint8))
    visitor, released = Every(2), []
    files = [str(tmp_path / f"{i}.png") for i in range(5)]
    visit_images(files, visitor, release=released.append)
    assert released == [None] * 3
    assert {place: int(image[0, 0, 0]) for place, image in visitor.seen.items()} == {
        0: 0,
        2: 20,
        4: 40,
    }


def test_a_file_without_video_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match="a.mp4"):
        visit_frames(tmp_path / "a.mp4", Every(1))
