"""All keys in one table, and how one is found by its name, its old name, or a part of it."""

from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from timesformer.config.key import Key
from timesformer.config.keys_data import AUG, DATA, DATA_LOADER, FLOW, MIXUP
from timesformer.config.keys_model import MODEL, TIMESFORMER
from timesformer.config.keys_run import DIST, RUN, TENSORBOARD
from timesformer.config.keys_training import SOLVER, TEST, TRAIN
from timesformer.errors import ConfigError

_ROWS = (
    *(*RUN, *MODEL, *TIMESFORMER, *DATA, *FLOW, *DATA_LOADER, *AUG, *MIXUP),
    *(*TRAIN, *TEST, *SOLVER, *DIST, *TENSORBOARD),
)
KEYS = {key.name: key for key in _ROWS}
OLD_NAMES = {key.was: key.name for key in _ROWS if key.was}


def find(pattern: str = "") -> list[Key]:
    """The keys whose name ``pattern`` matches, in any case; none if there is no such key.

    Args:
        pattern: a part of a name, as ``lr``; with ``*`` or ``?``, a whole name, as ``solver.*lr*``.
    """
    wanted = OLD_NAMES.get(pattern.upper(), pattern).upper()
    whole = wanted if "*" in wanted or "?" in wanted else f"*{wanted}*"
    return [key for key in _ROWS if fnmatchcase(key.name, whole)]


def unknown(name: str) -> str:
    """The message about a key that does not exist, with the nearest that does."""
    if any(key.startswith(f"{name}.") for key in KEYS):
        return f"{name} is a section, not a key; set one of its keys, as {name}.NAME"
    by_case = {key.lower(): key for key in [*KEYS, *OLD_NAMES]}
    if close := get_close_matches(name.lower(), by_case, n=1, cutoff=0.5):
        key = by_case[close[0]]
        return f"unknown config key {name}; did you mean {OLD_NAMES.get(key, key)}?"
    sections = sorted({key.split(".")[0] for key in KEYS if "." in key})
    return f"unknown config key {name}; sections are {', '.join(sections)}"


def renamed(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``values`` under today's names, with today's choices, and what was renamed, in words.

    Raises:
        ConfigError: a key is given under both names.
    """
    found: dict[str, Any] = {}
    changes = []
    for old, raw in values.items():
        name = OLD_NAMES.get(old, old)
        value = KEYS[name].current(raw) if name in KEYS else raw
        if name != old and name in values:
            raise ConfigError(f"{old} is the old name of {name}, and both are given; remove {old}")
        if name != old:
            changes.append(f"{old} is now {name}")
        elif value is not raw:
            changes.append(f"{name} {raw} is now {value}")
        found[name] = value
    return found, changes
