"""Steps that are not finite: skipped exactly, counted, written down; the weights go back once."""

import json
import os
import signal

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.engine.test_train import final_weights, optimizer_step, same_state, stats, trainer
from tests.runtime.test_signals import strike
from timesformer.checkpoint import save
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.config import load_config
from timesformer.datasets import build_loader
from timesformer.engine import checkpointing, run, train_step
from timesformer.engine.losses import build_loss
from timesformer.engine.optim import lr_at_epoch, set_lr
from timesformer.engine.restore import Start
from timesformer.engine.trainer import seed_step
from timesformer.files import checkpoint_folder
from timesformer.models import build_model

LOSS = "timesformer.engine.trainer.build_loss"


@pytest.fixture
def config(tiny_yaml):
    return lambda *overrides: load_config(tiny_yaml, [str(item) for item in overrides])


def broken_at(cfg, *batches, value=torch.nan):
    """The loss of ``cfg``, ``value`` in these batches, counted from 0 over the whole run."""
    loss, calls = build_loss(cfg), []

    def compute(logits, targets):
        calls.append(1)
        return loss(logits, targets) * (value if len(calls) - 1 in batches else 1)

    return compute


@pytest.mark.parametrize("kind", ["nan", "inf", "gradient"])
@pytest.mark.parametrize("fused", [None, True])
def test_a_skipped_step_leaves_no_trace(config, kind, fused):
    """The oracle never sees the batch. Fused optimizers skip by themselves, as on a GPU."""
    cfg = config("SOLVER.MAX_EPOCH", 1)
    subject, oracle = trainer(cfg, accumulation=1), trainer(cfg, accumulation=1)
    for one in (subject, oracle):
        for group in one.step.state.optimizer.param_groups:
            group["fused"] = fused
    if kind == "gradient":
        calls = []
        subject.step.model.head.weight.register_hook(
            lambda grad: grad * (torch.inf if calls.append(1) or len(calls) == 3 else 1)
        )
    else:
        subject.step.loss = broken_at(cfg, 2, value=float(kind))
    subject.run_epoch(build_loader(cfg, "train"), Start.of_epoch(0))
    for i, batch in enumerate(build_loader(cfg, "train")):
        if i != 2:
            set_lr(oracle.step.state.optimizer, lr_at_epoch(cfg, i / 6))
            seed_step(cfg.RNG_SEED, 0, i)
            optimizer_step(oracle, batch)
    assert same_state(subject.step.model.state_dict(), oracle.step.model.state_dict())
    ours, theirs = (one.step.state.optimizer.state_dict()["state"] for one in (subject, oracle))
    assert all(same_state(ours[key], theirs[key]) for key in theirs)
    assert ours[0]["step"] == 5


@pytest.mark.parametrize("method", ["sgd", "adamw"])
def test_the_very_first_step_may_be_skipped(config, method):
    """A fused SGD of PyTorch goes on with memory that nobody wrote then."""
    pair = ["SOLVER.OPTIMIZING_METHOD", method, "SOLVER.MAX_EPOCH", 1]
    cfg = config(*pair)
    subject, oracle = (trainer(cfg, accumulation=1) for _ in range(2))
    assert subject.step.state.optimizer.param_groups[0]["fused"]
    batches = list(build_loader(cfg, "train"))[:3]
    subject.step.loss = broken_at(cfg, 0)
    for batch in batches:
        optimizer_step(subject, batch)
    for batch in batches[1:]:
        optimizer_step(oracle, batch)
    assert same_state(subject.step.model.state_dict(), oracle.step.model.state_dict())


def test_a_whole_group_is_skipped_for_one_of_its_batches(config, tmp_path):
    cfg = config("SOLVER.MAX_EPOCH", 1)
    subject = trainer(cfg, accumulation=3)
    before = {name: value.clone() for name, value in subject.step.model.state_dict().items()}
    subject.step.loss = broken_at(cfg, 1, 5)
    subject.run_epoch(build_loader(cfg, "train"), Start.of_epoch(0))
    assert same_state(before, subject.step.model.state_dict())


