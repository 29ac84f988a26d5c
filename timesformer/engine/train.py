"""The training loop: epochs of accumulated steps, checkpoints, validation."""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from timesformer.checkpoint import metadata, resume_check, save
from timesformer.checkpoint.newest import RUN
from timesformer.config import CfgNode
from timesformer.datasets.build import build_loader, build_worker_count
from timesformer.datasets.clips import Batch
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import optim, truncate_logs
from timesformer.engine.checkpointing import CheckpointSchedule
from timesformer.engine.fsdp import whole_parameters
from timesformer.engine.losses import build_loss, build_mixup
from timesformer.engine.meters import EpochMeter
from timesformer.engine.parallel import parallelize
from timesformer.engine.restore import Start, described_start, restore
from timesformer.engine.step_timers import StepTimers
from timesformer.engine.train_state import TrainState
from timesformer.engine.train_step import TrainStep
from timesformer.evaluation import run_header
from timesformer.evaluation.evaluators import VALIDATION, build_evaluators, due_after
from timesformer.evaluation.probe import build_input_normalizer, build_probe_loaders
from timesformer.files import checkpoint_path
from timesformer.models import build_model
from timesformer.models.freeze import freeze, set_train_mode
from timesformer.runtime import collectives, log, signals

logger = logging.getLogger(__name__)


def train(cfg: CfgNode, device: torch.device, run: str = "") -> Path | None:
    """Train the configured model; checkpoint and validate as it goes; resume if it was interrupted.

    ``run``: its id. Returns the newest checkpoint, that of the end.

    Raises:
        CheckpointError: weights to start from are missing or do not fit; no checkpoint can be written.
        FloatingPointError: loss or gradients are no longer finite, see ``nonfinite``.
        Interrupted: a signal asked for the end, and everything needed to resume is saved.
    """
    torch.manual_seed(cfg.RNG_SEED)
    loader = build_loader(cfg, "train", folder=cfg.OUTPUT_DIR)
    val_loader = build_loader(cfg, "val", folder=cfg.OUTPUT_DIR)
    lists = {"train": loader.dataset.videos, "val": val_loader.dataset.videos}
    model = build_model(cfg).to(device)
    log.say(logger, "%s", run_header.build_model_line(cfg, model))
    log.say(logger, "%s", run_header.build_data_line(cfg, lists))
    if cfg.LOG_MODEL_INFO:
        _log_model(model, cfg)
    freeze(model, cfg)
    state = TrainState(cfg, model, device)
    known_bad = len(loader.dataset.known_bad)
    about = metadata.build_metadata(cfg, lists) | resume_check.facts(len(loader), known_bad)
    about |= described_start(cfg) | {RUN: run}
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
    with CheckpointSchedule(cfg, state, about, lists["train"], len(loader), scalars) as saved:
        trainer = build_trainer(cfg, model, state, device, scalars, after_step=saved.after_step)
        while start.position.epoch < cfg.SOLVER.MAX_EPOCH and not state.early_stopping.is_over:
            trainer.run_epoch(loader, start)
            epoch = start.position.epoch
            if due := due_after(epoch, evaluators, num_epochs=cfg.SOLVER.MAX_EPOCH):
                with whole_parameters(state.model):
                    found = {
                        name: evaluator.run(state.ema.evaluated, epoch, scalars)
                        for name, evaluator in due.items()
                    }
                if VALIDATION in found:
                    is_best = state.early_stopping.update(found[VALIDATION], epoch)
                    saved.after_validation(epoch, is_best=is_best)
            start = Start.of_epoch(epoch + 1)
    scalars.close()
    return saved.newest or start.path


AfterStep = Callable[[int, int, EpochMeter], None]  # 0-based epoch, its batches so far, statistics


@dataclasses.dataclass(frozen=True)
class EpochSettings:
    """What the loop needs to know of a run."""

    num_epochs: int
    seed: int
    accumulation: int  # batches of an optimizer step
    log_period: int  # batches
    schedule: optim.Schedule


