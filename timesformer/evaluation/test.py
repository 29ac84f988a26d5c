"""Multi-view testing: every video once, its views as one score, every number auditable."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from timesformer.checkpoint import save
from timesformer.checkpoint.load import CheckpointError, read_weights
from timesformer.checkpoint.load import load_tested as read_tested
from timesformer.checkpoint.newest import choose_newest
from timesformer.checkpoint.start import located
from timesformer.config import CfgNode, portable
from timesformer.datasets import build_loader
from timesformer.datasets.lists import VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.evaluation import run_header
from timesformer.evaluation.results import (
    Scored,
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
from timesformer.evaluation.scoring import Scoring, build_scoring
from timesformer.files import CLASSES, PREDICTIONS, RESULTS
from timesformer.models import build_model
from timesformer.runtime import collectives, local_rank, log, screen, signals
from timesformer.runtime.precision import Precision
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


class NonFiniteScores(Exception):
    """A test whose scores are not all finite numbers; the files say of which videos."""


def test(cfg: CfgNode, device: torch.device, newest: Path | None = None) -> None:  # noqa: PT028
    """Test the configured checkpoint on test.csv; write predictions and log the accuracy.

    ``newest``: that a training of this process has ended with.

    Unreadable videos are counted apart: they have no score, and no other video takes their place.

    Raises:
        CheckpointError: there is no checkpoint, or it is not of this model.
        VideoError: no video could be read.
        NonFiniteScores: scores of some videos are no numbers; all that is known is written.
    """
    scoring = build_scoring(cfg, device)
    loader = build_loader(cfg, "test", folder=cfg.OUTPUT_DIR, together=scoring.videos_per_pass)
    loader.give_up = signals.requested
    model = build_model(cfg).to(device).eval()
    if not cfg.TRAIN.ENABLE:
        log.say(logger, "%s", run_header.model(model, cfg))
        log.say(logger, "%s", run_header.data(cfg, {"test": loader.dataset.videos}))
    source = load_tested(cfg, model, newest)
    logger.info(
        "%d videos of %s, %d clips each, %d clip(s) in each forward pass (TEST.FORWARD_BATCH)",
        len(loader.dataset),
        loader.dataset.videos.origin,
        scoring.num_views,
        scoring.clips_per_pass,
    )
    started = time.perf_counter()
    parts = collectives.gather(_score(cfg, model, loader, scoring))
    signals.end_if_agreed("in a test, which the same command repeats")
    problem: Exception | None = None
    if collectives.is_main():
        videos: VideoList = loader.dataset.videos
        limited = loader.batch_sampler.limited  # type: ignore[union-attr]
        seconds = time.perf_counter() - started
        try:
            _report(cfg, _merge(parts), videos, source, seconds, limited=limited)
        except (VideoError, NonFiniteScores) as error:
            problem = error
    problem = collectives.broadcast_object(problem)  # all processes end alike
    if problem is not None:
        status = 1 if isinstance(problem, NonFiniteScores) else 2
        local_rank.raise_once(problem, status=status)


def load_tested(cfg: CfgNode, model: nn.Module, newest: Path | None = None) -> str:
    """Load the weights to test; returns their file.

    TEST.CHECKPOINT_FILE_PATH (``best``: that of OUTPUT_DIR), else ``newest`` or the newest valid
    checkpoint of OUTPUT_DIR, else TRAIN.CHECKPOINT_FILE_PATH, else a file named by
    TIMESFORMER.PRETRAINED_MODEL.

    Raises:
        CheckpointError: none of them, or one that leaves parameters without weights. The published
            code tested random weights then.
    """
    named = cfg.TEST.CHECKPOINT_FILE_PATH
    if named == "best":
        named = str(save.best_checkpoint(cfg.OUTPUT_DIR))
    path = named or newest or choose_newest(cfg.OUTPUT_DIR)
    path = path or cfg.TRAIN.CHECKPOINT_FILE_PATH or _pretrained(cfg)
    if not path:
        raise CheckpointError(
            "there are no weights to test; set TEST.CHECKPOINT_FILE_PATH, or train into this "
            "OUTPUT_DIR first"
        )
    path = path if named or newest else located(path)
    report = read_tested(model, portable(path))
    log.say(logger, "%s", run_header.weights(report, "testing: "))
    return str(path)


def _pretrained(cfg: CfgNode) -> str:
    name = cfg.TIMESFORMER.PRETRAINED_MODEL
    return "" if name.lower() == "none" else name


@torch.inference_mode()
def _score(cfg: CfgNode, model: nn.Module, loader: ClipLoader, scoring: Scoring) -> Scored:
    """Scores of this process's videos."""
    scores, indices, failures, spans = [], [], {}, {}
    precision = Precision(cfg.TEST.PRECISION, scoring.device)
    started = time.perf_counter()
    for i, batch in enumerate(log.progress(loader, total=len(loader), title="test"), start=1):
        for index, message in zip(batch.failed.tolist(), batch.failures, strict=True):
            failures[index] = message
            logger.warning("video not scored: %s", message)
        if len(batch.labels):
            with precision.autocast():
                scores.append(scoring.score(model, batch.clips))
            indices.append(batch.indices)
            spans |= zip(batch.indices.tolist(), batch.spans, strict=True)
        seconds = (time.perf_counter() - started) / i
        left = log.eta(seconds * (len(loader) - i))
        stats = {"split": "test_iter", "cur_iter": str(i), "eta": left, "time_diff": seconds}
        log.json_stats(logger, stats)
        if signals.requested():
            break
    if not scores:
        return Scored(
            np.empty((0, cfg.MODEL.NUM_CLASSES), np.float32), np.empty(0, np.int64), failures
        )
    return Scored(torch.cat(scores).cpu().numpy(), torch.cat(indices).numpy(), failures, spans)