def test_skipped_steps_are_counted_and_written_down_with_their_videos(
    config, tmp_path, monkeypatch
):
    cfg = config("SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", 0)  # groups of two batches
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, 3))
    run.run(cfg)
    out = tmp_path / "out"
    assert [line["skipped_steps"] for line in stats(out, "train_iter")] == [0, 1, 1]
    (epoch,) = stats(out, "train_epoch")
    assert epoch["skipped_steps"] == 1
    (path,) = (out / "nonfinite").iterdir()
    assert path.name == "epoch_00001_batch_000003.json"
    said = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (said["batches"], said["process"]) == ([3, 4], 0)
    assert np.isfinite(np.array(said["losses"], float)).tolist() == [True, False]
    loader = build_loader(cfg, "train")
    batches = [sorted(batch.indices.tolist()) for batch in loader]
    names = [[loader.dataset.videos.name(i) for i in batch] for batch in batches[2:4]]
    assert said["videos"] == names
    assert (
        "step skipped, loss or gradient is not finite: epoch 1" in (out / "stdout.log").read_text()
    )


ROW = ["SOLVER.MAX_NONFINITE_STEPS", 2, "LOG_PERIOD", 1, "GLOBAL_BATCH_SIZE", 4, "TEST.ENABLE", 0]


def test_the_weights_are_replaced_once_and_then_the_run_ends(config, tmp_path, monkeypatch):
    """Six steps an epoch, a checkpoint after the second; the fourth and fifth fail, then two more."""
    cfg = config(*ROW, "TRAIN.CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, 3, 4, 7, 8))
    with pytest.raises(
        FloatingPointError, match=r"not finite in 2 steps in a row, up to epoch 2, batch 3; again"
    ):
        run.run(cfg)
    out = tmp_path / "out"
    text = (out / "stdout.log").read_text()
    assert "up to epoch 1, batch 5: continuing with the weights of" in text
    assert "checkpoint_epoch_00001_batch_000002.pyth and the batches that follow" in text
    assert [line["skipped_steps"] for line in stats(out, "train_iter")] == [
        0,
        0,
        0,
        1,
        2,
        2,
        0,
        1,
        2,
    ]
    assert len(list((out / "nonfinite").iterdir())) == 4
    monkeypatch.undo()
    oracle = trainer(cfg, accumulation=1)  # sees the batches whose steps count: 1, 2 and 6
    torch.manual_seed(cfg.RNG_SEED)
    oracle.step.model.load_state_dict(build_model(cfg).state_dict())
    for i, batch in enumerate(build_loader(cfg, "train")):
        if i in (0, 1, 5):
            set_lr(oracle.step.state.optimizer, lr_at_epoch(cfg, i / 6))
            seed_step(cfg.RNG_SEED, 0, i)
            optimizer_step(oracle, batch)
    newest = newest_checkpoint(out)
    assert newest.name == "checkpoint_epoch_00001.pyth"  # none amid failing steps
    saved = torch.load(newest, weights_only=True)
    assert same_state(save.named_state(oracle.step.model), saved["model_state"])
    assert saved["guard"] == {"in_a_row": 0, "good_steps": 4, "went_back": True}


@pytest.mark.parametrize("stops", [False, True])
def test_a_checkpoint_saved_while_steps_are_skipped_is_not_used(
    config, tmp_path, monkeypatch, stops
):
    """The second epoch ends amid three failing steps, and one checkpoint is kept: the first one's too.

    The oracle trains from the first epoch on the last four batches of the third. With a stop, the
    run that goes back is not the one that saw the first two steps fail, and has three checkpoints.
    """
    cfg = config("SOLVER.MAX_NONFINITE_STEPS", 3, "GLOBAL_BATCH_SIZE", 4, "SOLVER.MAX_EPOCH", 3,
                 "TEST.ENABLE", 0, "TRAIN.KEEP_CHECKPOINTS", 1)  # fmt: skip
    out, failing = tmp_path / "out", [11, 12, 13]
    folder = checkpoint_folder(out)
    if stops:
        with monkeypatch.context() as patch:
            strike(patch, train_step.TrainStep, "accumulate", 13, signal.SIGTERM)
            patch.setattr(LOSS, lambda cfg: broken_at(cfg, 11, 12))
            with pytest.raises(SystemExit):
                run.run(cfg)
        saved = torch.load(folder / "checkpoint_epoch_00003_batch_000001.pyth", weights_only=True)
        assert saved["guard"] == {"in_a_row": 2, "good_steps": 11, "went_back": False}
        failing = [0]  # of the process that goes on
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, *failing))
    run.run(cfg)
    said = (out / "stdout.log").read_text()
    assert "up to epoch 3, batch 2: continuing with the weights of" in said
    assert f"{folder / 'checkpoint_epoch_00001.pyth'} and the batches that follow" in said
    left = sorted(path.name for path in folder.iterdir())
    amid = ["checkpoint_epoch_00003_batch_000001.pyth"] * stops  # one of the newest two
    assert left == ["checkpoint_best.pyth", "checkpoint_epoch_00003.pyth", *amid]
    monkeypatch.undo()
    oracle = trainer(cfg, accumulation=1)
    torch.manual_seed(cfg.RNG_SEED)
    oracle.step.model.load_state_dict(build_model(cfg).state_dict())
    loader = build_loader(cfg, "train")
    for epoch, first in ((0, 0), (2, 2)):
        loader.load_state_dict({"epoch": epoch, "batch": first})
        for i, batch in enumerate(loader, first):
            set_lr(oracle.step.state.optimizer, lr_at_epoch(cfg, epoch + i / 6))
            seed_step(cfg.RNG_SEED, epoch, i)
            optimizer_step(oracle, batch)
    assert same_state(save.named_state(oracle.step.model), final_weights(out, 3))


