"""The training loop: epochs of accumulated steps, checkpoints, validation."""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from timesformer import checkpoint, distributed, provenance, run_checkpoint
from timesformer.config.load import portable
from timesformer.datasets import build_loader, num_workers
from timesformer.datasets.clips import Batch
from timesformer.datasets.lists import VideoList
from timesformer.datasets.loader import ClipLoader
from timesformer.engine import log, optim
from timesformer.engine.freeze import freeze, set_train_mode
from timesformer.engine.losses import build_loss, build_mixup
from timesformer.engine.meters import EpochMeter
from timesformer.engine.parallel import parallelize
from timesformer.engine.precision import Precision
from timesformer.engine.probe import input_normalizer, reuse_features
from timesformer.engine.validate import Validator
from timesformer.imagenet import load_imagenet
from timesformer.models import build_model

logger = logging.getLogger(__name__)


def train(cfg: CfgNode, device: torch.device) -> None:
    """Train the configured model; checkpoint and validate as it goes; resume if it was interrupted.

    Raises:
        CheckpointError: weights to start from are missing or do not fit.
        FloatingPointError: the loss is no longer finite.
    """
    torch.manual_seed(cfg.RNG_SEED)
    train_loader, validator = build_loader(cfg, "train"), Validator(cfg, device)
    lists = {"train": train_loader.dataset.videos, "val": validator.loader.dataset.videos}
    model = build_model(cfg).to(device)
    _log_model(model, cfg)
    freeze(model, cfg)
    optimizer = optim.build_optimizer(model, cfg)
    start_epoch = restore(cfg, model, optimizer)
    model = parallelize(model, cfg, device)
    train_loader, validator.loader = reuse_features(
        cfg, checkpoint.unwrap(model), train_loader, validator.loader, device
    )
    steps = _log_batches(cfg, train_loader)
    scalars = log.start_scalars(cfg, epoch=start_epoch, num_batches=len(train_loader))
    trainer = Trainer(cfg, model, optimizer, device, accumulation=steps, scalars=scalars)

    for epoch in range(start_epoch, cfg.SOLVER.MAX_EPOCH):
        trainer.run_epoch(train_loader, epoch)
        if is_due(epoch, cfg.TRAIN.CHECKPOINT_PERIOD, cfg.SOLVER.MAX_EPOCH):
            _save(cfg, model, optimizer, epoch, lists)
        if is_due(epoch, cfg.TRAIN.EVAL_PERIOD, cfg.SOLVER.MAX_EPOCH):
            validator.run(checkpoint.unwrap(model), epoch, scalars)
    scalars.close()


