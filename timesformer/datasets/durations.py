"""How long the videos of a list are, and which clips they hold; no frame is decoded.

A clip of T frames at rate r spans r * T / target_fps seconds; a shorter video repeats its last frame.
Frame folders count as 30 frames a second.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from timesformer.config import CfgNode
from timesformer.datasets.build import build_sampling, build_worker_count
from timesformer.datasets.checks.inspection import video_seconds
from timesformer.datasets.checks.worker_pool import Progress, map_with_timeout, no_progress
from timesformer.datasets.folders import is_image
from timesformer.datasets.list_source import build_dataset_name
from timesformer.datasets.lists import VideoList
from timesformer.datasets.scan_index import known_seconds, other_places
from timesformer.datasets.views import DenseSampling
from timesformer.video.images import FOLDER_FPS
from timesformer.video.sampling import ClipShape

ENOUGH = 0.9  # of the videos must hold a whole clip
ROUNDING = 1e-3  # seconds; times of containers have that much


class ClipFit(NamedTuple):
    """How clips of some length fit the videos of a list."""

    rate: int
    clip_seconds: float
    share: float  # of the videos that hold a whole clip, 0 .. 1
    num_videos: int  # of known length
    median_seconds: float

    def __str__(self) -> str:
        return (
            f"clips of {self.clip_seconds:.1f} s (SAMPLING_RATE {self.rate}): "
            f"{math.floor(100 * self.share)} % of {self.num_videos} videos hold one; median "
            f"{self.median_seconds:.1f} s"
        )


def fit_clips(seconds: np.ndarray, shape: ClipShape) -> ClipFit:
    """How clips of ``shape`` fit videos of ``seconds`` (N,), N > 0."""
    clip_seconds = shape.seconds
    share = float(np.mean(seconds >= clip_seconds - ROUNDING))
    return ClipFit(shape.rate, clip_seconds, share, len(seconds), float(np.median(seconds)))


def fitting_rate(seconds: np.ndarray, shape: ClipShape) -> int:
    """The highest rate, not above that of ``shape``, of which enough videos hold a whole clip.

    At least 1, also where that is too long for most of them.
    """
    for rate in range(shape.rate, 1, -1):
        if fit_clips(seconds, shape._replace(rate=rate)).share >= ENOUGH:
            return rate
    return 1


def build_clip_shape(cfg: CfgNode) -> ClipShape | None:
    """Clips of training; None where they are segments of the whole video, whose length is any."""
    sampled = build_sampling(cfg, build_dataset_name(cfg, "train"))
    return sampled.shape if isinstance(sampled, DenseSampling) else None


def build_fitting_rate(
    cfg: CfgNode, videos: VideoList, *, is_given: bool, progress: Progress = no_progress
) -> tuple[int, str] | None:
    """The rate that suits the videos of a list, and a line on it; None where no length is known.

    Args:
        cfg: whose rate is the longest.
        videos: of the list.
        is_given: the rate of ``cfg`` was chosen by the user, and is only measured.
        progress: shows that results arrive.
    """
    shape = build_clip_shape(cfg)
    if shape is None:
        return None
    seconds = build_durations(cfg, videos, progress)
    known = seconds[~np.isnan(seconds)]
    if not len(known):
        return None
    rate = shape.rate if is_given else fitting_rate(known, shape)
    line = str(fit_clips(known, shape._replace(rate=rate)))
    if is_given:
        line += ", as given"
    elif rate < shape.rate:
        line += f", the longest of the weights is {shape.rate}"
    unread = len(seconds) - len(known)
    return rate, line + (f"; {unread} could not be read" if unread else "")


def build_durations(
    cfg: CfgNode, videos: VideoList, progress: Progress = no_progress
) -> np.ndarray:
    """``list_seconds`` with the indices, the time limit and the processes of a configuration."""
    known = known_seconds(videos, other_places(cfg.OUTPUT_DIR))
    workers, limit = build_worker_count(cfg), cfg.DATA.DECODE_TIMEOUT
    return list_seconds(videos, known, workers=workers, time_limit=limit, progress=progress)


def list_seconds(
    videos: VideoList,
    known: Mapping[int, float],
    *,
    workers: int,
    time_limit: float,
    progress: Progress = no_progress,
) -> np.ndarray:
    """(N,) seconds of the videos of a list; nan where a video cannot be read in ``time_limit``.

    Those that are not ``known``, by index, are found by listing packets in ``workers``
    processes. Of a part of a file, its seconds.
    """
    found = np.array([known.get(i, np.nan) for i in range(len(videos.labels))])
    unknown: dict[str, list[int]] = {}
    for i in np.flatnonzero(np.isnan(found)).tolist():
        files = videos.files(i)
        if len(files) > 1 or is_image(files[0]):
            found[i] = len(files) / FOLDER_FPS
        else:
            unknown.setdefault(files[0], []).append(i)
    results = map_with_timeout(
        video_seconds, list(unknown), workers=max(workers, 1), seconds=time_limit
    )
    for result in progress(results, len(unknown)):
        found[unknown[result.item]] = np.nan if result.problem else result.value
    for i in range(len(found)):
        if part := videos.segment(i):
            start, end = part
            start, end = np.nan_to_num(start, nan=0.0), np.nan_to_num(end, nan=np.inf)
            found[i] = min(end, found[i]) - start
    return found
