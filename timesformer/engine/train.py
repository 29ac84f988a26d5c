"""A training: model and data, then epochs with checkpoints and evaluations."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from timesformer.checkpoint import metadata, resume_check, save
from timesformer.checkpoint.newest import RUN
from timesformer.config import CfgNode
from timesformer.datasets.build import build_loader, build_worker_count
from timesformer.datasets.joint_lists import by_name
from timesformer.datasets.list_source import EXTRA
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import truncate_logs
from timesformer.engine.checkpointing import build_checkpoint_schedule
from timesformer.engine.fsdp import whole_parameters
from timesformer.engine.joint import build_trained_model
from timesformer.engine.parallel import parallelize
from timesformer.engine.restore import Start, described_start, restore
from timesformer.engine.train_state import TrainState, build_train_state
from timesformer.engine.trainer import build_batch_size, build_trainer
from timesformer.evaluation import run_header
from timesformer.evaluation.evaluators import (
    VALIDATION,
    Evaluator,
    Metrics,
    build_evaluators,
    due_after,
)
from timesformer.evaluation.probe import build_probe_loaders
from timesformer.files import checkpoint_path
from timesformer.models.classifier import Classifier
from timesformer.models.freeze import freeze
from timesformer.runtime import collectives, log

logger = logging.getLogger(__name__)


def train(cfg: CfgNode, device: torch.device, run_id: str = "") -> Path | None:
    """Train the configured model; checkpoint and validate as it goes; resume if it was interrupted.

    ``run_id`` is written into its checkpoints. Returns the newest checkpoint, that of the end.

    Raises:
        CheckpointError: weights to start from are missing or do not fit; no checkpoint can be written.
        FloatingPointError: loss or gradients are no longer finite, see ``nonfinite``.
        Interrupted: a signal asked for the end, and everything needed to resume is saved.
    """
    torch.manual_seed(cfg.RNG_SEED)
    loader = build_loader(cfg, "train", folder=cfg.OUTPUT_DIR)
    val_loader = build_loader(cfg, "val", folder=cfg.OUTPUT_DIR)
    lists = by_name(loader.dataset.videos) | {"val": val_loader.dataset.videos}
    model = build_trained_model(cfg, lists.get(EXTRA)).to(device)
    log.say(logger, "%s", run_header.build_model_line(cfg, model))
    log.say(logger, "%s", run_header.build_data_line(cfg, lists))
    if cfg.LOG_MODEL_INFO:
        _log_model(model)
    freeze(model, cfg.TRAIN.FREEZE)
    state = build_train_state(cfg, model, device)
    known_bad = len(loader.dataset.known_bad)
    about = metadata.build_metadata(cfg, lists) | resume_check.facts(len(loader), known_bad)
    about |= described_start(cfg) | {RUN: run_id}
    start = restore(cfg, state, about)
    model = parallelize(model, cfg, device, state.optimizer)
    loader, val_loader = build_probe_loaders(cfg, state.model, loader, val_loader, device)
    evaluators = build_evaluators(cfg, val_loader, device, state.early_stopping.seen)
    scalars = build_records(cfg, start)
    _log_loader(
        loader,
        clips=build_batch_size(cfg),
        num_workers=build_worker_count(cfg),
        num_repeats=cfg.AUG.NUM_REPEATS,
    )
    with build_checkpoint_schedule(
        cfg,
        state,
        about,
        num_batches=len(loader),
        video_name=loader.dataset.videos.name,
        scalars=scalars,
    ) as saved:
        trainer = build_trainer(cfg, model, state, device, scalars, after_step=saved.after_step)
        while start.position.epoch < cfg.SOLVER.MAX_EPOCH and not state.early_stopping.is_over:
            trainer.run_epoch(loader, start)
            epoch = start.position.epoch
            due = due_after(epoch, evaluators, num_epochs=cfg.SOLVER.MAX_EPOCH)
            found = _evaluate(state, due, epoch, scalars)
            if VALIDATION in found:
                is_best = state.early_stopping.update(found[VALIDATION], epoch)
                saved.after_validation(epoch, is_best=is_best)
            start = Start.of_epoch(epoch + 1)
    scalars.close()
    return saved.newest or start.path


def build_records(cfg: CfgNode, start: Start) -> log.Scalars:
    """Logs and curves from ``start`` on; later entries in OUTPUT_DIR are removed first."""
    epoch, batch = start.position
    if collectives.is_main():
        after = start.path or checkpoint_path(cfg.OUTPUT_DIR, epoch - 1)
        aside = save.set_aside(cfg.OUTPUT_DIR, after=after, best=start.path is None)
        if aside is not None:
            logger.warning("checkpoints that are not of this run are in %s now", aside)
        written = start.payload.get("written", {})
        if written or start.path is None:  # a checkpoint that does not say takes nothing out
            truncate_logs.truncate(Path(cfg.OUTPUT_DIR), log.build_board_folder(cfg), written)
    return log.build_scalars(cfg, epoch=epoch, batch=batch)


def _evaluate(
    state: TrainState, evaluators: Mapping[str, Evaluator], epoch: int, scalars: log.Scalars
) -> dict[str, Metrics]:
    """The figures of each evaluator after 0-based ``epoch``, by name."""
    if not evaluators:
        return {}
    with whole_parameters(state.model):
        model = state.ema.evaluated
        collectives.broadcast_tensors(model.buffers())  # batch norms may have counted apart
        return {name: each.run(model, epoch, scalars) for name, each in evaluators.items()}


def _log_model(model: Classifier) -> None:
    if collectives.is_main():
        from timesformer.models.flops import model_info

        logger.info("%s", model_info(model))


def _log_loader(loader: ClipLoader, *, clips: int, num_workers: int, num_repeats: int) -> None:
    """``clips``: of a batch of all processes."""
    logger.info(
        "%d videos%s, %d batches of %d clips an epoch; each process: %d clips a batch, %d loader "
        "process(es) with %s decoder thread(s) each, %d torch thread(s)",
        len(loader.dataset),
        f" of {num_repeats} clips" if num_repeats > 1 else "",
        len(loader),
        clips,
        clips // collectives.world_size(),
        num_workers,
        "several" if loader.dataset.multi_thread else "1",
        torch.get_num_threads(),
    )
