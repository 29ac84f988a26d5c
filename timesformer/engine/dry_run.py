"""A rehearsal of a run: everything once, in a folder of its own; then what the whole run needs.

Two optimizer steps, a batch of validation and of the test, a checkpoint written and read back.
"""

import json
import logging
import os
import shutil
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from fvcore.common.config import CfgNode

from timesformer import history
from timesformer.checkpoint import CheckpointError, load_weights
from timesformer.config.load import portable
from timesformer.config.trials import in_folder
from timesformer.datasets import build_loader
from timesformer.engine import log, run_record
from timesformer.engine.launch import launch
from timesformer.engine.optim import accumulation_steps
from timesformer.models import build_model
from timesformer.run_checkpoint import best_checkpoint, newest_checkpoint
from timesformer.weight_files import num_bytes

logger = logging.getLogger(__name__)

FOLDER = "dry-run"
STEPS = 2


class Lengths(NamedTuple):
    """Batches of an epoch, of a validation and of the test; a part that does not run has 0."""

    train: int
    val: int
    test: int


def dry_run(cfg: CfgNode, *, init_method: str = "") -> str:
    """Rehearse ``cfg`` in OUTPUT_DIR/dry-run; the summary to print, empty but in the first process.

    The log, ``metrics.csv`` and ``run.json`` stay there; the checkpoint is removed.

    Raises:
        CheckpointError: the checkpoint cannot be read back; and what ``launch`` raises.
    """
    rehearsal = rehearse(cfg)
    folder = Path(rehearsal.OUTPUT_DIR)
    is_first = os.environ.get("RANK", "0") == "0"
    if is_first:
        shutil.rmtree(folder, ignore_errors=True)
    launch(rehearsal, init_method=init_method)
    if not is_first or cfg.SHARD_ID > 0:
        return ""
    checkpoint = read_back(rehearsal) if cfg.TRAIN.ENABLE else ""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return summary(cfg, folder, lengths(cfg), checkpoint)


def rehearse(cfg: CfgNode) -> CfgNode:
    """``cfg`` with two optimizer steps and one batch of each evaluation, in a folder of its own."""
    return in_folder(
        cfg,
        FOLDER,
        LOG_PERIOD=1,
        DATA__LIMIT_TRAIN_BATCHES=float(STEPS * _accumulated(cfg)),
        DATA__LIMIT_VAL_BATCHES=1.0,
        SOLVER__MAX_EPOCH=1,
        TRAIN__CHECKPOINT_EPOCH_RESET=True,
        TEST__CHECKPOINT_FILE_PATH=_tested(cfg),
        TEST__SAVE_RESULTS_PATH="",
    )


def _tested(cfg: CfgNode) -> str:
    """The checkpoint that the test of the whole run is of, if there is one yet; else empty."""
    tested: str = cfg.TEST.CHECKPOINT_FILE_PATH
    if not cfg.TRAIN.ENABLE and tested in ("", "best"):  # not in the folder of the rehearsal
        best = best_checkpoint(cfg.OUTPUT_DIR)
        return str((best if tested else newest_checkpoint(cfg.OUTPUT_DIR)) or "")
    if tested and portable(tested).resolve().is_relative_to(Path(cfg.OUTPUT_DIR).resolve()):
        return tested if portable(tested).exists() else ""  # is going to be written
    return tested


def _accumulated(cfg: CfgNode) -> int:
    """Batches of an optimizer step."""
    return accumulation_steps(cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS, cfg.GLOBAL_BATCH_SIZE)


def read_back(cfg: CfgNode) -> str:
    """Read the checkpoint of ``cfg`` into a new model; its size, in words."""
    path = newest_checkpoint(cfg.OUTPUT_DIR)
    if path is None:
        raise CheckpointError(f"{cfg.OUTPUT_DIR} has no checkpoint; see stdout.log there")
    report = load_weights(build_model(cfg), path, strict=False)
    if not report.exact:
        raise CheckpointError(f"the checkpoint does not give back what was written: {report}")
    return f"{num_bytes(path) / 2**20:.1f} MiB, written and read back"


def lengths(cfg: CfgNode) -> Lengths:
    """As the whole run has them; on several processes a batch is what they take together."""
    parts = {"train": cfg.TRAIN.ENABLE, "val": cfg.TRAIN.ENABLE, "test": cfg.TEST.ENABLE}
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # set by torchrun
    machines = max(cfg.NUM_SHARDS, int(os.environ.get("WORLD_SIZE", 1)) // local)
    batches = {
        split: -(-len(build_loader(cfg, split)) // machines) if runs else 0
        for split, runs in parts.items()
    }
    return Lengths(**batches)


def summary(cfg: CfgNode, folder: Path, whole: Lengths, checkpoint: str) -> str:
    """What the rehearsal in ``folder`` says of the whole run."""
    rows = history.read_rows(folder / history.FILE)
    steps = [row for row in rows if row["type"] == "train_iter"]
    found = _read(folder / run_record.FILE)
    lines = [f"dry run of {cfg.OUTPUT_DIR}: everything that the run needs works"]
    seconds: dict[str, float] = {}
    if steps:
        epochs, settled = cfg.SOLVER.MAX_EPOCH, steps[len(steps) // 2 :]  # the first one warms up
        group = _accumulated(cfg)
        lines += _training_lines(steps, settled, num_steps=-(-len(steps) // group))
        seconds["training"] = epochs * whole.train * _mean(settled, "dt")
        validations = -(-epochs // cfg.TRAIN.EVAL_PERIOD)
        lengths_of_val = [float(r["dt"]) * whole.val for r in rows if r["type"] == "val_epoch"]
        seconds["validation"] = validations * sum(lengths_of_val)
        lines.append(
            f"whole run   {epochs} epochs of {whole.train} batches, {validations} validations"
        )
    if "test" in found["result"]:
        tested = found["result"]["test"]
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
    lines.append(f"files       {folder} (nothing resumes from it)")
    return "\n".join(lines)


def _training_lines(
    steps: list[history.Row], settled: list[history.Row], *, num_steps: int
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


def _mean(rows: list[history.Row], column: str) -> float:
    return statistics.fmean(float(row[column]) for row in rows)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
