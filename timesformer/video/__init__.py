"""Video files and frame folders as frames, and which of their frames become clips."""

from timesformer.video.reader import Frames, VideoError, read_folder, read_video

__all__ = ["Frames", "VideoError", "read_folder", "read_video"]
