"""Load a run's configuration: defaults, then a YAML file over those of its ``_BASE_``, then overrides."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from timesformer.config.keys import renamed
from timesformer.config.shipped import find_config
from timesformer.config.strict_yaml import read_yaml, read_yaml_file
from timesformer.config.tree import config_of, current, flatten
from timesformer.errors import ConfigError
from timesformer.io.terminal import printable

BASE = "_BASE_"  # the key of a file that names the files to start from


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> CfgNode:
    """Return the frozen, validated configuration of a run.

    Args:
        path: a YAML file, or the name of a recipe that ships with the package. The ``_BASE_`` key of a
            file names a file to start from, relative to it.
        overrides: ``KEY VALUE KEY VALUE ...`` as typed on the command line.

    Raises:
        ConfigError: a missing file, an unknown key, a wrong type, or values that do not fit; all
            problems of one kind are listed together.

    The published code wanted ``1.0`` for a float and ``False`` for a boolean, and validated its
    defaults only; here ``1``, ``1e-4`` and ``false`` mean what they say, and the result is checked.
    """
    file = find_config(portable(path))
    return config_of(_with_bases(file, ()), overrides, source=str(path))


def flat_values(text: str, *, source: str) -> dict[str, Any]:
    """The flat keys and values of the YAML that a checkpoint carries, under today's names.

    Raises:
        ConfigError: it is not YAML of keys and values.
    """
    return renamed(_flat(read_yaml(text, source=f"{source}: its cfg"), f"{source}: its cfg"))[0]


def portable(path: str | Path) -> Path:
    """``path`` with the slashes of this system, if it exists only that way."""
    text = str(path).strip()
    if "\\" in text and not Path(text).expanduser().exists():
        text = text.replace("\\", "/")
    return Path(text).expanduser()


def _with_bases(path: Path, opened_by: tuple[Path, ...]) -> dict[str, Any]:
    """The flat values of a file over those of its ``_BASE_``: a path, relative to it, or several."""
    whole = path.resolve()
    if whole in opened_by:
        raise ConfigError(f"{printable(path)}: its _BASE_ files refer back to each other")
    tree = read_yaml_file(path)
    own = _flat({} if tree is None else tree, printable(path))
    named = own.pop(BASE, [])
    values: dict[str, Any] = {}
    for base in named if isinstance(named, list) else [named]:
        if not isinstance(base, str) or not base.strip():
            raise ConfigError(f"{printable(path)}: {BASE} is {base!r}, but must be a path")
        file = _portable_from(path.parent, base)
        if not file.exists():
            raise ConfigError(
                f"{printable(path)}: its {BASE} {printable(file)} does not exist; correct that path"
            )
        values |= _with_bases(file, (*opened_by, whole))
    return values | current(own, source=printable(path))


def _flat(tree: object, source: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: expected KEY: VALUE lines, found {type(tree).__name__}")
    return flatten(tree)


def _portable_from(folder: Path, name: str) -> Path:
    """``portable``, of a path that is relative to ``folder``."""
    if "\\" in name and not (folder / portable(name)).exists():
        return folder / name.strip().replace("\\", "/")
    return folder / portable(name)
