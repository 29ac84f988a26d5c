"""The loop over the batches of an epoch: gradients, optimizer steps, statistics."""

import dataclasses
import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from timesformer.config import CfgNode
from timesformer.datasets.clips import Batch
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import optim
from timesformer.engine.joint import build_counted
from timesformer.engine.losses import build_loss, build_mixup
from timesformer.engine.meters import EpochMeter
from timesformer.engine.restore import Start
from timesformer.engine.step_timers import StepTimers
from timesformer.engine.train_state import TrainState
from timesformer.engine.train_step import TrainStep
from timesformer.evaluation.probe import build_input_normalizer
from timesformer.models.freeze import set_train_mode
from timesformer.runtime import collectives, log, signals

logger = logging.getLogger(__name__)

AfterStep = Callable[[int, int, EpochMeter], None]  # 0-based epoch, its batches so far, statistics


@dataclasses.dataclass(frozen=True)
class EpochSettings:
    """The settings of the loop."""

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
        """Train on the batches of ``loader`` from ``start`` on; an incomplete last group steps too."""
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
    """The loop of ``model``, the wrapped model of ``state``; logs the batches of an optimizer step."""
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
        counted=build_counted(cfg),
    )
    timers = StepTimers(cfg.TRAIN.PROFILE_STEPS, cfg.OUTPUT_DIR, device)
    timers.attach(step)
    return Trainer(step, settings, scalars, timers=timers, after_step=after_step)


def build_batch_size(cfg: CfgNode) -> int:
    """Clips of a batch of all processes."""
    return cfg.TRAIN.BATCH_SIZE * collectives.num_machines()


def _group(batch: int, accumulation: int, num_batches: int) -> range:
    """The batches of the optimizer step that ``batch`` is a part of."""
    first = batch - batch % accumulation
    return range(first, min(first + accumulation, num_batches))


def _stops_alone() -> bool:
    """Whether to stop waiting for a batch; several processes stop together, after a step."""
    return collectives.world_size() == 1 and signals.requested()


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed the random draws of a step (drop path, dropout, mixup), so that a resumed run repeats them.

    Each process draws its own; the published code gave all of them the same masks.
    """
    state = np.random.SeedSequence([seed, epoch, step, collectives.rank()]).generate_state(2)
    torch.manual_seed(int(state[0]))
    np.random.seed(int(state[1]))  # timm's mixup draws from the global generator


def _bar(loader: ClipLoader, start: Start, num_epochs: int) -> Iterator[Batch]:
    title = f"epoch {start.position.epoch + 1}/{num_epochs}"
    return iter(log.progress(loader, total=len(loader) - start.position.batch, title=title))


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