class Trainer:
    """One epoch after another of one model."""

    def __init__(
        self,
        cfg: CfgNode,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        *,
        accumulation: int,
        scalars: log.Scalars,
    ) -> None:
        self.cfg = cfg
        self.model = model
        self.optimizer = optimizer
        self.device = device
        self.accumulation = accumulation
        self.scalars = scalars
        self.mix = build_mixup(cfg)
        self.loss = build_loss(cfg)
        self.normalize = input_normalizer(cfg)
        self.precision = Precision(cfg.TRAIN.PRECISION, device)

    def run_epoch(self, loader: ClipLoader, epoch: int) -> None:
        """Every batch of ``loader``; an incomplete last group steps with what it has."""
        set_train_mode(checkpoint.unwrap(self.model))
        loader.batch_sampler.set_epoch(epoch)
        num_batches = len(loader)
        meter = EpochMeter(self.cfg, epoch, num_batches, self.scalars)
        waited_from = time.perf_counter()
        for i, batch in enumerate(_bar(loader, epoch, self.cfg.SOLVER.MAX_EPOCH)):
            meter.waited(time.perf_counter() - waited_from)
            lr = optim.lr_at_epoch(self.cfg, epoch + i / num_batches)
            optim.set_lr(self.optimizer, lr)
            seed_step(self.cfg.RNG_SEED, epoch, i)
            first = i - i % self.accumulation
            group = min(self.accumulation, num_batches - first)
            loss, logits, labels = self.backward(batch, group, is_last=i == first + group - 1)
            meter.update(loss, logits, labels, lr, batch.failures)
            waited_from = time.perf_counter()
        meter.finish()

    def backward(self, batch: Batch, group: int, *, is_last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of one batch of a group; the last one of the group updates the parameters.

        Returns the detached loss, logits (B, K) and labels (B,) or (B, K), on the device, without a sync.
        """
        clips = self.normalize(batch.clips.to(self.device, non_blocking=True))
        labels = batch.labels.to(self.device, non_blocking=True)
        clips, targets = self.mix(clips, labels)
        with contextlib.ExitStack() as stack:
            if isinstance(self.model, DistributedDataParallel) and not is_last:
                stack.enter_context(self.model.no_sync())
            with self.precision.autocast():
                logits = self.model(clips)
            loss = self.loss(logits.float(), targets)
            self.precision.backward(loss / group)
        if is_last:
            self.precision.step(self.optimizer)
            self.optimizer.zero_grad(set_to_none=True)
        return loss.detach(), logits.detach(), labels


def restore(cfg: CfgNode, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Give the model its first weights; returns the epoch to start with, 0-based.

    In this order: the newest checkpoint of OUTPUT_DIR (AUTO_RESUME; of a fine-tuning too, which the
    published code restarted), TRAIN.CHECKPOINT_FILE_PATH, TIMESFORMER.PRETRAINED_MODEL.

    Raises:
        CheckpointError: what is named cannot be used.
    """
    newest = run_checkpoint.newest_checkpoint(cfg.OUTPUT_DIR) if cfg.TRAIN.AUTO_RESUME else None
    if newest is not None:
        epoch, report = run_checkpoint.load_training_state(newest, model, optimizer)
        logger.info("resuming after epoch %d: %s", epoch + 1, report)
        return epoch + 1
    if cfg.TRAIN.CHECKPOINT_FILE_PATH:
        return _start_from_file(cfg, model, optimizer)
    _load_pretrained(cfg.TIMESFORMER.PRETRAINED_MODEL, model)
    return 0


def is_due(epoch: int, period: int, num_epochs: int) -> bool:
    """Whether something with this period happens after 0-based ``epoch``; always after the last."""
    return (epoch + 1) % period == 0 or epoch + 1 == num_epochs


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Seed what a step draws (drop path, dropout, mixup), so that a resumed run draws the same.

    Each process draws its own; the published code gave all of them the same masks.
    """
    state = np.random.SeedSequence([seed, epoch, step, distributed.rank()]).generate_state(2)
    torch.manual_seed(int(state[0]))
    np.random.seed(int(state[1]))  # timm's mixup draws from the global generator


def _start_from_file(cfg: CfgNode, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    path = portable(cfg.TRAIN.CHECKPOINT_FILE_PATH)
    cut = tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN)
    if cfg.TRAIN.FINETUNE or cfg.TRAIN.CHECKPOINT_EPOCH_RESET:
        logger.info("%s", checkpoint.load_weights(model, path, cut_from_names=cut))
        return 0
    epoch, report = run_checkpoint.load_training_state(path, model, optimizer, cut_from_names=cut)
    if epoch + 1 >= cfg.SOLVER.MAX_EPOCH:
        raise checkpoint.CheckpointError(
            f"{path} is of epoch {epoch + 1}, and SOLVER.MAX_EPOCH is {cfg.SOLVER.MAX_EPOCH}: "
            "nothing is left to train; set TRAIN.FINETUNE True to start from its weights at epoch "
            "0, or raise MAX_EPOCH"
        )
    logger.info("going on after epoch %d: %s", epoch + 1, report)
    return epoch + 1


def _load_pretrained(name: str, model: nn.Module) -> None:
    """By the first process alone: wrapping in DDP hands its weights to the others."""
    if name.lower() == "none":
        logger.info("training from random weights (TIMESFORMER.PRETRAINED_MODEL none)")
    elif distributed.is_main():
        report = checkpoint.load_weights(model, portable(name)) if name else load_imagenet(model)
        logger.info("%s", report)


def _save(
    cfg: CfgNode,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    lists: Mapping[str, VideoList],
) -> None:
    if distributed.is_main():
        path = run_checkpoint.save_checkpoint(
            cfg.OUTPUT_DIR,
            model=model,
            optimizer=optimizer,
            epoch=epoch,
            cfg_text=cfg.dump(),
            about=provenance.describe(cfg, lists),
        )
        logger.info("saved %s", path)
    distributed.barrier()


def _bar(loader: ClipLoader, epoch: int, num_epochs: int) -> Iterator[Batch]:
    title = f"epoch {epoch + 1}/{num_epochs}"
    return iter(log.progress(loader, total=len(loader), title=title))


def _log_model(model: nn.Module, cfg: CfgNode) -> None:
    if cfg.LOG_MODEL_INFO and distributed.is_main():
        from timesformer.engine.model_info import model_info

        logger.info("%s", model_info(model, cfg))


def _log_batches(cfg: CfgNode, loader: ClipLoader) -> int:
    """Say what one optimizer step is made of; returns the batches that it accumulates."""
    machines = distributed.world_size() // distributed.local_world_size()
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
        online // distributed.world_size(),
        num_workers(cfg),
        "several" if loader.dataset.multi_thread else "1",
        torch.get_num_threads(),
    )
    note = (
        ""
        if steps * online == cfg.GLOBAL_BATCH_SIZE
        else (f" instead of GLOBAL_BATCH_SIZE {cfg.GLOBAL_BATCH_SIZE}")
    )
    logger.info(
        "each optimizer step takes %d batch(es) of %d: %d clips%s; learning rates as given",
        steps,
        online,
        steps * online,
        note,
    )
    return steps
