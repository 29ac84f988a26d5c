"""Labels of flipped clips: "pushing from left to right" becomes "pushing from right to left"."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timesformer.config import CfgNode, ConfigError, portable
from timesformer.datasets.class_names import FILE, names_beside


def build_flip_map(cfg: CfgNode) -> np.ndarray | None:
    """The label that each class has once flipped, (K,); None without AUG.FLIP_MAP.

    Raises:
        ConfigError: the file is missing, is not a JSON object, names a class that does not exist, or
            gives a class two opposites.
    """
    if not cfg.AUG.FLIP_MAP:
        return None
    pairs = _read_pairs(portable(cfg.AUG.FLIP_MAP))
    names = names_beside(portable(cfg.DATA.PATH_TO_DATA_DIR) / "train.csv")
    return flip_map(pairs, names, num_classes=cfg.MODEL.NUM_CLASSES, origin=cfg.AUG.FLIP_MAP)


def flip_map(
    pairs: dict[str, str | int], names: Sequence[str], *, num_classes: int, origin: str
) -> np.ndarray:
    """(K,) int64: the opposite of each class, itself where no pair names it.

    A flip undoes a flip, so {"left": "right"} also means {"right": "left"}.

    Args:
        pairs: class -> opposite, each a name of ``names`` or an id.
        names: of the classes, in the order of their ids; may be empty.
        num_classes: K.
        origin: of the pairs, for messages.

    Raises:
        ConfigError: an unknown class, or one with two opposites.
    """
    ids = {name: label for label, name in enumerate(names)}
    opposite = dict[int, int]()
    for pair in pairs.items():
        one, other = (_label(name, ids, num_classes, origin) for name in pair)
        for label, flipped in ((one, other), (other, one)):
            if opposite.setdefault(label, flipped) != flipped:
                raise ConfigError(
                    f"AUG.FLIP_MAP {origin}: class {names[label] if names else label} has two "
                    "opposites, but a flip undoes a flip; write each pair of classes once"
                )
    return np.array([opposite.get(label, label) for label in range(num_classes)], dtype=np.int64)


def _label(name: str | int, ids: dict[str, int], num_classes: int, origin: str) -> int:
    """The id of a class that is given by its name or id."""
    label = ids.get(str(name), -1)
    if label < 0 and str(name).isdecimal():
        label = int(name)
    if not 0 <= label < num_classes:
        known = f"a name of {FILE}" if ids else f"(names need {FILE} beside the lists)"
        raise ConfigError(
            f"AUG.FLIP_MAP {origin}: no class {name!r}; write an id 0 .. {num_classes - 1} or {known}"
        )
    return label


def _read_pairs(path: Path) -> dict[str, str | int]:
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"AUG.FLIP_MAP {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"AUG.FLIP_MAP {path} is not valid JSON: {error}") from error
    if not isinstance(pairs, dict):
        raise ConfigError(
            f"AUG.FLIP_MAP {path} holds a {type(pairs).__name__}; write an object "
            '{"class": "opposite class"}'
        )
    return pairs
