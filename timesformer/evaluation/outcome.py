"""What a test says at its end: its files, lines of the log, and the table on the screen."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError, read_weights
from timesformer.config import portable
from timesformer.datasets.lists import VideoList
from timesformer.evaluation.loop import Scores
from timesformer.evaluation.results import (
    class_lines,
    class_summary,
    describe_all_nonfinite,
    describe_unreadable,
    measure,
    split_finite,
    write_classes,
    write_pickle,
    write_predictions,
    write_results,
)
from timesformer.evaluation.view_scores import SavedViews
from timesformer.files import result_files
from timesformer.runtime import log, screen
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


class NonFiniteScores(Exception):
    """A test whose scores are not all finite numbers; the result files name the videos."""


@dataclass(frozen=True)
class TestSettings:
    """The settings of a test that its result files record."""

    protocol: str
    split: str  # whose list was tested
    views: int  # clips of a video
    ensemble: str  # how they become one score, see ``metrics.ensemble``
    precision: str
    attention_type: str
    weights: str
    limited: str  # to which part of the list; "": all of it


def report(
    folder: Path,
    scores: Scores,
    videos: VideoList,
    settings: TestSettings,
    seconds: float,
    *,
    views: SavedViews | None,
    pickled: str,
) -> None:
    """Write and log the results.

    Args:
        folder: of the run.
        scores: of the videos that could be read.
        videos: of the list.
        settings: of the test.
        seconds: that it took.
        views: to save too; None: none.
        pickled: file of the scores in ``folder``; empty: none.

    Raises:
        VideoError: no video has scores.
        NonFiniteScores: the scores of some videos are not finite.
        CheckpointError: ``folder`` no longer exists.
    """
    if gone := save.vanished(folder):
        raise CheckpointError(gone)
    names = videos.class_names or read_weights(portable(settings.weights)).class_names
    scores, nonfinite = split_finite(scores, videos)
    files = result_files(settings.split)
    write_predictions(folder / files.predictions, scores, videos, names)
    total, done = len(videos.labels), len(scores.indices)
    unreadable = len(scores.failures) - len(nonfinite)
    if not done and not nonfinite:
        raise VideoError(describe_unreadable(videos.origin, scores.failures.values()))
    if pickled:
        write_pickle(folder / pickled, scores, videos)
    logger.info("protocol: %s; weights: %s", settings.protocol, settings.weights)
    logger.info(
        "scored %d of %d videos, %d unreadable%s",
        done,
        total,
        unreadable,
        ", which count neither as right nor as wrong" if unreadable else "",
    )
    part = {"limited": settings.limited} if settings.limited else {}
    if part:
        logger.warning("the accuracy is of a part of the test: LIMITED to %s", settings.limited)
    found = (
        _no_metrics(scores) if nonfinite else _metrics(folder / files.classes, scores, names, part)
    )
    results = {
        **found,
        "videos": total,
        "scored": done,
        "unreadable": unreadable,
        "nonfinite": len(nonfinite),
        **part,
        "protocol": settings.protocol,
        "split": settings.split,
        "views": settings.views,
        "ensemble": settings.ensemble,
        "precision": settings.precision,
        "attention_type": settings.attention_type,
        "weights": settings.weights,
        "list": videos.origin,
        "seconds": round(seconds, 2),
    }
    write_results(folder / files.results, results)
    written = [name for name in files[:-1] if (folder / name).is_file()]
    if views is not None:
        where = folder / files.views
        views.write(where, videos, without=scores.failures, predictions=folder / files.predictions)
        written.append(files.views)
    log.say(logger, "%s", screen.results(results, folder, written), at=screen.RESULT)
    if nonfinite:
        raise NonFiniteScores(describe_all_nonfinite(nonfinite.values(), total, files.predictions))


def _no_metrics(scores: Scores) -> dict[str, None]:
    """An accuracy of the videos that happen to have finite scores would not be one of the list."""
    return dict.fromkeys(["map"] if scores.labels.ndim == 2 else ["top1_acc", "top5_acc"])


def _metrics(
    path: Path, scores: Scores, names: Sequence[str], part: dict[str, str]
) -> dict[str, Any]:
    """Measure, log, and write the results of the classes to ``path``; returns the metrics."""
    multi_label = scores.labels.ndim == 2
    found, classes = measure(scores)
    printed = {name: f"{v:.2f}" if name.endswith("acc") else v for name, v in found.items()}
    log.json_stats(logger, {"split": "test_final", **printed, **part})
    mean, *remarkable = class_lines(classes, names, multi_label=multi_label)
    logger.info("%s", mean)  # it is in the table at the end too
    for line in remarkable:
        log.say(logger, "%s", line)
    write_classes(path, classes, names, multi_label=multi_label)
    return found | class_summary(classes, names, multi_label=multi_label)
