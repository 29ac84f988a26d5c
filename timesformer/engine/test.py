"""Multi-view testing: every video once, its views as one score, every number auditable."""

import csv
import logging
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejson
import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from timesformer import checkpoint, distributed, metrics, run_checkpoint
from timesformer.config.load import portable
from timesformer.datasets import build_loader
from timesformer.datasets.lists import VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import interrupt, log
from timesformer.engine.precision import Precision
from timesformer.engine.restore import choose_newest
from timesformer.models import build_model
from timesformer.scoring import Scoring, build_scoring

logger = logging.getLogger(__name__)

PREDICTIONS = "test_predictions.csv"
RESULTS = "test_results.json"


class Scored(NamedTuple):
    """Scores (N, K) float32 and list indices (N,) of videos; why the others have none, by index."""

    scores: np.ndarray
    indices: np.ndarray
    failures: dict[int, str]


def test(cfg: CfgNode, device: torch.device) -> None:
    """Test the configured checkpoint on test.csv; write predictions and log the accuracy.

    Unreadable videos are counted apart: they have no score, and no other video takes their place.

    Raises:
        CheckpointError: there is no checkpoint, or it is not of this model.
        RuntimeError: no video could be read.
    """
    scoring = build_scoring(cfg, device)
    loader = build_loader(cfg, "test", folder=cfg.OUTPUT_DIR, together=scoring.videos_per_pass)
    model = build_model(cfg).to(device).eval()
    source = load_tested(cfg, model)
    logger.info(
        "%d videos of %s, %d clips each, %d clip(s) in each forward pass (TEST.CLIPS_PER_PASS)",
        len(loader.dataset),
        loader.dataset.videos.origin,
        scoring.num_views,
        scoring.clips_per_pass,
    )
    started = time.perf_counter()
    parts = distributed.gather(_score(cfg, model, loader, scoring))
    interrupt.end_if_agreed("in a test, which the same command repeats")
    if distributed.is_main():
        videos: VideoList = loader.dataset.videos
        limited = loader.batch_sampler.limited  # type: ignore[union-attr]
        seconds = time.perf_counter() - started
        _report(cfg, _merge(parts), videos, source, seconds, limited=limited)
    distributed.barrier()


def load_tested(cfg: CfgNode, model: nn.Module) -> str:
    """Load the weights to test; returns their file.

    TEST.CHECKPOINT_FILE_PATH (``best``: that of OUTPUT_DIR), else the newest valid checkpoint of
    OUTPUT_DIR, else TRAIN.CHECKPOINT_FILE_PATH, else a file named by TIMESFORMER.PRETRAINED_MODEL.

    Raises:
        CheckpointError: none of them, or one that leaves parameters without weights. The published
            code tested random weights then.
    """
    named = cfg.TEST.CHECKPOINT_FILE_PATH
    if named == "best":
        named = str(run_checkpoint.best_checkpoint(cfg.OUTPUT_DIR))
    path = named or choose_newest(cfg.OUTPUT_DIR)
    path = path or cfg.TRAIN.CHECKPOINT_FILE_PATH or _pretrained(cfg)
    if not path:
        raise checkpoint.CheckpointError(
            "there are no weights to test; set TEST.CHECKPOINT_FILE_PATH, or train into this "
            "OUTPUT_DIR first"
        )
    report = checkpoint.load_tested(model, portable(path))
    logger.info("testing: %s", report)
    return str(path)


def _pretrained(cfg: CfgNode) -> str:
    name = cfg.TIMESFORMER.PRETRAINED_MODEL
    return "" if name.lower() == "none" else name


@torch.inference_mode()
def _score(cfg: CfgNode, model: nn.Module, loader: ClipLoader, scoring: Scoring) -> Scored:
    """Scores of this process's videos."""
    scores, indices, failures = [], [], {}
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
        seconds = (time.perf_counter() - started) / i
        left = log.eta(seconds * (len(loader) - i))
        stats = {"split": "test_iter", "cur_iter": str(i), "eta": left, "time_diff": seconds}
        log.json_stats(logger, stats)
        if interrupt.requested():
            break
    if not scores:
        return Scored(
            np.empty((0, cfg.MODEL.NUM_CLASSES), np.float32), np.empty(0, np.int64), failures
        )
    return Scored(torch.cat(scores).cpu().numpy(), torch.cat(indices).numpy(), failures)


def _merge(parts: list[Scored]) -> Scored:
    """All processes' videos in the order of the list."""
    indices = np.concatenate([part.indices for part in parts])
    order = np.argsort(indices)
    failures = {index: text for part in parts for index, text in part.failures.items()}
    scores = np.concatenate([part.scores for part in parts])
    return Scored(scores[order], indices[order], dict(sorted(failures.items())))


