"""A long video read as a whole: class probabilities of every window, decoded once.

timeline = Detector(Predictor.from_checkpoint("model.pyth")).run("film.mp4")
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode, ConfigError, changed, portable
from timesformer.datasets.build import build_view
from timesformer.datasets.clips import Batch
from timesformer.datasets.folders import frame_files
from timesformer.datasets.views import DenseSampling, Views
from timesformer.detection.frames import Clip, ClipMaker, Restarted, read_ahead
from timesformer.detection.timeline import Timeline, find_gaps, in_gaps
from timesformer.detection.windows import Grid
from timesformer.evaluation.loop import score_batches
from timesformer.evaluation.scoring import build_probabilities, build_scoring
from timesformer.inference.predictor import Predictor
from timesformer.video.decoding import Release, at_once
from timesformer.video.sources import is_local_file
from timesformer.video.visit import Visited, Visitor, visit_frames, visit_images

SEGMENT_SECONDS = 4.0  # of a window where the model takes frames of a whole video, as SSv2

Rows = Mapping[int, np.ndarray]  # window -> its scores (K,)
Done = Mapping[
    str, Rows
]  # by the digest of all windows: the decoder may give others than packets promise
Progress = Callable[[int, int], None]  # windows that are scored, and all


class Detector:
    """Scores the windows of videos by the model of a predictor."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        stride: float | None = None,
        span: float | None = None,
        crops: int = 1,
        batch: int = 8,
    ) -> None:
        """Windows of ``span`` seconds, ``stride`` seconds apart; ``batch`` of them are scored at once.

        Args:
            predictor: of any number of views; a window is one of it.
            stride: default: half a window.
            span: default: the seconds of the model's clip; another span is for models that take frames of
                a whole video.
            crops: of each window, as those of ``views`` 1xCROPS; 1: its centre.
            batch: changes no score.

        Raises:
            ConfigError: a span that does not fit the model, or a stride that is longer than a window.
        """
        cfg = changed(
            predictor.cfg, {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": crops}
        )
        self.predictor, self.crops = predictor, crops
        self.view = build_one_view(cfg)
        self.grid = build_grid(cfg, self.view, span=span, stride=stride)
        self.scoring = build_scoring(cfg, predictor.device, predictor.scoring.autocast)
        temperature = predictor.temperature.value if predictor.temperature else None
        self.to_probabilities = build_probabilities(cfg, temperature)
        self.settings = build_reading(cfg)
        self.batch = batch

    def run(
        self,
        video: str | PathLike[str],
        *,
        done: Done = MappingProxyType({}),
        after: Callable[[str, int, np.ndarray], None] = lambda digest, number, scores: None,
        progress: Progress = lambda done, total: None,
    ) -> Timeline:
        """The timeline of a video file, a URL, or a folder of frames.

        Args:
            video: as of ``Predictor.predict``.
            done: scores of an interrupted run, which are not computed again.
            after: called with the digest of all windows, a window, and its scores (K,).
            progress: called after each batch.

        Raises:
            VideoError: the video cannot be read.
        """
        rows: dict[int, np.ndarray] = {}
        windows, visited, digest = None, None, ""
        items = read_ahead(
            partial(self.visit, str(video)), lambda give: self.maker(give, done=done)
        )
        for found in _batched(items, self.batch):
            if isinstance(found, Restarted):
                windows, digest = found.windows, found.windows.digest
                rows = dict(done.get(digest, {}))
                continue
            if isinstance(found, Visited):
                visited = found
                continue
            for clip, row in zip(found, self.score(found), strict=True):
                rows[clip.number] = row
                after(digest, clip.number, row)
            assert windows is not None
            progress(len(rows), len(windows.times))
        assert windows is not None
        assert visited is not None
        return self._timeline(str(video), windows.times, rows, visited)

    def maker(self, give: Callable[[Any], None], *, done: Done = MappingProxyType({})) -> Visitor:
        """The visitor of a video that gives ``Restarted`` and each ``Clip`` of a window."""
        sampling, crop = self.view.draw(np.random.default_rng(0))
        return ClipMaker(
            self.grid,
            sampling,
            crop,
            give,
            reverse_channels=self.settings["reverse_channels"],
            done=done,
        )

    def visit(
        self,
        video: str,
        visitor: Visitor,
        *,
        multi_thread: bool = True,
        release: Release = at_once,
    ) -> Visited:
        """Show ``visitor`` the frames of a video, as of ``run``; see ``visit_frames``."""
        if is_local_file(video) and portable(video).is_dir():
            return visit_images(frame_files(str(portable(video))), visitor)
        return visit_frames(
            str(portable(video)) if is_local_file(video) else video,
            visitor,
            multi_thread=multi_thread,
            apply_rotation=self.settings["apply_rotation"],
            release=release,
        )

    def score(self, clips: Sequence[Clip]) -> list[np.ndarray]:
        """Scores of windows, (K,) each; the same for any clips beside them."""
        none = torch.empty(0, dtype=torch.int64)
        batch = Batch(torch.cat([clip.frames for clip in clips]), none, none, (), none)
        [(_, scores)] = score_batches(self.predictor.model, [batch], self.scoring)
        return list(scores.float().cpu().numpy())

    def _timeline(self, video: str, times: np.ndarray, rows: Rows, visited: Visited) -> Timeline:
        timeline = visited.timeline
        scores = torch.from_numpy(np.stack([rows[k] for k in range(len(times))]))
        probabilities: Tensor = self.to_probabilities(scores).float()
        gaps = find_gaps(
            timeline.seconds, timeline.frame_seconds, visited.errors, timeline.promised or 0
        )
        found = probabilities.numpy()
        found[in_gaps(times, gaps)] = np.nan
        names = self.predictor.class_names
        duration = timeline.duration_seconds
        return Timeline(
            video,
            times,
            found,
            names or tuple(f"class {k}" for k in range(found.shape[1])),
            duration,
            gaps,
            visited.decoded,
            (*visited.remarks, *filter(None, [self.view.sampling.shortage(timeline)])),
        )


def _batched(items: Iterator[Any], size: int) -> Iterator[Any]:
    """Clips in lists of ``size``; other items alone, after the clips before them."""
    clips: list[Clip] = []
    for item in items:
        if isinstance(item, Clip):
            clips.append(item)
            if len(clips) == size:
                yield clips
                clips = []
            continue
        if clips and isinstance(item, Visited):
            yield clips
        clips = []
        yield item


def build_one_view(cfg: CfgNode) -> Views:
    """The single temporal view of a window."""
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    return view


def build_reading(cfg: CfgNode) -> dict[str, bool]:
    """How frames become clips.

    Raises:
        ConfigError: the model does not see frames.
    """
    if cfg.DATA.MODALITY != "rgb":
        raise ConfigError(
            f"the windows of long videos are read as RGB, but the model sees {cfg.DATA.MODALITY} "
            "(DATA.MODALITY); cut the video into clips, and use timesformer predict"
        )
    return {
        "reverse_channels": cfg.DATA.REVERSE_INPUT_CHANNEL,
        "apply_rotation": cfg.DATA.APPLY_ROTATION,
    }


def build_grid(cfg: CfgNode, view: Views, *, span: float | None, stride: float | None) -> Grid:
    """The grid that is asked for.

    Raises:
        ConfigError: it does not fit the model, or leaves parts of the video out.
    """
    sampling = view.sampling
    if isinstance(sampling, DenseSampling):
        own = sampling.shape.seconds
        if span is not None and abs(span - own) > 1e-6:
            raise ConfigError(
                f"--span is {span:g}, but a clip of this model has {own:.3f} seconds ("
                f"{cfg.DATA.NUM_FRAMES} frames, every {cfg.DATA.SAMPLING_RATE}th of "
                f"{cfg.DATA.TARGET_FPS} a second); set DATA.SAMPLING_RATE for another length"
            )
        span = own
    span = span or SEGMENT_SECONDS
    stride = span / 2 if stride is None else stride
    if not 0 < stride <= span:
        raise ConfigError(
            f"--stride is {stride:g} seconds, but must be above 0 and at most a window of {span:.3f} "
            "seconds, or parts of the video are not seen"
        )
    return Grid(span, stride)
