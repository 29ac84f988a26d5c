"""Video files and frame folders as frames, and which of their frames become clips."""

from timesformer.video.reader import Frames, VideoError, read_folder, read_video

READERS = {"pyav": read_video}  # DATA.DECODING_BACKEND -> how a video file is read

__all__ = ["READERS", "Frames", "VideoError", "read_folder", "read_video"]
