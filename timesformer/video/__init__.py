"""Video files and frame folders as frames, and which of their frames become clips."""

from timesformer.video.frames import Frames, FrameSelector, TimeSpan
from timesformer.video.images import read_folder
from timesformer.video.open_video import VideoError
from timesformer.video.reader import read_video
from timesformer.video.torchcodec_reader import BackendError, check_torchcodec, read_torchcodec

READERS = {  # DATA.DECODING_BACKEND -> how a video file is read
    "pyav": read_video,
    "torchcodec": read_torchcodec,
}

__all__ = [
    "READERS",
    "BackendError",
    "FrameSelector",
    "Frames",
    "TimeSpan",
    "VideoError",
    "check_torchcodec",
    "read_folder",
    "read_torchcodec",
    "read_video",
]
