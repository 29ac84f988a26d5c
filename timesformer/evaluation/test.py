"""Multi-view testing: every video once, its views as one score, every number auditable."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.load import load_tested as read_tested
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.checkpoint.start import located
from timesformer.config import CfgNode, portable
from timesformer.config.published import build_published
from timesformer.datasets import build_loader
from timesformer.datasets.clips import Batch
from timesformer.datasets.lists import VideoList
from timesformer.evaluation import run_header
from timesformer.evaluation.loop import LoopProgress, evaluate
from timesformer.evaluation.outcome import NonFiniteScores, TestSettings, report
from timesformer.evaluation.protocols import (
    build_protocols,
    build_shared_view,
    score_all,
    scores_of,
)
from timesformer.evaluation.scoring import build_scoring
from timesformer.evaluation.view_scores import Keeper, build_keeper
from timesformer.files import best_checkpoint
from timesformer.models import build_model
from timesformer.models.speedups import speed_up
from timesformer.runtime import collectives, local_rank, log
from timesformer.runtime.precision import Precision
from timesformer.video import VideoError

logger = logging.getLogger(__name__)


def test(cfg: CfgNode, device: torch.device, newest: Path | None = None) -> None:  # noqa: PT028
    """Test the configured checkpoint on the list of TEST.SPLIT; write predictions, log the accuracy.

    ``newest``: the last checkpoint of a training in this process.

    Unreadable videos are counted apart: they have no score, and no other video takes their place.

    Raises:
        CheckpointError: there is no checkpoint, or it does not fit the model.
        VideoError: no video could be read.
        NonFiniteScores: scores of some videos are not finite; everything else is written.
        Interrupted: a signal asked for the end.
    """
    precision = Precision(cfg.TEST.PRECISION, device)
    protocols = build_protocols(cfg)
    view = build_shared_view(cfg, protocols)
    scoring = score_all(build_scoring(cfg, device, precision.autocast), view, protocols)
    together, folder = scoring.videos_together, Path(cfg.OUTPUT_DIR)
    loader = build_loader(cfg, "test", view=view, folder=folder, together=together)
    videos: VideoList = loader.dataset.videos
    model = speed_up(build_model(cfg).to(device)).eval()
    if not cfg.TRAIN.ENABLE:
        log.say(logger, "%s", run_header.build_model_line(cfg, model))
        log.say(logger, "%s", run_header.build_data_line(cfg, {cfg.TEST.SPLIT: videos}))
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
        view.num_clips,
        scoring.forward_batch,
    )
    settings = TestSettings(
        split=cfg.TEST.SPLIT,
        views=scoring.num_views,
        clips=view.num_clips,
        precision=cfg.TEST.PRECISION,
        attention_type=model.kind,
        weights=source,
        limited=loader.batch_sampler.limited,
    )
    started = time.perf_counter()
    keeper = build_keeper(cfg, len(videos.labels))
    scores = evaluate(
        model,
        loader,
        keeper.watching(scoring),
        title="test",
        after_batch=partial(_after_batch, keeper),
    )
    views = keeper.gathered()
    if not len(scores.indices):
        none = scores.values.new_zeros(0, len(protocols), cfg.MODEL.NUM_CLASSES)
        scores = scores._replace(values=none)
    problem: Exception | None = None
    if collectives.is_main():
        settings = replace(settings, seconds=time.perf_counter() - started)
        tested = list(zip(protocols, scores_of(scores, view, protocols), strict=True))
        known = build_published(cfg) if len(tested) > 1 else None
        pickled = cfg.TEST.SAVE_RESULTS_PATH
        try:
            report(folder, tested, videos, settings, views=views, pickled=pickled, known=known)
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
    loaded = read_tested(model, portable(path))
    log.say(logger, "%s", run_header.weights(loaded, "testing: "))
    return str(path)


def _after_batch(keeper: Keeper, progress: LoopProgress, batch: Batch, _: Tensor) -> None:
    """Log the published line of one batch, of this process."""
    keeper.name_seen(batch.indices)
    position = {"cur_iter": str(progress.batch), "eta": progress.eta}
    log.json_stats(logger, {"split": "test_iter", **position, "time_diff": progress.seconds})
