"""The checkpoints of a run: write them whole, find the newest, go on from one.

A checkpoint is the published dictionary: ``epoch`` (0-based; the file name counts from 1),
``model_state`` (names begin ``model.``), ``optimizer_state``, ``cfg`` (YAML); and what
``provenance.describe`` adds.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from timesformer import convert
from timesformer.checkpoint import (
    CheckpointError,
    LoadReport,
    convert_names,
    load_state,
    read_file,
    unwrap,
)

_NAME = re.compile(r"checkpoint_epoch_(\d+)\.pyth")
# Options of optimizers that newer versions of PyTorch added: their absence says nothing.
_NEW_OPTIONS = {
    "foreach",
    "fused",
    "maximize",
    "differentiable",
    "capturable",
    "decoupled_weight_decay",
}


def checkpoint_path(output_dir: str | Path, epoch: int) -> Path:
    """File of 0-based ``epoch``: OUTPUT_DIR/checkpoints/checkpoint_epoch_00001.pyth for 0."""
    return Path(output_dir) / "checkpoints" / f"checkpoint_epoch_{epoch + 1:05d}.pyth"


def newest_checkpoint(output_dir: str | Path) -> Path | None:
    """The checkpoint of the highest epoch in OUTPUT_DIR/checkpoints, if there is one."""
    found = {
        int(match[1]): path
        for path in (Path(output_dir) / "checkpoints").glob("*.pyth")
        if (match := _NAME.fullmatch(path.name))
    }
    return found[max(found)] if found else None


def save_checkpoint(
    output_dir: str | Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    cfg_text: str,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write the checkpoint of 0-based ``epoch``: whole under a temporary name, then renamed.

    ``about`` holds further entries, as of ``provenance.describe``.
    """
    path = checkpoint_path(output_dir, epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {f"model.{key}": value for key, value in unwrap(model).state_dict().items()}
    payload = {
        "epoch": epoch,
        "model_state": state,
        "optimizer_state": optimizer.state_dict(),
        "cfg": cfg_text,
        **(about or {}),
    }
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(payload, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def load_training_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    cut_from_names: tuple[str, ...] = (),
) -> tuple[int, LoadReport]:
    """Weights, optimizer state and 0-based epoch of a checkpoint of this very model.

    Raises:
        CheckpointError: the file does not fit exactly, or has no epoch or optimizer state.
    """
    payload = read_file(path)
    if not isinstance(payload, dict) or not {"epoch", "optimizer_state"} <= payload.keys():
        raise CheckpointError(
            f"{path} holds no epoch and optimizer state to go on from; set TRAIN.FINETUNE True to "
            "start from its weights alone"
        )
    state = convert_names(convert.find_state(payload), cut_from_names)
    report = load_state(model, state, source=str(path))
    if not report.exact:
        raise CheckpointError(
            f"{path} is not a checkpoint of this model, so its training cannot go on: {report}; use "
            "another OUTPUT_DIR or TRAIN.AUTO_RESUME False, or TRAIN.FINETUNE True to start from "
            "its weights"
        )
    try:
        saved = _without_empty_groups(payload["optimizer_state"])
        if foreign := optimizer.defaults.keys() - saved["param_groups"][0].keys() - _NEW_OPTIONS:
            raise ValueError(f"it has no {', '.join(sorted(foreign))}")
        optimizer.load_state_dict(saved)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"the optimizer state of {path} does not fit SOLVER.OPTIMIZING_METHOD: {error}; set "
            "TRAIN.CHECKPOINT_EPOCH_RESET True to start from its weights alone"
        ) from error
    return payload["epoch"], report


def _without_empty_groups(state: dict[str, Any]) -> dict[str, Any]:
    """Published files carry an empty group for batch-norm parameters, which a ViT has not."""
    return state | {"param_groups": [group for group in state["param_groups"] if group["params"]]}
