"""What a shootout was begun with: another list or other folds in the same folder would mix results."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timesformer.errors import InputError
from timesformer.evaluation.report.output import write_json
from timesformer.io.terminal import printable

FILE = "settings.json"
BEGUN = "*/fold-*"  # folders of models and folds
CALLED = {
    "list": "the list of videos",
    "folds": "--folds",
    "group": "--group",
    "seed": "--seed",
    "method": "--probe or --finetune",
    "budget": "--budget",
    "keys": "configuration keys",
}


class SettingsError(InputError, ValueError):
    """A folder that was begun with other settings; the message names them."""


def digest_of(lines: Sequence[str]) -> str:
    """SHA-256 of the lines of a list."""
    text = "\n".join(lines)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings; if they are there already, they must be these, as soon as a fold has begun.

    Before that the budget, which may have been too small, can change.

    Args:
        folder: of the shootout.
        settings: a value for each row of CALLED.

    Raises:
        SettingsError: they are others.
        WriteError: the file cannot be written.
    """
    path = folder / FILE
    differing = _differing(path, settings) if path.is_file() else []
    if differing == [CALLED["budget"]] and not any(folder.glob(BEGUN)):
        differing = []
    if differing:
        raise SettingsError(
            f"{printable(folder)} holds a shootout with other settings ({', '.join(differing)}); give the "
            "same command to resume it, or use another --out"
        )
    write_json(path, settings)


def _differing(path: Path, settings: Mapping[str, Any]) -> list[str]:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        return [called for name, called in CALLED.items() if before[name] != settings[name]]
    except (ValueError, KeyError, TypeError):
        return ["a file of settings that cannot be read"]
