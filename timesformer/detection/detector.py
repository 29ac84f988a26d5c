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

from timesformer.config import changed, portable
from timesformer.datasets.folders import frame_files
from timesformer.detection.build import build_pixels, build_reading, build_scales
from timesformer.detection.frames import Clip, ClipMaker, FrameClip, Restarted, Together, read_ahead
from timesformer.detection.scales import ONE, ScaleScores, combine
from timesformer.detection.timeline import Timeline, find_gaps, in_gaps
from timesformer.detection.window_scores import FrameScorer, WindowScorer
from timesformer.evaluation.scoring import build_probabilities, build_scoring
from timesformer.inference.predictor import Predictor
from timesformer.video.decoding import Release, at_once
from timesformer.video.remarks import Remark
from timesformer.video.sources import is_local_file
from timesformer.video.timeline import Timeline as VideoTimeline
from timesformer.video.visit import Visited, Visitor, visit_frames, visit_images

Rows = Mapping[int, np.ndarray]  # window -> its scores (K,)
# By the digest of all windows: the decoder may give others than packets promise.
Done = Mapping[str, Rows]
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
        scales: Sequence[float] = ONE,
        batch: int = 8,
    ) -> None:
        """Windows of ``span`` seconds, ``stride`` seconds apart; ``batch`` of them are scored at once.

        Args:
            predictor: of any number of views; a window is one of it.
            stride: default: half a window.
            span: default: the seconds of the model's clip; another span is for models that take frames of
                a whole video.
            crops: of each window, as those of ``views`` 1xCROPS; 1: its centre.
            scales: lengths of windows, in those of ``span``, see ``scales``.
            batch: changes no score.

        Raises:
            ConfigError: a span or scales that do not fit the model, or a stride that is longer than a
                window.
        """
        cfg = changed(
            predictor.cfg, {"TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": crops}
        )
        self.predictor, self.crops = predictor, crops
        self.scales = build_scales(cfg, scales, span=span, stride=stride)
        _, self.grid, self.view = self.scales[0]
        self.scoring = build_scoring(cfg, predictor.device, predictor.scoring.autocast)
        temperature = predictor.temperature.value if predictor.temperature else None
        self.to_probabilities = build_probabilities(cfg, temperature)
        self.settings, self.reading = build_pixels(cfg), build_reading(cfg)
        self.shares_frames = predictor.model.per_frame and self.reading.shares_frames
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
        rows: dict[int, dict[int, np.ndarray]] = {}  # by scale
        restarted: dict[int, Restarted] = {}  # the same
        visited = None
        items = read_ahead(
            partial(self.visit, str(video)), lambda give: self.makers(give, done=done)
        )
        scorer = self._scorer()
        for found in _batched(items, scorer.is_full):
            if isinstance(found, Restarted):
                if found.scale == 0:
                    rows, restarted = {}, {}
                    scorer.restart()
                restarted[found.scale] = found
                rows[found.scale] = dict(done.get(found.windows.digest, {}))
                continue
            if isinstance(found, Visited):
                visited = found
                continue
            for clip, row in zip(found, scorer.score(found), strict=True):
                rows[clip.scale][clip.number] = row
                after(restarted[clip.scale].windows.digest, clip.number, row)
            total = sum(len(each.windows.times) for each in restarted.values())
            progress(sum(map(len, rows.values())), total)
        assert visited is not None
        times = {scale: each.windows.times for scale, each in restarted.items()}
        return self._timeline(str(video), times, rows, visited)

    def makers(self, give: Callable[[Any], None], *, done: Done = MappingProxyType({})) -> Visitor:
        """The visitor that gives the clips of the windows of all scales, see ``maker``."""
        return Together(
            [
                self.maker(give, done=done, scale=scale, shared=self.shares_frames)
                for scale in range(len(self.scales))
            ]
        )

    def maker(
        self,
        give: Callable[[Any], None],
        *,
        done: Done = MappingProxyType({}),
        scale: int = 0,
        shared: bool = False,
    ) -> ClipMaker:
        """The visitor of a video that gives ``Restarted`` and each ``Clip`` of a window.

        Args:
            give: takes them.
            done: windows that are left out, as of ``run``.
            scale: place in ``scales``.
            shared: give ``FrameClip`` instead.
        """
        _, grid, view = self.scales[scale]
        sampling, crop = view.draw(np.random.default_rng(0))
        return ClipMaker(
            grid,
            self.reading.select(sampling),
            crop,
            give,
            reverse_channels=self.settings["reverse_channels"],
            done=done,
            scale=scale,
            shared=shared,
            forward=self.reading.forward,
            limit=self.reading.limit,
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
            return visit_images(frame_files(str(portable(video))), visitor, release=release)
        return visit_frames(
            str(portable(video)) if is_local_file(video) else video,
            visitor,
            multi_thread=multi_thread,
            apply_rotation=self.settings["apply_rotation"],
            release=release,
        )

    def score(self, clips: Sequence[Clip]) -> list[np.ndarray]:
        """Scores of windows, (K,) each; the same for any clips beside them."""
        return WindowScorer(self.predictor.model, self.scoring, self.batch).score(clips)

    def _scorer(self) -> WindowScorer | FrameScorer:
        """How windows are scored: from features of frames where the model has them."""
        model = self.predictor.model
        if not self.shares_frames:
            return WindowScorer(model, self.scoring, self.batch)
        return FrameScorer(model, self.scoring, self.crops, self.view.sampling.num_frames)

    def _timeline(
        self,
        video: str,
        times: Mapping[int, np.ndarray],
        rows: Mapping[int, Rows],
        visited: Visited,
    ) -> Timeline:
        timeline = visited.timeline
        gaps = find_gaps(
            timeline.seconds, timeline.frame_seconds, visited.errors, timeline.promised or 0
        )
        scales = []
        for scale, windows in times.items():
            scores = torch.from_numpy(np.stack([rows[scale][k] for k in range(len(windows))]))
            found = self.to_probabilities(scores).float().numpy()
            found[in_gaps(windows, gaps)] = np.nan
            scales.append(ScaleScores(self.scales[scale].factor, windows, found))
        combined = combine(scales) if len(scales) > 1 else scales[0].probabilities
        return Timeline(
            video,
            times[0],
            combined,
            self.predictor.class_names or tuple(f"class {k}" for k in range(combined.shape[1])),
            timeline.duration_seconds,
            gaps,
            visited.decoded,
            (*visited.remarks, *self._shortages(timeline)),
            tuple(scales) if len(self.scales) > 1 else (),
        )

    def _shortages(self, timeline: VideoTimeline) -> Iterator[Remark]:
        """What the video is too short for."""
        if (shortage := self.view.sampling.shortage(timeline)) is not None:
            yield shortage
        for factor, grid, _ in self.scales[1:]:
            if not grid.fits(timeline.duration_seconds):
                length = f"{timeline.duration_seconds:.1f} of {grid.span:.1f} s"
                yield Remark(
                    f"shorter than a window of scale {factor:g}", f"{length}; the scale is left out"
                )


def _batched(items: Iterator[Any], is_full: Callable[[list[Any]], bool]) -> Iterator[Any]:
    """Clips in lists that are full; other items alone, after the clips before them."""
    clips: list[Clip | FrameClip] = []
    for item in items:
        if isinstance(item, Clip | FrameClip):
            clips.append(item)
            if is_full(clips):
                yield clips
                clips = []
            continue
        if clips and isinstance(item, Visited):
            yield clips
        clips = []
        yield item
