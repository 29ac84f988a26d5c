"""A dry run: every part of a run once, in a folder of its own; then an estimate of the whole run.

Two optimizer steps, a batch of validation and of the test, a checkpoint written and resumed from.
"""

import json
import logging
import shutil
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesformer.checkpoint import resume_check
from timesformer.checkpoint.files import Checkpoint, num_bytes
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import damage, newest_checkpoint
from timesformer.config import CfgNode, portable
from timesformer.config.batch_sizes import num_machines
from timesformer.config.presets import in_folder
from timesformer.datasets import build_loader
from timesformer.datasets.joint_lists import read_lists
from timesformer.datasets.list_source import EXTRA
from timesformer.engine.joint import build_trained_model
from timesformer.engine.optim import accumulation_steps
from timesformer.engine.run import launch_run
from timesformer.engine.train_state import TrainState, build_train_state
from timesformer.files import LOG, METRICS, RUN_RECORD, best_checkpoint, checkpoint_folder
from timesformer.models.freeze import freeze
from timesformer.runtime import log, metrics_csv
from timesformer.runtime.local_rank import is_main
from timesformer.runtime.run_lock import emptied

logger = logging.getLogger(__name__)

FOLDER = "dry-run"
STEPS = 2


class WholeRun(NamedTuple):
    """The lengths of the whole run; a part that is disabled has 0 batches."""

    train: int  # batches of an epoch
    val: int
    test: int
    epochs: int
    eval_period: int  # epochs between two validations
    accumulation: int  # batches of an optimizer step


def dry_run(cfg: CfgNode, *, init_method: str = "") -> str:
    """Rehearse ``cfg`` in OUTPUT_DIR/dry-run; the summary to print, empty but in the first process.

    The log, ``metrics.csv`` and ``run.json`` stay there; the checkpoint is removed.

    Raises:
        CheckpointError: the checkpoint cannot be read back; and what ``launch`` raises.
    """
    rehearsal = build_rehearsal(cfg)
    folder = Path(rehearsal.OUTPUT_DIR)
    if is_main(cfg.SHARD_ID):
        emptied(folder)
    launch_run(rehearsal, init_method=init_method)
    if not is_main(cfg.SHARD_ID):
        return ""
    checkpoint = read_back(rehearsal, folder) if cfg.TRAIN.ENABLE else ""
    shutil.rmtree(checkpoint_folder(folder), ignore_errors=True)
    title = f"dry run of {cfg.OUTPUT_DIR}: everything that the run needs works"
    return "\n".join([title, *summary(folder, build_whole_run(cfg), checkpoint)])


def build_rehearsal(cfg: CfgNode) -> CfgNode:
    """``cfg`` with two optimizer steps and one batch of each evaluation, in a folder of its own."""
    tested = cfg.TEST.CHECKPOINT_FILE_PATH
    values = {
        "LOG_PERIOD": 1,
        "DATA.LIMIT_TRAIN_BATCHES": STEPS * build_accumulation(cfg),
        "DATA.LIMIT_VAL_BATCHES": 1,
        "SOLVER.MAX_EPOCH": 1,
        "TRAIN.CHECKPOINT_EPOCH_RESET": True,
        "TEST.CHECKPOINT_FILE_PATH": _tested(tested, cfg.OUTPUT_DIR, trains=cfg.TRAIN.ENABLE),
        "TEST.SAVE_RESULTS_PATH": "",
    }
    return in_folder(cfg, FOLDER, values)


def _tested(named: str, folder: str, *, trains: bool) -> str:
    """The checkpoint that the whole run would test, if it exists already; else empty."""
    if not trains and named in ("", "best"):  # not in the folder of the rehearsal
        return str((best_checkpoint(folder) if named else newest_checkpoint(folder)) or "")
    if named and portable(named).resolve().is_relative_to(Path(folder).resolve()):
        return named if portable(named).exists() else ""  # is going to be written
    return named


def build_accumulation(cfg: CfgNode) -> int:
    """Batches of an optimizer step."""
    return accumulation_steps(cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS, cfg.GLOBAL_BATCH_SIZE)


def read_back(cfg: CfgNode, folder: Path) -> str:
    """Resume a new training from each checkpoint in ``folder`` and compare; returns the size as text.

    Raises:
        CheckpointError: there is none, it is damaged, or something does not come back as it was written.
    """
    newest, best = newest_checkpoint(folder), best_checkpoint(folder)
    if newest is None:
        raise CheckpointError(f"{folder} has no checkpoint; see {LOG} there")
    others = [best] if best.exists() and not best.samefile(newest) else []
    for path in [newest, *others]:
        if reason := damage(path):
            raise CheckpointError(f"{path} is damaged: {reason}")
        state = build_new_state(cfg)
        state.load(Checkpoint.read(path))
        found = Checkpoint.read(path)  # again: the optimizer keeps the tensors of the first
        resume_check.check_compatible(found, cfg.dump(), {})
        if lost := list(_differing(_resumed(found.entries), _resumed(state.payload()))):
            raise CheckpointError(
                f"{path} does not give back what was written, {len(lost)} entries differ: "
                f"{', '.join(lost[:4])}; it would not resume: report this"
            )
    return f"{num_bytes(newest) / 2**20:.1f} MiB, written, read back and compared"


