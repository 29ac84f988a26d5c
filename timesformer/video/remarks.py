"""What is unusual about a video that can be read; every such thing is reported once."""

from typing import NamedTuple

TRUNCATED = "truncated"
UNEVEN = "of an uneven frame rate"
ROTATED = "stored rotated"
HDR = "HDR"
DAMAGED = "damaged"


class Remark(NamedTuple):
    """One thing about one video.

    ``kind`` completes "3 of 40 videos are ...", and is equal for all videos that have it in common.
    """

    kind: str
    detail: str  # of this video: what was found, and what is done about it
    name: str = ""  # of the video
