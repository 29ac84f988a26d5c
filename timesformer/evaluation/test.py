"""Multi-view testing: every video once, its views as one score, every number auditable."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError, read_weights
from timesformer.checkpoint.load import load_tested as read_tested
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.checkpoint.start import located
from timesformer.config import CfgNode, portable
from timesformer.datasets import build_loader
from timesformer.datasets.clips import Batch
from timesformer.datasets.lists import VideoList
from timesformer.evaluation import run_header
from timesformer.evaluation.loop import LoopProgress, Scores, evaluate
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
from timesformer.evaluation.scoring import build_scoring
from timesformer.files import CLASSES, PREDICTIONS, RESULTS, best_checkpoint
from timesformer.models import build_model
from timesformer.models.speedups import speed_up
from timesformer.runtime import collectives, local_rank, log, screen
from timesformer.runtime.precision import Precision
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


class NonFiniteScores(Exception):
    """A test whose scores are not all finite numbers; the result files name the videos."""


@dataclass(frozen=True)
class TestSettings:
    """The settings of a test that its result files record."""

    protocol: str
    attention_type: str
    weights: str
    limited: str  # to which part of the list; "": all of it


def test(cfg: CfgNode, device: torch.device, newest: Path | None = None) -> None:  # noqa: PT028
    """Test the configured checkpoint on test.csv; write predictions and log the accuracy.

    ``newest``: the last checkpoint of a training in this process.

    Unreadable videos are counted apart: they have no score, and no other video takes their place.

    Raises:
        CheckpointError: there is no checkpoint, or it does not fit the model.
        VideoError: no video could be read.
        NonFiniteScores: scores of some videos are not finite; everything else is written.
        Interrupted: a signal asked for the end.
    """
    precision = Precision(cfg.TEST.PRECISION, device)
    scoring = build_scoring(cfg, device, precision.autocast)
    loader = build_loader(cfg, "test", folder=cfg.OUTPUT_DIR, together=scoring.videos_together)
    videos: VideoList = loader.dataset.videos
    model = speed_up(build_model(cfg).to(device)).eval()
    if not cfg.TRAIN.ENABLE:
        log.say(logger, "%s", run_header.build_model_line(cfg, model))
        log.say(logger, "%s", run_header.build_data_line(cfg, {"test": videos}))
    source = load_tested(
        model,
        cfg.TEST.CHECKPOINT_FILE_PATH,
        newest,
        cfg.OUTPUT_DIR,
        (cfg.TRAIN.CHECKPOINT_FILE_PATH, cfg.TIMESFORMER.PRETRAINED_MODEL),
    )
    logger.info(
        "%d videos of %s, %d clips each, %d clip(s) in each forward batch (TEST.FORWARD_BATCH)",
        len(videos.labels),
        videos.origin,
        scoring.num_views,
        scoring.forward_batch,
    )
    settings = TestSettings(
        protocol=f"{cfg.TEST.NUM_ENSEMBLE_VIEWS} temporal views ({cfg.TEST.VIEW_PLACEMENT}) x "
        f"{cfg.TEST.NUM_SPATIAL_CROPS} crops of {cfg.DATA.TEST_CROP_SIZE}, "
        f"ensembled by {cfg.DATA.ENSEMBLE_METHOD}, {cfg.TEST.PRECISION}",
        attention_type=model.kind,
        weights=source,
        limited=loader.batch_sampler.limited,
    )
    started = time.perf_counter()
    scores = evaluate(model, loader, scoring, title="test", after_batch=_log_batch)
    if not len(scores.indices):
        scores = scores._replace(values=scores.values.new_zeros(0, cfg.MODEL.NUM_CLASSES))
    problem: Exception | None = None
    if collectives.is_main():
        seconds = time.perf_counter() - started
        folder, pickled = Path(cfg.OUTPUT_DIR), cfg.TEST.SAVE_RESULTS_PATH
        try:
            _report(folder, scores, videos, settings, seconds, pickled=pickled)
        except (VideoError, NonFiniteScores) as error:
            problem = error
    problem = collectives.broadcast_object(problem)  # all processes end alike
    if problem is not None:
        status = 1 if isinstance(problem, NonFiniteScores) else 2
        local_rank.raise_once(problem, status=status)


def load_tested(
    model: nn.Module, named: str, newest: Path | None, folder: str, others: Sequence[str]
) -> str:
    """Load the weights to test; returns their file.

    Args:
        model: gets the weights.
        named: TEST.CHECKPOINT_FILE_PATH; ``best`` is that of ``folder``; "": what follows.
        newest: the last checkpoint of a training in this process; else the newest valid one of ``folder``.
        folder: OUTPUT_DIR.
        others: names to take the first of if there is none of these; "" and none do not count.

    Raises:
        CheckpointError: none of them, or one that leaves parameters without weights. The published
            code tested random weights then.
    """
    if named == "best":
        named = str(best_checkpoint(folder))
    path = (
        named
        or newest
        or collectives.broadcast_object(
            newest_checkpoint(folder) if collectives.is_main() else None
        )
    )
    path = path or next((name for name in others if name and name.lower() != "none"), "")
    if not path:
        raise CheckpointError(
            "there are no weights to test; set TEST.CHECKPOINT_FILE_PATH, or train into this "
            "OUTPUT_DIR first"
        )
    path = path if named or newest else located(path)
    report = read_tested(model, portable(path))
    log.say(logger, "%s", run_header.weights(report, "testing: "))
    return str(path)


def _log_batch(progress: LoopProgress, _: Batch, __: Tensor) -> None:
    """The published line of one batch, of this process."""
    position = {"cur_iter": str(progress.batch), "eta": progress.eta}
    log.json_stats(logger, {"split": "test_iter", **position, "time_diff": progress.seconds})


def _report(
    folder: Path,
    scores: Scores,
    videos: VideoList,
    settings: TestSettings,
    seconds: float,
    *,
    pickled: str,
) -> None:
    """Write and log the results.

    Raises:
        VideoError: no video has scores.
        NonFiniteScores: the scores of some videos are not finite.
        CheckpointError: ``folder`` no longer exists.
    """
    if gone := save.vanished(folder):
        raise CheckpointError(gone)
    names = videos.class_names or read_weights(portable(settings.weights)).class_names
    scores, nonfinite = split_finite(scores, videos)
    write_predictions(folder / PREDICTIONS, scores, videos, names)
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
    found = _no_metrics(scores) if nonfinite else _metrics(folder, scores, names, part)
    results = {
        **found,
        "videos": total,
        "scored": done,
        "unreadable": unreadable,
        "nonfinite": len(nonfinite),
        **part,
        "protocol": settings.protocol,
        "attention_type": settings.attention_type,
        "weights": settings.weights,
        "list": videos.origin,
        "seconds": round(seconds, 2),
    }
    write_results(folder / RESULTS, results)
    files = [name for name in (PREDICTIONS, CLASSES, RESULTS) if (folder / name).is_file()]
    log.say(logger, "%s", screen.results(results, folder, files), at=screen.RESULT)
    if nonfinite:
        raise NonFiniteScores(describe_all_nonfinite(nonfinite.values(), total, PREDICTIONS))


def _no_metrics(scores: Scores) -> dict[str, None]:
    """An accuracy of the videos that happen to have finite scores would not be one of the list."""
    return dict.fromkeys(["map"] if scores.labels.ndim == 2 else ["top1_acc", "top5_acc"])


def _metrics(
    folder: Path, scores: Scores, names: Sequence[str], part: dict[str, str]
) -> dict[str, Any]:
    """Measure, log, and write the results of the classes; returns the metrics."""
    multi_label = scores.labels.ndim == 2
    found, classes = measure(scores)
    printed = {name: f"{v:.2f}" if name.endswith("acc") else v for name, v in found.items()}
    log.json_stats(logger, {"split": "test_final", **printed, **part})
    mean, *remarkable = class_lines(classes, names, multi_label=multi_label)
    logger.info("%s", mean)  # it is in the table at the end too
    for line in remarkable:
        log.say(logger, "%s", line)
    write_classes(folder / CLASSES, classes, names, multi_label=multi_label)
    return found | class_summary(classes, names, multi_label=multi_label)
