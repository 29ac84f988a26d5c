"""The training loop: epochs of accumulated steps, checkpoints, validation."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from timesformer.checkpoint import metadata, resume_check, save
from timesformer.checkpoint.newest import RUN
from timesformer.config import CfgNode
from timesformer.config.schedule import is_due
from timesformer.datasets import build_loader, num_workers
from timesformer.datasets.clips import Batch
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import optim, truncate_logs
from timesformer.engine.checkpointing import Checkpoints
from timesformer.engine.fsdp import whole_parameters
from timesformer.engine.losses import build_loss, build_mixup
from timesformer.engine.meters import EpochMeter
from timesformer.engine.microbatch import MicroBatches
from timesformer.engine.parallel import parallelize
from timesformer.engine.prefetch import DevicePrefetcher
from timesformer.engine.restore import Start, described_start, restore
from timesformer.engine.step_timers import Stages
from timesformer.engine.train_state import TrainingState
from timesformer.evaluation import run_header
from timesformer.evaluation.probe import input_normalizer, reuse_features
from timesformer.evaluation.validate import Validator
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
        Interrupted: a signal asked for the end, and what is needed to go on is saved.
    """
    torch.manual_seed(cfg.RNG_SEED)
    loader = build_loader(cfg, "train", folder=cfg.OUTPUT_DIR)
    validator = Validator(cfg, device)
    lists = {"train": loader.dataset.videos, "val": validator.loader.dataset.videos}
    model = build_model(cfg).to(device)
    log.say(logger, "%s", run_header.model(model, cfg))
    log.say(logger, "%s", run_header.data(cfg, lists))
    _log_model(model, cfg)
    freeze(model, cfg)
    state = TrainingState(cfg, model, device)
    validator.best = state.best.seen
    known_bad = len(loader.dataset.known_bad)
    about = metadata.describe(cfg, lists) | resume_check.facts(len(loader), known_bad)
    about |= described_start(cfg) | {RUN: run}
    start = restore(cfg, state, about)
    model = parallelize(model, cfg, device, state.optimizer)
    loader, validator.loader = reuse_features(cfg, state.model, loader, validator.loader, device)
    accumulation = _log_batches(cfg, loader)
    scalars = start_records(cfg, start)
    with Checkpoints(cfg, state, about, lists["train"], len(loader), scalars) as saved:
        trainer = Trainer(
            cfg,
            model,
            state,
            device,
            accumulation=accumulation,
            scalars=scalars,
            after=saved.after_step,
        )
        while start.position.epoch < cfg.SOLVER.MAX_EPOCH and not state.best.is_over:
            trainer.run_epoch(loader, start)
            epoch = start.position.epoch
            if is_due(epoch, cfg.TRAIN.EVAL_PERIOD, cfg.SOLVER.MAX_EPOCH):
                with whole_parameters(state.model):
                    found = validator.run(state.average.evaluated, epoch, scalars)
                saved.after_validation(epoch, is_best=state.best.judge(found, epoch))
            start = Start.of_epoch(epoch + 1)
    scalars.close()
    return saved.newest or start.path


