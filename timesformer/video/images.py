"""Frames that need no decoding of video: image files and decoded arrays, read like a video."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from timesformer.video.frames import Frames, FrameSelector, choose_frames
from timesformer.video.open_video import VideoError
from timesformer.video.sources import open_binary
from timesformer.video.timeline import Timeline

FOLDER_FPS = 30.0  # assumed of frame folders


def read_folder(files: Sequence[str | Path], select: FrameSelector) -> Frames:
    """The frames that ``select`` chooses from image files, one frame each, in the order given.

    Raises:
        VideoError: the list is empty, a file is missing or is not an image, or sizes differ.
    """
    if not files:
        raise VideoError("a frame folder without frames; remove it from the list")
    chosen = choose_frames(even_timeline(len(files), FOLDER_FPS), select)
    images = [read_image(files[i]) for i in chosen.unique]
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise VideoError(f"{files[0]}: the frames of one video differ in size: {sorted(sizes)}")
    return chosen.frames(np.stack(images))


def choose_images(images: np.ndarray, select: FrameSelector, *, fps: float) -> Frames:
    """The frames that ``select`` chooses from decoded ones, (N, H, W, 3) uint8 RGB.

    Raises:
        VideoError: there are none.
    """
    if not len(images):
        raise VideoError("a video of no frames; give it some")
    chosen = choose_frames(even_timeline(len(images), fps), select)
    return chosen.frames(images[chosen.unique])


def even_timeline(count: int, fps: float) -> Timeline:
    """The timeline of ``count`` frames at a constant rate."""
    return Timeline(np.arange(count), fps=fps, tick_seconds=1 / fps)


def read_image(path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    try:
        with open_binary(path) as file:
            image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise VideoError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error
    if image is None:
        raise VideoError(f"{path}: not an image; extract the frame again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
