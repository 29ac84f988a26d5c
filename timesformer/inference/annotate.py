"""A video written again with classes on it."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from timesformer.config import CfgNode, portable
from timesformer.datasets.folders import frame_files
from timesformer.files import write_atomically
from timesformer.inference.predictor import Prediction
from timesformer.io.terminal import printable
from timesformer.io.timelimit import TimeLimitError, iterate_with_timeout
from timesformer.video import VideoError
from timesformer.video.decoding import Decoder
from timesformer.video.encode import Output, write_h264
from timesformer.video.images import FOLDER_FPS, read_image
from timesformer.video.open_video import open_video
from timesformer.video.sound import open_sound, with_sound
from timesformer.video.streams import display_matrix, read_header, turn
from timesformer.video.timeline import from_decoder

H264 = {"crf": "20", "preset": "veryfast", "bf": "0"}
TICKS = Fraction(1, 90000)  # of a second; MPEG's clock, fine enough for any frame rate
FONT = cv2.FONT_HERSHEY_SIMPLEX
BAR = 0.09  # height of the bar with the text, in heights of the frame
LEAST_BAR = 22  # pixels


def build_copy(prediction: Prediction, cfg: CfgNode, path: Path) -> None:
    """``annotate`` within the time that ``cfg`` gives a video."""
    annotate(prediction, path, seconds=cfg.DATA.DECODE_TIMEOUT)


def annotate(prediction: Prediction, path: Path, *, seconds: float = 120.0) -> None:
    """``write_copy`` with the likeliest class of the whole video on it."""
    best = prediction.top(1)[0]
    text = f"{best.name}  {100 * best.probability:.1f} %"
    write_copy(prediction.video, lambda _: text, path, seconds=seconds)


def write_copy(
    video: str, text_at: Callable[[float], str], path: Path, *, seconds: float = 120.0
) -> None:
    """Write a video again (H.264 MP4, frame times and sound kept) with a text on each frame.

    Args:
        video: a file, a URL, or a folder of frames.
        text_at: the text at a time, seconds after the first frame.
        path: the new file.
        seconds: that the first frame, and then every next one, may take to come.

    Raises:
        VideoError: no frame can be decoded, or encoded.
        WriteError: the file cannot be written; an older one is as it was.
    """
    with write_atomically(path, "wb", option="--annotate") as file:
        output = Output(file)
        try:
            count = _write(video, _with_text(_readable(video, seconds), text_at), output)
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, VideoError):
                raise
            raise output.error or VideoError(
                f"{path}: cannot be written ({type(error).__name__}: {error})"
            ) from error
        if not count:
            raise VideoError(f"{video}: no decodable frame, so no annotated copy")


def _write(video: str, frames: "Iterator[av.VideoFrame]", output: Output) -> int:
    """The number of frames, written with the sound of the video."""
    if portable(video).is_dir():
        return write_h264(output, frames, options=H264)
    with open_sound(video) as sound:
        return write_h264(output, with_sound(frames, sound), options=H264, prepare=sound.attach)


def _readable(video: str, seconds: float) -> Iterator[tuple[float, np.ndarray]]:
    """``_pictures``, whose errors are of the video, and not of the file that is written."""
    try:
        yield from _pictures(video, seconds)
    except TimeLimitError as error:
        raise VideoError(f"{error}, so no annotated copy") from error
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(f"{video}: cannot be decoded ({type(error).__name__}: {error})") from error


def _with_text(
    pictures: Iterable[tuple[float, np.ndarray]], text_at: Callable[[float], str]
) -> Iterator[av.VideoFrame]:
    """Frames of increasing times, all in the size of the first picture, made even."""
    size, last = None, -1
    for seconds, picture in pictures:
        size = size or (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)
        image = put_text(cv2.resize(picture, size), text_at(seconds))
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = max(round(seconds / TICKS), last + 1), TICKS
        last = frame.pts
        yield frame


def put_text(picture: np.ndarray, text: str) -> np.ndarray:
    """``picture`` (H, W, 3) uint8 with white text on a dark bar along its lower edge, in place.

    OpenCV draws ASCII only; other letters become question marks.
    """
    height, width = picture.shape[:2]
    bar = min(max(round(BAR * height), LEAST_BAR), height)
    picture[height - bar :] //= 4
    text = text.encode("ascii", "replace").decode()
    (wide, _), _ = cv2.getTextSize(text, FONT, 1.0, 1)
    scale = min(
        bar / 40, (width - bar / 2) / max(wide, 1)
    )  # letters are some 22 pixels high at 1.0
    place = (bar // 4, height - bar // 3)
    return cv2.putText(picture, text, place, FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _pictures(video: str, seconds: float) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds and (H, W, 3) uint8 RGB of every frame that can be decoded, as a player shows it."""
    within_limit = partial(iterate_with_timeout, seconds, what=printable(video))
    folder = portable(video)
    if folder.is_dir():
        yield from within_limit(_images(folder))
        return
    with open_video(video) as (container, stream):
        header = read_header(container, stream)
        frames = Decoder(container, stream).frames()
        times = [frame.pts for frame in within_limit(frames)]
    shown_at = from_decoder(times, header, promised=len(times)).seconds.tolist()
    with open_video(video) as (container, stream):
        frames, reformatter = Decoder(container, stream).frames(), VideoReformatter()
        for at, frame in zip(shown_at, within_limit(frames), strict=False):
            picture = reformatter.reformat(frame, format="rgb24").to_ndarray()
            matrix = display_matrix(frame)
            yield at, picture if matrix is None else turn(picture[None], matrix)[0]


def _images(folder: Path) -> Iterator[tuple[float, np.ndarray]]:
    """``_pictures`` of a frame folder."""
    for number, name in enumerate(frame_files(folder)):
        with contextlib.suppress(VideoError):
            yield number / FOLDER_FPS, read_image(name)