def build_new_state(cfg: CfgNode) -> TrainState:
    """The state of a training at its start, on the CPU."""
    model = build_trained_model(cfg, read_lists(cfg, "train").get(EXTRA))
    freeze(model, cfg.TRAIN.FREEZE)
    return build_train_state(cfg, model, torch.device("cpu"))


def _resumed(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a checkpoint that a resume uses; optimizer options come from the configuration."""
    names = ("model_state", "ema_state", "scaler_state", "best", "guard")
    optimizer = payload["optimizer_state"]
    groups = [group["params"] for group in optimizer["param_groups"]]
    parts = {"optimizer_state": optimizer["state"], "groups of the optimizer": groups}
    return parts | {name: payload.get(name, {}) for name in names}


def _differing(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """Names of the entries that differ between two trees, to the bit."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _differing(
                one.get(key), other.get(key), f"{name}/{key}" if name else str(key)
            )
    elif isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.dtype != other.dtype or not torch.equal(one, other):
            yield name
    elif type(one) is not type(other) or one != other:
        yield name


def build_whole_run(cfg: CfgNode) -> WholeRun:
    """Lengths of its loaders; on several processes a batch is what they take together."""
    parts = {"train": cfg.TRAIN.ENABLE, "val": cfg.TRAIN.ENABLE, "test": cfg.TEST.ENABLE}
    batches = {
        split: -(-len(build_loader(cfg, split)) // num_machines(cfg)) if runs else 0
        for split, runs in parts.items()
    }
    return WholeRun(
        **batches,
        epochs=cfg.SOLVER.MAX_EPOCH,
        eval_period=cfg.TRAIN.EVAL_PERIOD,
        accumulation=build_accumulation(cfg),
    )


def summary(folder: Path, whole: WholeRun, checkpoint: str) -> list[str]:
    """An estimate of the whole run from the dry run in ``folder``, in lines."""
    rows = metrics_csv.read_rows(folder / METRICS)
    steps = [row for row in rows if row["type"] == "train_iter"]
    found = _read(folder / RUN_RECORD)
    lines: list[str] = []
    seconds: dict[str, float] = {}
    if steps:
        settled = steps[len(steps) // 2 :]  # the first one warms up
        lines += _training_lines(steps, settled, num_steps=-(-len(steps) // whole.accumulation))
        seconds["training"] = whole.epochs * whole.train * _mean(settled, "dt")
        validations = -(-whole.epochs // whole.eval_period)
        lengths_of_val = [float(r["dt"]) * whole.val for r in rows if r["type"] == "val_epoch"]
        seconds["validation"] = validations * sum(lengths_of_val)
        lines.append(
            f"whole run   {whole.epochs} epochs of {whole.train} batches, {validations} validations"
        )
    if tested := found["result"].get("test") or found["result"].get("test_on_val"):
        seconds["test"] = tested["seconds"] / max(tested["scored"], 1) * tested["videos"]
    session = found["sessions"][-1]
    memory = (
        f"{session['peak_ram_gib']} GiB of the first process"
        if session["peak_ram_gib"]
        else "not known"
    )
    if session["peak_gpu_gib"]:
        memory += f"; {session['peak_gpu_gib']} GiB of its GPU"
    lines.append(f"memory      {memory}")
    if checkpoint:
        lines.append(f"checkpoint  {checkpoint}")
    parts = ", ".join(f"{name} {log.eta(of)}" for name, of in seconds.items())
    lines.append(f"time        about {log.eta(sum(seconds.values()))} ({parts})")
    return [*lines, f"files       {folder} (nothing resumes from it)"]


def _training_lines(
    steps: list[metrics_csv.Row], settled: list[metrics_csv.Row], *, num_steps: int
) -> list[str]:
    norm = settled[-1]["grad_norm"] or "-"
    losses = f"{float(steps[0]['loss']):.4f} to {float(steps[-1]['loss']):.4f}"
    waits = _mean(settled, "dt_data") / _mean(settled, "dt")
    speed = _mean(settled, "clips_per_second")
    return [
        f"training    {num_steps} steps of {len(steps)} batches in all, loss {losses}, "
        f"gradient norm {norm}",
        f"throughput  {speed:.2f} clips/s, {waits:.0%} of the time waiting for data",
    ]


def _mean(rows: list[metrics_csv.Row], column: str) -> float:
    return statistics.fmean(float(row[column]) for row in rows)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