class Trainer:
    """One epoch after another of one model."""

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        state: TrainingState,
        device: torch.device,
        *,
        accumulation: int,
        scalars: log.Scalars,
        after: Callable[[int, int, EpochMeter], None] = lambda epoch, batch, meter: None,
    ) -> None:
        """``model``: that of ``state``, wrapped; ``after`` is called after every optimizer step."""
        self.cfg = cfg
        self.model = model
        self.state = state
        self.accumulation = accumulation
        self.scalars = scalars
        self.after = after
        self.mix = build_mixup(cfg)
        self.loss = build_loss(cfg)
        self.normalize = input_normalizer(cfg)
        self.micro_batches = MicroBatches(model)
        self.finite: list[Tensor] = []  # whether the losses of a group are
        self.copy = DevicePrefetcher(device)
        self.stages = Stages(cfg.TRAIN.PROFILE_STEPS, cfg.OUTPUT_DIR, device)

    def run_epoch(self, loader: ClipLoader, start: Start) -> None:
        """Every batch of ``loader`` from ``start`` on; an incomplete last group steps with what it has."""
        set_train_mode(self.state.model)
        epoch, first_batch = start.position
        loader.load_state_dict(start.position._asdict())
        loader.give_up = self.gives_up
        num_batches = len(loader)
        meter = EpochMeter(self.cfg, epoch, num_batches, self.scalars)
        meter.load_state_dict(start.payload.get("meter", {}))
        waited_from = time.perf_counter()
        batches = self.stages.batches(_bar(loader, start, self.cfg.SOLVER.MAX_EPOCH))
        for i, batch in enumerate(batches, first_batch):
            meter.waited(time.perf_counter() - waited_from)
            lr = optim.lr_at_epoch(self.cfg, epoch + i / num_batches)
            optim.set_lr(self.state.optimizer, lr)
            seed_step(self.cfg.RNG_SEED, epoch, i)
            first = i - i % self.accumulation
            group = min(self.accumulation, num_batches - first)
            is_last = i == first + group - 1
            loss, logits, labels = self.backward(batch, group, is_last=is_last)
            self.state.guard.saw(epoch, i, batch.indices, loss)
            if is_last:
                self.state.guard.stepped(self.last_step)
                meter.stepped(self.last_step)
            meter.update(loss, logits, labels, lr, batch.failures)
            if is_last:
                self.after(epoch, i + 1, meter)
            waited_from = time.perf_counter()
        self.end_early(loader, epoch, meter)
        meter.finish()

    def gives_up(self) -> bool:
        """Whether the wait for a batch is to end: a signal came, and nothing of a group is done yet.

        Several processes end together, after a step.
        """
        is_alone = collectives.world_size() == 1
        return is_alone and not self.finite and signals.requested()

    def end_early(self, loader: ClipLoader, epoch: int, meter: EpochMeter) -> None:
        """Save and end if ``loader`` was given up, which is between two steps; else do nothing."""
        reached = loader.state_dict()
        if reached["epoch"] == epoch:
            self.after(epoch, reached["batch"], meter)

    def backward(self, batch: Batch, group: int, *, is_last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of one batch of a group; the last one of the group updates the parameters.

        Returns the detached loss, logits (B, K) and labels (B,) or (B, K), on the device, without a sync.
        """
        stage = self.stages.stage
        with stage("copy"):
            batch = self.copy(batch)
            clips, labels = self.normalize(batch.clips), batch.labels
        clips, targets = self.mix(clips, labels)

        def accumulate(loss: Tensor) -> None:
            with stage("backward"):
                self.state.precision.backward(loss / group)

        loss, logits = self.micro_batches.run(
            self.forward, accumulate, clips, targets, is_last=is_last
        )
        self.finite.append(loss.isfinite())
        if is_last:
            with stage("optimizer"):
                self.last_step = self.state.step(torch.stack(self.finite).all())
            self.finite.clear()
        return loss, logits, labels

    def forward(self, clips: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of clips, normalised and mixed, and their logits (B, K)."""
        with self.stages.stage("forward"):
            with self.state.precision.autocast():
                logits = self.model(clips)
            return self.loss(logits.float(), targets), logits


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed what a step draws (drop path, dropout, mixup), so that a resumed run draws the same.

    Each process draws its own; the published code gave all of them the same masks.
    """
    state = np.random.SeedSequence([seed, epoch, step, collectives.rank()]).generate_state(2)
    torch.manual_seed(int(state[0]))
    np.random.seed(int(state[1]))  # timm's mixup draws from the global generator


def start_records(cfg: CfgNode, start: Start) -> log.Scalars:
    """Logs and curves that go on where ``start`` is; what is later in OUTPUT_DIR is taken out first."""
    epoch, batch = start.position
    if collectives.is_main():
        after = start.path or save.checkpoint_path(cfg.OUTPUT_DIR, epoch - 1)
        aside = save.set_aside(cfg.OUTPUT_DIR, after=after, best=start.path is None)
        if aside is not None:
            logger.warning("checkpoints that are not of this run are in %s now", aside)
        written = start.payload.get("written", {})
        if written or start.path is None:  # a checkpoint that does not say takes nothing out
            truncate_logs.rewind(cfg, written)
    return log.start_scalars(cfg, epoch=epoch, batch=batch)


def _bar(loader: ClipLoader, start: Start, num_epochs: int) -> Iterator[Batch]:
    title = f"epoch {start.position.epoch + 1}/{num_epochs}"
    return iter(log.progress(loader, total=len(loader) - start.position.batch, title=title))


def _log_model(model: nn.Module, cfg: CfgNode) -> None:
    if cfg.LOG_MODEL_INFO and collectives.is_main():
        from timesformer.models.flops import model_info

        logger.info("%s", model_info(model, cfg))


def _log_batches(cfg: CfgNode, loader: ClipLoader) -> int:
    """Say what one optimizer step is made of; returns the batches that it accumulates."""
    machines = collectives.world_size() // collectives.local_world_size()
    online = cfg.TRAIN.BATCH_SIZE * machines
    steps = optim.accumulation_steps(online, cfg.GLOBAL_BATCH_SIZE)
    repeats = cfg.AUG.NUM_REPEATS
    logger.info(
        "%d videos%s, %d batches of %d clips an epoch; each process: %d clips a batch, %d loader "
        "process(es) with %s decoder thread(s) each, %d torch thread(s)",
        len(loader.dataset),
        f" of {repeats} clips" if repeats > 1 else "",
        len(loader),
        online,
        online // collectives.world_size(),
        num_workers(cfg),
        "several" if loader.dataset.multi_thread else "1",
        torch.get_num_threads(),
    )
    note = (
        ""
        if steps * online == cfg.GLOBAL_BATCH_SIZE
        else (f" instead of GLOBAL_BATCH_SIZE {cfg.GLOBAL_BATCH_SIZE}")
    )
    factor = optim.lr_factor(cfg)
    logger.info(
        "each optimizer step takes %d batch(es) of %d: %d clips%s; learning rates %s",
        steps,
        online,
        steps * online,
        note,
        "as given" if factor == 1 else f"times {factor:g} (SOLVER.LR_REFERENCE_BATCH)",
    )
    return steps
