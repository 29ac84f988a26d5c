"""Frames that need no decoding of video: image files and decoded arrays, read like a video."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from timesformer.video.reader import Frames, Select, VideoError
from timesformer.video.sources import open_binary
from timesformer.video.timeline import Timeline

FOLDER_FPS = 30.0  # of frame folders, which do not tell


def read_folder(files: Sequence[str | Path], select: Select) -> Frames:
    """The frames that ``select`` chooses from image files, one frame each, in the order given.

    Raises:
        VideoError: the list is empty, a file is missing or is no image, or sizes differ.
    """
    if not files:
        raise VideoError("a frame folder without frames; remove it from the list")
    unique, index = _choose(len(files), select, fps=FOLDER_FPS)
    images = [_read_image(files[i]) for i in unique]
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise VideoError(f"{files[0]}: the frames of one video differ in size: {sorted(sizes)}")
    return Frames(np.stack(images), index)


def choose_images(images: np.ndarray, select: Select, *, fps: float) -> Frames:
    """The frames that ``select`` chooses from decoded ones, (N, H, W, 3) uint8 RGB.

    Raises:
        VideoError: there are none.
    """
    if not len(images):
        raise VideoError("a video of no frames; give it some")
    unique, index = _choose(len(images), select, fps=fps)
    return Frames(images[unique], index)


def _choose(count: int, select: Select, *, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """The chosen ones of ``count`` frames, and (V, T) which of them is where."""
    indices = select(Timeline(np.arange(count), fps=fps, tick_seconds=1 / fps))
    unique, index = np.unique(indices, return_inverse=True)
    return unique, index.reshape(indices.shape)


def _read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    try:
        with open_binary(path) as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise VideoError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error
    if image is None:
        raise VideoError(f"{path}: not an image; extract the frame again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