def test_a_checkpoint_of_the_same_bad_weights_is_not_used(config, tmp_path, monkeypatch):
    """Saved before a step failed, they are of no use either: only checkpoint 1 is of other weights."""
    cfg = config(*ROW, "SOLVER.MAX_EPOCH", 1, "TRAIN.CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, 2, 3))
    run.run(cfg)
    said = (tmp_path / "out/stdout.log").read_text()
    assert "continuing with the weights of" in said
    assert "checkpoint_epoch_00001_batch_000001.pyth and the batches that follow" in said


def test_a_sharded_model_reports_the_remedy_instead_of_replacing_its_weights(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, 2, 3))
    monkeypatch.setattr(checkpointing, "is_sharded", lambda _: True)
    with pytest.raises(
        FloatingPointError,
        match=r"does not go back .*: move .* newer than .*_000001.pyth away\. See",
    ):
        run.run(config(*ROW, "TRAIN.CHECKPOINT_STEPS", 1))


def test_without_a_checkpoint_too_many_steps_end_the_run(config, monkeypatch):
    monkeypatch.setattr(LOSS, lambda cfg: broken_at(cfg, 0, 1))
    with pytest.raises(
        FloatingPointError,
        match=r"batch 2; and there is no checkpoint of other weights to go back to\. See .*nonf",
    ):
        run.run(config(*ROW))


@pytest.mark.parametrize("limit", [0.05, 1000.0])
def test_gradients_are_clipped_by_their_norm_over_the_whole_group(config, limit):
    cfg = config("SOLVER.CLIP_GRAD_NORM", limit, "SOLVER.OPTIMIZING_METHOD", "sgd",
                 "SOLVER.MOMENTUM", 0, "SOLVER.NESTEROV", 0, "SOLVER.WEIGHT_DECAY", 0)  # fmt: skip
    subject, oracle = trainer(cfg, accumulation=2), trainer(cfg, accumulation=2)
    batches = list(build_loader(cfg, "train"))[:2]
    found = optimizer_step(subject, *batches)
    for batch in batches:
        (oracle.step.forward(oracle.step.normalize(batch.clips), batch.labels)[0] / 2).backward()
    norm = torch.nn.utils.clip_grad_norm_(oracle.step.model.parameters(), limit)
    oracle.step.state.optimizer.step()
    assert (norm > limit) == (limit < 1)
    assert torch.equal(found.norm, norm)
    assert same_state(subject.step.model.state_dict(), oracle.step.model.state_dict())


def in_process(rank, path, folder):
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    cfg = load_config(path)
    subject = trainer(cfg, accumulation=1)
    subject.step.model = torch.nn.parallel.DistributedDataParallel(subject.step.state.model)
    if rank == 1:  # a loss of inf whose gradient is finite, in one process alone
        subject.step.loss = lambda logits, targets: logits.sum() * 0 + torch.tensor(torch.inf)
    batch = next(iter(build_loader(cfg, "train")))
    before = subject.step.state.model.head.weight.clone()
    step = optimizer_step(subject, batch)
    kept = torch.equal(before, subject.step.state.model.head.weight)
    torch.save((kept, step.skipped.item()), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_all_processes_skip_a_step_that_is_not_finite_on_one(tiny_yaml, tmp_path):
    arguments = (str(tiny_yaml), str(tmp_path))
    mp.start_processes(in_process, args=arguments, nprocs=2, start_method="fork")
    assert [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)] == [(True, 1.0)] * 2