class Trainer:
    """One epoch after another of one model."""

    def __init__(
        self,
        step: TrainStep,
        settings: EpochSettings,
        scalars: log.Scalars,
        *,
        timers: StepTimers,
        after_step: AfterStep,
    ) -> None:
        self.step = step
        self.settings = settings
        self.scalars = scalars
        self.timers = timers
        self.after_step = after_step

    def run_epoch(self, loader: ClipLoader, start: Start) -> None:
        """Every batch of ``loader`` from ``start`` on; an incomplete last group steps with what it has."""
        run, state = self.settings, self.step.state
        set_train_mode(state.model)
        epoch, first_batch = start.position
        num_batches = len(loader)
        meter = EpochMeter(
            epoch,
            num_batches,
            self.scalars,
            log_period=run.log_period,
            num_epochs=run.num_epochs,
        )
        meter.load_state_dict(start.payload.get("meter", {}))
        losses: list[Tensor] = []  # of the group under way
        loader.load_state_dict(start.position._asdict())
        loader.give_up = lambda: not losses and _stops_alone()
        batches = meter.timed(self.timers.batches(_bar(loader, start, run.num_epochs)))
        for i, batch in enumerate(batches, first_batch):
            lr = run.schedule(epoch + i / num_batches)
            optim.set_lr(state.optimizer, lr)
            seed_step(run.seed, epoch, i)
            group = _group(i, run.accumulation, num_batches)
            is_last = i == group[-1]
            result = self.step.accumulate(batch, len(group), is_last=is_last)
            losses.append(result.loss)
            step = self.step.update(losses) if is_last else None
            state.guard.record(epoch, i, batch.indices, result.loss, step)
            meter.update(result, lr, batch.failures, step)
            if is_last:
                losses.clear()
                self.after_step(epoch, i + 1, meter)
        reached = loader.state_dict()
        if reached["epoch"] == epoch:  # the loader was given up: save and end
            self.after_step(epoch, reached["batch"], meter)
        meter.finish()


def build_trainer(
    cfg: CfgNode,
    model: nn.Module,
    state: TrainState,
    device: torch.device,
    scalars: log.Scalars,
    *,
    after_step: AfterStep = lambda epoch, batch, meter: None,
) -> Trainer:
    """The loop of ``model``, that of ``state`` in its wrapper; logs what an optimizer step takes."""
    batch_size = build_batch_size(cfg)
    accumulation = optim.accumulation_steps(batch_size, cfg.GLOBAL_BATCH_SIZE)
    factor = optim.lr_factor(cfg.GLOBAL_BATCH_SIZE, cfg.SOLVER.LR_REFERENCE_BATCH)
    _log_step(batch_size, accumulation, cfg.GLOBAL_BATCH_SIZE, factor)
    settings = EpochSettings(
        num_epochs=cfg.SOLVER.MAX_EPOCH,
        seed=cfg.RNG_SEED,
        accumulation=accumulation,
        log_period=cfg.LOG_PERIOD,
        schedule=optim.build_schedule(cfg),
    )
    step = TrainStep(
        model,
        state,
        device,
        normalize=build_input_normalizer(cfg),
        mix=build_mixup(cfg),
        loss=build_loss(cfg),
    )
    timers = StepTimers(cfg.TRAIN.PROFILE_STEPS, cfg.OUTPUT_DIR, device)
    timers.attach(step)
    return Trainer(step, settings, scalars, timers=timers, after_step=after_step)


def build_batch_size(cfg: CfgNode) -> int:
    """Clips of a batch of all processes."""
    return cfg.TRAIN.BATCH_SIZE * (collectives.world_size() // collectives.local_world_size())


def _group(batch: int, accumulation: int, num_batches: int) -> range:
    """The batches of the optimizer step that ``batch`` is a part of."""
    first = batch - batch % accumulation
    return range(first, min(first + accumulation, num_batches))


def _stops_alone() -> bool:
    """Whether the wait for a batch is to end; several processes end together, after a step."""
    return collectives.world_size() == 1 and signals.requested()


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed what a step draws (drop path, dropout, mixup), so that a resumed run draws the same.

    Each process draws its own; the published code gave all of them the same masks.
    """
    state = np.random.SeedSequence([seed, epoch, step, collectives.rank()]).generate_state(2)
    torch.manual_seed(int(state[0]))
    np.random.seed(int(state[1]))  # timm's mixup draws from the global generator


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
            truncate_logs.rewind(cfg, written)
    return log.build_scalars(cfg, epoch=epoch, batch=batch)


def _bar(loader: ClipLoader, start: Start, num_epochs: int) -> Iterator[Batch]:
    title = f"epoch {start.position.epoch + 1}/{num_epochs}"
    return iter(log.progress(loader, total=len(loader) - start.position.batch, title=title))


def _log_model(model: nn.Module, cfg: CfgNode) -> None:
    if collectives.is_main():
        from timesformer.models.flops import model_info

        logger.info("%s", model_info(model, cfg))


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


def _log_step(batch_size: int, steps: int, global_batch_size: int, lr_factor: float) -> None:
    clips = steps * batch_size
    note = f" instead of GLOBAL_BATCH_SIZE {global_batch_size}" * (clips != global_batch_size)
    logger.info(
        "each optimizer step takes %d batch(es) of %d: %d clips%s; learning rates %s",
        steps,
        batch_size,
        clips,
        note,
        "as given" if lr_factor == 1 else f"times {lr_factor:g} (SOLVER.LR_REFERENCE_BATCH)",
    )
