"""Load a checkpoint of a training into its model and optimizer, to resume it."""

from typing import Any, NamedTuple

import torch
from torch import nn

from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import (
    CheckpointError,
    LoadReport,
    convert_names,
    load_state,
)
from timesformer.checkpoint.match import refuse_nonfinite
from timesformer.checkpoint.payload import check_entries
from timesformer.checkpoint.save import Position
from timesformer.checkpoint.state_search import find_state

# Options of optimizers that newer versions of PyTorch added: their absence says nothing.
_NEW_OPTIONS = {
    "foreach",
    "fused",
    "maximize",
    "differentiable",
    "capturable",
    "decoupled_weight_decay",
}


class Resumed(NamedTuple):
    """A checkpoint whose weights and optimizer state are loaded."""

    position: Position
    report: LoadReport
    payload: dict[str, Any]


def load_train_state(
    found: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    cut_from_names: tuple[str, ...] = (),
) -> Resumed:
    """Load weights and optimizer state of a checkpoint of this very model; returns where to resume.

    Raises:
        CheckpointError: the file is not of exactly this model, has no epoch or optimizer state, or its
            weights or their average are not finite.
    """
    path, payload = found
    check_entries(payload, path)
    if not {"epoch", "optimizer_state"} <= payload.keys():
        raise CheckpointError(
            f"{path} holds no epoch and optimizer state to resume from; set TRAIN.FINETUNE True to "
            "start from its weights alone"
        )
    last = {key: value for key, value in payload.items() if key != "ema_state"}
    try:
        state = convert_names(find_state(last), cut_from_names)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a model checkpoint: {error}") from error
    refuse_nonfinite(payload.get("ema_state", {}), str(path))
    report = load_state(model, state, source=str(path))
    if not report.exact:
        raise CheckpointError(
            f"{path} is not a checkpoint of this model, so its training cannot be resumed: {report}; use "
            "another OUTPUT_DIR or TRAIN.AUTO_RESUME False, or TRAIN.FINETUNE True to start from "
            "its weights"
        )
    try:
        saved = _without_empty_groups(payload["optimizer_state"])
        if foreign := optimizer.defaults.keys() - saved["param_groups"][0].keys() - _NEW_OPTIONS:
            raise ValueError(f"it has no {', '.join(sorted(foreign))}")
        optimizer.load_state_dict(_with_options(saved, optimizer.param_groups))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"the optimizer state of {path} does not fit SOLVER.OPTIMIZING_METHOD: {error}; set "
            "TRAIN.CHECKPOINT_EPOCH_RESET True to start from its weights alone"
        ) from error
    position = Position(**payload.get("position", {"epoch": payload["epoch"] + 1, "batch": 0}))
    return Resumed(position, report, payload)


def _with_options(state: dict[str, Any], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """``state`` with the options of ``groups``: a file would bring back its own decay and kernels."""
    saved = state["param_groups"]
    if len(saved) != len(groups):  # the optimizer says so
        return state
    pairs = zip(saved, groups, strict=True)
    return state | {"param_groups": [now | {"params": then["params"]} for then, now in pairs]}


def _without_empty_groups(state: dict[str, Any]) -> dict[str, Any]:
    """Published files carry an empty group for batch-norm parameters, which a ViT has not."""
    return state | {"param_groups": [group for group in state["param_groups"] if group["params"]]}
