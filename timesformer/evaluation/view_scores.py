"""The logits of single views, kept while a test scores their ensemble: test_views.npz, no pickle in it.

scores              (N, V, K)  float16, in the order of the list; nan: a video without a score
                    view = temporal view * crops + crop, both counted from 0
paths, labels       (N,)       text; int64, or (N, K) float32 of several labels
temporal, crops     ()         V = temporal * crops
crop_names          (crops,)   start, centre or end of the longer side
placement, method   ()         of the temporal views, and of the ensemble that the test wrote
predictions_sha256  ()         of the CSV file of the same test: another one has other scores
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import torch
from torch import Tensor

from timesformer.checkpoint.start import sha256
from timesformer.config import CfgNode
from timesformer.datasets.build import build_view
from timesformer.datasets.lists import VideoList
from timesformer.datasets.views import Views
from timesformer.evaluation.scoring import Scoring, build_ensemble_method
from timesformer.files import write_atomically
from timesformer.runtime import collectives

CROP_NAMES = ("start", "centre", "end")
LARGEST = float(np.finfo(np.float16).max)  # logits beyond it are written as it
_PIECE = 1 << 26  # bytes that processes exchange at once
GIB = 1 << 30


class ViewFacts(NamedTuple):
    """How the views of a test lie in a video, and how they were ensembled."""

    temporal: int
    crops: tuple[int, ...]  # places in CROP_NAMES
    placement: str
    method: str


@dataclass(frozen=True)
class SavedViews:
    """The views of all videos."""

    scores: np.ndarray  # (N, V, K) float16
    facts: ViewFacts

    def write(
        self, path: Path, videos: VideoList, *, without: Iterable[int], predictions: Path
    ) -> None:
        """Write the file, see the module.

        Args:
            path: the file.
            videos: of the list.
            without: indices of the videos that have no score.
            predictions: the CSV file that the same test has written.
        """
        facts, scores = self.facts, self.scores
        scores[list(without)] = np.nan
        with write_atomically(path, "wb") as file:
            np.savez(
                file,
                scores=scores,
                paths=np.array([videos.name(i) for i in range(len(scores))], dtype=np.str_),
                labels=videos.labels,
                temporal=facts.temporal,
                crops=len(facts.crops),
                crop_names=np.array([CROP_NAMES[crop] for crop in facts.crops]),
                placement=np.array(facts.placement),
                method=np.array(facts.method),
                predictions_sha256=np.array(sha256(predictions)),
            )


class Keeper:
    """What a test does with the logits of single views: nothing."""

    def watching(self, scoring: Scoring) -> Scoring:
        """``scoring``, whose views are seen on the way; the scores are the same."""
        return scoring

    def name_seen(self, indices: Tensor) -> None:
        """Say whose views were seen since the last call: (B,) places in the list."""

    def gathered(self) -> SavedViews | None:
        """Those of all processes, on the first one; all processes call it together, once."""
        return None


class ViewKeeper(Keeper):
    """It keeps those that this process scores, as float16 on the CPU."""

    def __init__(self, num_videos: int, num_classes: int, facts: ViewFacts) -> None:
        num_views = facts.temporal * len(facts.crops)
        self.shape = num_videos, num_views, num_classes
        self.facts = facts
        self._kept: dict[int, np.ndarray] = {}  # index of the video -> (V, K)
        self._unnamed: list[Tensor] = []

    def watching(self, scoring: Scoring) -> Scoring:
        ensemble = scoring.ensemble
        assert ensemble is not None
        num_views = self.shape[1]

        def see(of_video: Tensor) -> Tensor:
            views = of_video[:num_views]  # of the configured protocol; those of others follow
            self._unnamed.append(views.clamp(-LARGEST, LARGEST).half())
            return ensemble(of_video)

        return replace(scoring, ensemble=see)

    def name_seen(self, indices: Tensor) -> None:
        if self._unnamed:
            rows = torch.stack(self._unnamed).cpu().numpy()
            self._kept |= dict(zip(indices.tolist(), rows, strict=True))
            self._unnamed.clear()

    def gathered(self) -> SavedViews | None:
        num_videos, *of_video = self.shape
        is_main = collectives.is_main()
        found = np.full((num_videos * is_main, *of_video), np.nan, np.float16)
        step = max(_PIECE // (found.itemsize * math.prod(of_video)), 1)
        for first in range(0, num_videos, step):
            indices = range(first, min(first + step, num_videos))
            part = {i: self._kept.pop(i) for i in indices if i in self._kept}
            for each in collectives.gather(part):
                for index, views in each.items() if is_main else ():
                    found[index] = views
        return SavedViews(found, self.facts) if is_main else None


def build_keeper(cfg: CfgNode, num_videos: int) -> Keeper:
    """What a test does with its views."""
    if not cfg.TEST.SAVE_VIEWS:
        return Keeper()
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    facts = ViewFacts(view.num_views, view.crops, view.placement, build_ensemble_method(cfg))
    return ViewKeeper(num_videos, cfg.MODEL.NUM_CLASSES, facts)


def memory_problem(num_videos: int, num_views: int, num_classes: int) -> str:
    """Why the first process cannot hold the views of a list; empty if it can.

    Twice: what it has kept, and the array that is written.
    """
    needed = 2 * num_videos * num_views * num_classes * np.dtype(np.float16).itemsize
    available = psutil.virtual_memory().available
    if needed <= available:
        return ""
    return (
        f"TEST.SAVE_VIEWS is True, but the logits of {num_videos} videos x {num_views} views x "
        f"{num_classes} classes need {needed / GIB:.1f} GiB, and {available / GIB:.1f} GiB are free; "
        "lower TEST.NUM_ENSEMBLE_VIEWS, or set TEST.SAVE_VIEWS False"
    )