def _report(
    cfg: CfgNode, scored: Scored, videos: VideoList, source: str, seconds: float, *, limited: str
) -> None:
    if not len(scored.indices):
        raise RuntimeError(f"no video of {videos.origin} can be read; see the warnings above")
    folder = Path(cfg.OUTPUT_DIR)
    names = videos.class_names or checkpoint.read_weights(portable(source)).class_names
    write_predictions(folder / PREDICTIONS, scored, videos, names)
    if cfg.TEST.SAVE_RESULTS_PATH:
        write_pickle(folder / cfg.TEST.SAVE_RESULTS_PATH, scored, videos)
    scores = torch.from_numpy(scored.scores)
    labels = torch.from_numpy(videos.labels[scored.indices])
    measure = _precision if cfg.DATA.MULTI_LABEL else _accuracies
    found = measure(scores, labels)
    total, done, failed = len(videos.labels), len(scored.indices), len(scored.failures)
    part = {"limited": limited} if limited else {}
    protocol = (
        f"{cfg.TEST.NUM_ENSEMBLE_VIEWS} temporal views ({cfg.TEST.VIEW_PLACEMENT}) x "
        f"{cfg.TEST.NUM_SPATIAL_CROPS} crops of {cfg.DATA.TEST_CROP_SIZE}, "
        f"joined by {cfg.DATA.ENSEMBLE_METHOD}, {cfg.TEST.PRECISION}"
    )
    logger.info("protocol: %s; weights: %s", protocol, source)
    logger.info(
        "scored %d of %d videos, %d unreadable%s",
        done,
        total,
        failed,
        ", which count neither as right nor as wrong" if failed else "",
    )
    if limited:
        logger.warning("the accuracy is of a part of the test: LIMITED to %s", limited)
    printed = {name: f"{v:.2f}" if name.endswith("acc") else v for name, v in found.items()}
    log.json_stats(logger, {"split": "test_final", **printed, **part})
    results = {
        **found,
        "videos": total,
        "scored": done,
        "unreadable": failed,
        **part,
        "protocol": protocol,
        "attention_type": cfg.TIMESFORMER.ATTENTION_TYPE,
        "weights": source,
        "list": videos.origin,
        "seconds": round(seconds, 2),
    }
    (folder / RESULTS).write_text(simplejson.dumps(results, indent=2) + "\n", encoding="utf-8")
    logger.info("predictions: %s; summary: %s", folder / PREDICTIONS, folder / RESULTS)


def _accuracies(scores: Tensor, labels: Tensor) -> dict[str, float]:
    return {f"top{k}_acc": metrics.accuracy(scores, labels, k) for k in (1, 5)}


def _precision(scores: Tensor, labels: Tensor) -> dict[str, float]:
    return {"map": metrics.mean_average_precision(scores, labels)}


def write_predictions(
    path: Path, scored: Scored, videos: VideoList, names: Sequence[str] = ()
) -> None:
    """A row for each video of the list: path, label, prediction, error, and a score for each class.

    Unreadable videos have an error instead of a prediction and scores. Several labels are written
    as in lists, ``3;7``; the prediction is the class of the highest score. With ``names`` of the
    classes, columns label_name and prediction_name follow the error.
    """
    row_of = {int(index): row for row, index in enumerate(scored.indices)}
    num_classes = scored.scores.shape[1]
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        classes = [f"score_{k}" for k in range(num_classes)]
        columns = ["label_name", "prediction_name"] if names else []
        writer.writerow(["path", "label", "prediction", "error", *columns, *classes])
        for index in range(len(videos.labels)):
            if index in row_of:
                scores = scored.scores[row_of[index]]
                best, reason = int(scores.argmax()), ""
                values = [f"{score:.6g}" for score in scores]
            else:
                reason = scored.failures.get(index, "not scored: the test was limited")
                best, values = "", [""] * num_classes
            label = videos.label_text(index)
            called = [";".join(names[int(k)] for k in label.split(";") if k)] if names else []
            called += [names[best] if best != "" else ""] if names else []
            writer.writerow([videos.name(index), label, best, reason, *called, *values])


def write_pickle(path: Path, scored: Scored, videos: VideoList) -> None:
    """The published layout, [scores (videos, K), labels (videos,)] as tensors, in list order.

    Several labels are (videos, K). Unreadable videos have nan scores. The published code stored the
    labels twice.
    """
    scores = torch.full((len(videos.labels), scored.scores.shape[1]), torch.nan)
    scores[torch.from_numpy(scored.indices)] = torch.from_numpy(scored.scores)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickle.dump([scores, torch.from_numpy(videos.labels.copy())], file)
