"""What a test says at its end: its files, lines of the log, and the table on the screen."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError, read_weights
from timesformer.config import portable
from timesformer.config.published import Published
from timesformer.datasets.lists import VideoList
from timesformer.evaluation.loop import Scores
from timesformer.evaluation.metrics import ClassResults
from timesformer.evaluation.protocols import Protocol
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
from timesformer.models import is_other
from timesformer.runtime import log, screen
from timesformer.tables import format_table
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


class NonFiniteScores(Exception):
    """A test whose scores are not all finite numbers; the result files name the videos."""


@dataclass(frozen=True)
class TestSettings:
    """What its result files record of a test, the same for all protocols."""

    split: str  # whose list was tested
    views: int  # clips of a video in one protocol
    clips: int  # of a video in all protocols together
    precision: str
    attention_type: str
    weights: str
    limited: str  # to which part of the list; "": all of it
    seconds: float = 0.0  # that all protocols together took


class Recorded(NamedTuple):
    """What the files of one protocol say."""

    protocol: Protocol
    scores: Scores  # of the videos whose scores are finite
    results: dict[str, Any]
    classes: ClassResults | None  # None: some scores are not finite
    problem: str  # why there is no accuracy; "": there is one


def report(
    folder: Path,
    tested: Sequence[tuple[Protocol, Scores]],
    videos: VideoList,
    settings: TestSettings,
    *,
    views: SavedViews | None,
    pickled: str,
    known: Published | None,
) -> None:
    """Write and log the results.

    Args:
        folder: of the run.
        tested: each protocol with the scores of the videos that could be read; first the configured one.
        videos: of the list.
        settings: of the test.
        views: of the first protocol, to save too; None: none.
        pickled: file of the scores of the first protocol in ``folder``; empty: none.
        known: what is published of its recipe.

    Raises:
        VideoError: no video has scores.
        NonFiniteScores: the scores of some videos are not finite.
        CheckpointError: ``folder`` no longer exists.
    """
    if gone := save.vanished(folder):
        raise CheckpointError(gone)
    names = videos.class_names or _class_names(settings)
    main, *others = [record(folder, *each, videos, settings, names) for each in tested]
    if pickled:
        write_pickle(folder / pickled, main.scores, videos)
    files = result_files(settings.split)
    if views is not None:
        csv, without = folder / files.predictions, main.scores.failures
        views.write(folder / files.views, videos, without=without, predictions=csv)
    _log(main, names, settings)
    written = [name for name in files[:-1] if (folder / name).is_file()]
    written += [files.views] * (views is not None)
    log.say(logger, "%s", screen.results(main.results, folder, written), at=screen.RESULT)
    if others:
        rows = [(each.protocol.name, each.results) for each in others]
        log.say(logger, "%s", protocol_table(rows, known), at=screen.RESULT)
    if problems := [each.problem for each in (main, *others) if each.problem]:
        raise NonFiniteScores(problems[0])


def _class_names(settings: TestSettings) -> tuple[str, ...]:
    """Those that the weights name."""
    converted = not is_other(settings.attention_type)
    return read_weights(portable(settings.weights), converted=converted).class_names


def record(
    folder: Path,
    protocol: Protocol,
    scores: Scores,
    videos: VideoList,
    settings: TestSettings,
    names: Sequence[str],
) -> Recorded:
    """Write the files of one protocol.

    Raises:
        VideoError: no video has scores.
    """
    scores, nonfinite = split_finite(scores, videos)
    files = result_files(settings.split, protocol.name)
    write_predictions(folder / files.predictions, scores, videos, names)
    total, done = len(videos.labels), len(scores.indices)
    unreadable = len(scores.failures) - len(nonfinite)
    if not done and not nonfinite:
        raise VideoError(describe_unreadable(videos.origin, scores.failures.values()))
    multi_label = scores.labels.ndim == 2
    classes = None
    # An accuracy of the videos that happen to have finite scores is not one of the list.
    if nonfinite:
        found: dict[str, Any] = dict.fromkeys(["map"] if multi_label else ["top1_acc", "top5_acc"])
    else:
        found, classes = measure(scores)
        write_classes(folder / files.classes, classes, names, multi_label=multi_label)
        found |= class_summary(classes, names, multi_label=multi_label)
    results = {
        **found,
        "videos": total,
        "scored": done,
        "unreadable": unreadable,
        "nonfinite": len(nonfinite),
        **({"limited": settings.limited} if settings.limited else {}),
        "protocol": protocol.text,
        "split": settings.split,
        "views": settings.views,
        "clips": settings.clips,
        "ensemble": protocol.method,
        "precision": settings.precision,
        "attention_type": settings.attention_type,
        "weights": settings.weights,
        "list": videos.origin,
        "seconds": round(settings.seconds, 2),
    }
    write_results(folder / files.results, results)
    where = files.predictions
    problem = describe_all_nonfinite(nonfinite.values(), total, where) if nonfinite else ""
    return Recorded(protocol, scores, results, classes, problem)


def protocol_table(rows: Sequence[tuple[str, Mapping[str, Any]]], known: Published | None) -> str:
    """A row for each protocol, by its name and results, beside what is published of the recipe."""
    numbers = {"paper": known.paper, "official": known.released} if known else {}
    columns = {"top1_acc": "top-1 %", "top5_acc": "top-5 %"}
    if "map" in rows[0][1]:
        columns = {"map": "map"}
    head = ["protocol", *columns.values(), *["published"] * bool(numbers)]
    cells = [
        [
            name,
            *(_shown(results[key], ".4f" if key == "map" else ".2f") for key in columns),
            *([numbers[name] or "-"] if numbers else []),
        ]
        for name, results in rows
    ]
    table = format_table([head, *cells], right=range(1, len(columns) + 1))
    if known is None:
        return f"\n{table}"
    return f"\n{table}\npublished: {known.recipe}, in the paper; official: its released checkpoint"


def _shown(value: float | None, form: str) -> str:
    return "none" if value is None else format(value, form)


def _log(main: Recorded, names: Sequence[str], settings: TestSettings) -> None:
    """What was scored, and the published line of the result."""
    results = main.results
    logger.info("protocol: %s; weights: %s", results["protocol"], settings.weights)
    unreadable = results["unreadable"]
    logger.info(
        "scored %d of %d videos, %d unreadable%s",
        results["scored"],
        results["videos"],
        unreadable,
        ", which count neither as right nor as wrong" if unreadable else "",
    )
    part = {"limited": settings.limited} if settings.limited else {}
    if part:
        logger.warning("the accuracy is of a part of the test: LIMITED to %s", settings.limited)
    if main.classes is None:
        return
    printed: dict[str, Any] = {"map": results["map"]} if "map" in results else {}
    printed |= {k: f"{results[k]:.2f}" for k in ("top1_acc", "top5_acc") if k in results}
    log.json_stats(logger, {"split": "test_final", **printed, **part})
    mean, *remarkable = class_lines(main.classes, names, multi_label="map" in results)
    logger.info("%s", mean)  # it is in the table at the end too
    for line in remarkable:
        log.say(logger, "%s", line)
