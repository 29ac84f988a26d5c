"""A few frames of a video as small JPEG files, for people to look at.

A video is a file, a folder of frames, a URL, or a member of a tar. Imports no torch: a process that
decodes only pictures starts at once.
"""

import os
from collections.abc import Sequence

import cv2
import numpy as np

from timesformer.datasets.checks.video_info import places
from timesformer.datasets.folders import frame_files
from timesformer.video.images import read_folder
from timesformer.video.reader import read_video
from timesformer.video.timeline import Indices, Timeline

Span = tuple[float, float]  # seconds

QUALITIES = (80, 70, 55, 40, 25, 10)  # of JPEG, until a picture is small enough


def read_stills(
    path: str, fractions: tuple[float, ...], *, span: Span | None = None
) -> list[np.ndarray]:
    """RGB frames (H, W, 3) at ``fractions`` of the frames of a video, or of those within ``span``.

    Raises:
        VideoError: no frame can be decoded.
    """
    cv2.setNumThreads(0)  # several processes decode at once

    def select(timeline: Timeline) -> Indices:
        first, end = _range(timeline, span)
        return np.array([[first + place for place in places(end - first, fractions)]])

    files = frame_files(path) if os.path.isdir(path) else []
    frames = read_folder(files, select) if files else read_video(path, select)
    return [frames.images[i] for i in frames.index[0]]


def _range(timeline: Timeline, span: Span | None) -> tuple[int, int]:
    """The first frame within ``span`` and the one behind the last; of a span without frames all."""
    if span is None:
        return 0, len(timeline.pts)
    slack = timeline.frame_seconds / 2  # the seconds of a table are rounded
    low, high = np.searchsorted(timeline.seconds, [span[0] - slack, span[1] + slack])
    return (int(low), int(high)) if low < high else (0, len(timeline.pts))


def encode_jpeg(
    images: Sequence[np.ndarray], *, height: int, most_bytes: int | None = None
) -> bytes:
    """RGB images of one video side by side, ``height`` pixels high, as a JPEG file.

    Args:
        images: at least one.
        height: of the file.
        most_bytes: of the file; reached by a lower quality, as far as that goes.
    """
    first_height, first_width = images[0].shape[:2]
    size = (max(first_width * height // first_height, 1), height)
    same = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    picture = np.hstack(same)[..., ::-1]
    data = b""
    for quality in QUALITIES if most_bytes is not None else QUALITIES[1:2]:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if most_bytes is None or len(data) <= most_bytes:
            break
    return data
