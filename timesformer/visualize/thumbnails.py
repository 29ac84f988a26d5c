"""Frames of the videos that a page shows: small, evenly over the seconds that the clips show."""

from collections.abc import Mapping
from functools import partial

from timesformer.datasets.checks.stills import Span, encode_jpeg, read_stills
from timesformer.datasets.checks.worker_pool import Progress, map_with_timeout, no_progress
from timesformer.video import VideoError

FRAMES_AT = (0.12, 0.5, 0.88)  # of the frames of a video, or of its clips
HEIGHT = 96  # pixels
MOST_BYTES = 12_000  # of a frame
SECONDS = 20.0  # that one video may take


def gallery_frames(
    videos: Mapping[str, Span | None],
    *,
    sources: Mapping[str, str] | None = None,
    workers: int,
    seconds: float = SECONDS,
    progress: Progress = no_progress,
) -> dict[str, list[bytes]]:
    """JPEG files of some frames of each video, each decoded once; a broken or absent one has none.

    Args:
        videos: names, and the seconds to show; None: the whole video. See ``gallery.shown_videos``.
        sources: where the videos lie, if that is not their name: files, folders of frames, URLs.
        workers: processes.
        seconds: time limit of one video.
        progress: shows that results arrive.
    """
    places = {name: (sources or {}).get(name, name) for name in videos}
    read = partial(_read, dict(videos), places)
    results = map_with_timeout(read, list(videos), workers=workers, seconds=seconds)
    found = {result.item: result.value or [] for result in progress(results, len(videos))}
    return {name: found[name] for name in videos}


def _read(videos: Mapping[str, Span | None], places: Mapping[str, str], name: str) -> list[bytes]:
    """The frames of one video, in a process of its own; none if it cannot be read."""
    try:
        images = read_stills(places[name], FRAMES_AT, span=videos[name])
    except (VideoError, OSError):
        return []
    return [encode_jpeg([image], height=HEIGHT, most_bytes=MOST_BYTES) for image in images]