def _merge(parts: list[Scored]) -> Scored:
    """All processes' videos in the order of the list."""
    indices = np.concatenate([part.indices for part in parts])
    order = np.argsort(indices)
    failures = {index: text for part in parts for index, text in part.failures.items()}
    spans = {index: span for part in parts for index, span in part.spans.items()}
    scores = np.concatenate([part.scores for part in parts])
    return Scored(scores[order], indices[order], dict(sorted(failures.items())), spans)


def _report(
    cfg: CfgNode, scored: Scored, videos: VideoList, source: str, seconds: float, *, limited: str
) -> None:
    """Write and log the results.

    Raises:
        VideoError: no video has scores.
        NonFiniteScores: some have none that are numbers.
        CheckpointError: OUTPUT_DIR is no longer there.
    """
    if gone := save.vanished(cfg.OUTPUT_DIR):
        raise CheckpointError(gone)
    folder = Path(cfg.OUTPUT_DIR)
    names = videos.class_names or read_weights(portable(source)).class_names
    scored, nonfinite = split_finite(scored, videos)
    write_predictions(folder / PREDICTIONS, scored, videos, names)
    total, done = len(videos.labels), len(scored.indices)
    unreadable = len(scored.failures) - len(nonfinite)
    if not done and not nonfinite:
        raise VideoError(describe_unreadable(videos.origin, scored.failures.values()))
    if cfg.TEST.SAVE_RESULTS_PATH:
        write_pickle(folder / cfg.TEST.SAVE_RESULTS_PATH, scored, videos)
    protocol = _protocol(cfg)
    logger.info("protocol: %s; weights: %s", protocol, source)
    logger.info(
        "scored %d of %d videos, %d unreadable%s",
        done,
        total,
        unreadable,
        ", which count neither as right nor as wrong" if unreadable else "",
    )
    part = {"limited": limited} if limited else {}
    if limited:
        logger.warning("the accuracy is of a part of the test: LIMITED to %s", limited)
    found = _no_figures(cfg) if nonfinite else _figures(cfg, scored, videos, names, part)
    results = {
        **found,
        "videos": total,
        "scored": done,
        "unreadable": unreadable,
        "nonfinite": len(nonfinite),
        **part,
        "protocol": protocol,
        "attention_type": cfg.TIMESFORMER.ATTENTION_TYPE,
        "weights": source,
        "list": videos.origin,
        "seconds": round(seconds, 2),
    }
    write_results(folder / RESULTS, results)
    files = [name for name in (PREDICTIONS, CLASSES, RESULTS) if (folder / name).is_file()]
    log.say(logger, "%s", screen.results(results, folder, files), at=screen.RESULT)
    if nonfinite:
        raise NonFiniteScores(describe_all_nonfinite(nonfinite.values(), total, PREDICTIONS))


def _protocol(cfg: CfgNode) -> str:
    return (
        f"{cfg.TEST.NUM_ENSEMBLE_VIEWS} temporal views ({cfg.TEST.VIEW_PLACEMENT}) x "
        f"{cfg.TEST.NUM_SPATIAL_CROPS} crops of {cfg.DATA.TEST_CROP_SIZE}, "
        f"joined by {cfg.DATA.ENSEMBLE_METHOD}, {cfg.TEST.PRECISION}"
    )


def _no_figures(cfg: CfgNode) -> dict[str, None]:
    """An accuracy of the videos that happen to have finite scores would not be one of the list."""
    return dict.fromkeys(["map"] if cfg.DATA.MULTI_LABEL else ["top1_acc", "top5_acc"])


def _figures(
    cfg: CfgNode, scored: Scored, videos: VideoList, names: Sequence[str], part: dict[str, str]
) -> dict[str, Any]:
    """Measure, log, and write the results of the classes; returns the figures."""
    folder, multi_label = Path(cfg.OUTPUT_DIR), cfg.DATA.MULTI_LABEL
    found, classes = measure(scored, videos)
    printed = {name: f"{v:.2f}" if name.endswith("acc") else v for name, v in found.items()}
    log.json_stats(logger, {"split": "test_final", **printed, **part})
    mean, *remarkable = class_lines(classes, names, multi_label=multi_label)
    logger.info("%s", mean)  # it is in the table at the end too
    for line in remarkable:
        log.say(logger, "%s", line)
    write_classes(folder / CLASSES, classes, names, multi_label=multi_label)
    return found | class_summary(classes, names, multi_label=multi_label)
