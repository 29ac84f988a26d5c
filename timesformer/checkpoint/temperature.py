"""Give a checkpoint a temperature (see ``metadata.Temperature``), and leave all else in it as it is."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timesformer.checkpoint.files import CheckpointError, read_checkpoint, weights_path
from timesformer.checkpoint.formats.torch_file import is_torch_file
from timesformer.checkpoint.metadata import TEMPERATURE
from timesformer.checkpoint.payload import check_entries, unknown_classes
from timesformer.checkpoint.save import write_checkpoint
from timesformer.io.terminal import printable


def store_temperature(path: str | Path, value: float, fitted_on: Mapping[str, Any]) -> None:
    """Give a checkpoint a temperature, in place of an earlier one; all else in it stays as it is.

    The file is replaced at once or not at all. Others with the same content, as the checkpoint of an
    epoch beside that of the best validation, do not change.

    Args:
        path: a file as training writes it, ``.pyth``; a link stays one.
        value: above 0; 1 changes no probability.
        fitted_on: ``list``, the file of predictions; its ``sha256``; ``videos``, how many.

    Raises:
        CheckpointError: no such file, damaged, of a format that has no place for it, or one that
            cannot be written; or the temperature is not a number above 0.
    """
    if not (math.isfinite(value) and value > 0):
        raise CheckpointError(
            f"a temperature must be a number above 0, and this one is {value}; fit it to a list whose "
            "videos are not all right and not all wrong"
        )
    file = Path(os.path.realpath(weights_path(path)))
    if file.is_dir() or not is_torch_file(file):
        raise CheckpointError(_no_place(path, "is not one file of PyTorch"))
    payload = read_checkpoint(file)
    if "model_state" not in payload:
        raise CheckpointError(_no_place(path, "holds bare weights"))
    check_entries(payload, path)
    if unknown := unknown_classes(payload):
        what = f"holds {printable(next(iter(unknown)))}, which cannot be written again"
        raise CheckpointError(_no_place(path, what))
    facts = {"list": str(fitted_on["list"]), "sha256": str(fitted_on["sha256"])}
    entry = {"value": float(value), **facts, "videos": int(fitted_on["videos"])}
    write_checkpoint(file, {**payload, TEMPERATURE: entry})


def _no_place(path: str | Path, reason: str) -> str:
    return (
        f"{printable(path)} {reason}, so a temperature has no place in it; convert it: timesformer "
        "convert FILE --to published --out NEW.pyth"
    )
