"""Load a run's configuration: defaults, then the YAML chain, then the command line."""

import difflib
import logging
import math
from ast import literal_eval
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from timesformer.config.batch_sizes import share_global_batch
from timesformer.config.defaults import defaults
from timesformer.config.error import ConfigError
from timesformer.config.ignored import HARMLESS, IGNORED
from timesformer.config.strict_yaml import read_yaml, read_yaml_file
from timesformer.io.terminal import printable

logger = logging.getLogger(__name__)

BASE = "_BASE_"  # the key of a file that names the files to start from

_WORDS = {"true": True, "yes": True, "on": True, "1": True}
_WORDS |= {"false": False, "no": False, "off": False, "0": False}


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> CfgNode:
    """Return the frozen, validated configuration of a run.

    Args:
        path: a YAML file; its ``_BASE_`` key names a file to start from, relative to it.
        overrides: ``KEY VALUE KEY VALUE ...`` as typed on the command line.

    Raises:
        ConfigError: a missing file, an unknown key, a wrong type, or values that do not fit; all
            problems of one kind are listed together.

    The published code wanted ``1.0`` for a float and ``False`` for a boolean, and validated its
    defaults only; here ``1``, ``1e-4`` and ``false`` mean what they say, and the result is checked.
    """
    return config_of(_read(portable(path)), overrides, source=str(path))


def config_of(values: Mapping[str, Any], overrides: Iterable[str] = (), *, source: str) -> CfgNode:
    """As ``load_config``, from the flat keys and values of ``source``."""
    from timesformer.config.validate import validate

    cfg = defaults()
    sources = dict.fromkeys(values, source)
    typed = _pairs(list(overrides))
    sources |= dict.fromkeys(typed, "command line")
    _merge(cfg, {**values, **typed}, sources)
    if problems := list(share_global_batch(cfg)):
        raise ConfigError("\n".join(problems))
    validate(cfg)
    cfg.freeze()
    return cfg


def flat_values(text: str, *, source: str) -> dict[str, Any]:
    """The flat keys and values of the YAML that a checkpoint carries.

    Raises:
        ConfigError: it is no YAML of keys and values.
    """
    tree = read_yaml(text, source=f"{source}: its cfg")
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: its cfg is {type(tree).__name__}, not KEY: VALUE lines")
    return _flatten(tree)


def portable(path: str | Path) -> Path:
    """``path`` with whatever slashes this system uses, if it exists only that way."""
    text = str(path).strip()
    if "\\" in text and not Path(text).expanduser().exists():
        text = text.replace("\\", "/")
    return Path(text).expanduser()


def _read(path: Path) -> dict[str, Any]:
    """The flat keys and values of a YAML file and the files that its ``_BASE_`` names."""
    if not path.exists():
        raise ConfigError(
            f"config file {printable(path)} does not exist; pass --cfg with a file of configs/"
        )
    return _flatten(_with_bases(path, ()))


def _with_bases(path: Path, opened_by: tuple[Path, ...]) -> dict[str, Any]:
    """The tree of a file over those of its ``_BASE_``: a path, relative to the file, or several."""
    whole = path.resolve()
    if whole in opened_by:
        raise ConfigError(f"{printable(path)}: its _BASE_ files refer back to each other")
    tree = read_yaml_file(path)
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{printable(path)}: expected KEY: VALUE lines, found {type(tree).__name__}"
        )
    named = tree.pop(BASE, [])
    bases = named if isinstance(named, list) else [named]
    below: dict[str, Any] = {}
    for base in bases:
        if not isinstance(base, str) or not base.strip():
            raise ConfigError(f"{printable(path)}: {BASE} is {base!r}, but must be a path")
        file = path.parent / portable_from(path.parent, base)
        if not file.exists():
            raise ConfigError(
                f"{printable(path)}: its {BASE} {printable(file)} does not exist; correct that path"
            )
        _merge_trees(below, _with_bases(file, (*opened_by, whole)), path)
    _merge_trees(below, tree, path)
    return below


def portable_from(folder: Path, name: str) -> Path:
    """``portable``, of a path that is relative to ``folder``."""
    given = portable(name)
    if "\\" in name and not (folder / given).exists():
        return Path(name.strip().replace("\\", "/"))
    return given


def _merge_trees(below: dict[str, Any], tree: Mapping[str, Any], path: Path) -> None:
    """Put the values of ``tree`` over those of ``below``."""
    for key, value in tree.items():
        under = below.get(key)
        if isinstance(value, dict) and key in below:
            if not isinstance(under, dict):
                raise ConfigError(
                    f"{printable(path)}: {key} is a section here and a value in its {BASE}; use one name "
                    "for one thing"
                )
            _merge_trees(under, value, path)
        else:
            below[key] = value


def _pairs(items: list[str]) -> dict[str, str]:
    if len(items) % 2:
        raise ConfigError(
            f"command line: {items[-1]!r} has no value; write KEY VALUE pairs after the options"
        )
    return dict(zip(items[::2], items[1::2], strict=True))


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"A": {"B": 1}} -> {"A.B": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _merge(cfg: CfgNode, values: dict[str, Any], source: dict[str, str]) -> None:
    known = _flatten(cfg)
    ignored, problems = [], []
    for key, value in values.items():
        try:
            if key in known:
                _set(cfg, key, coerce(key, value, known[key]))
            elif key in IGNORED:
                _check_harmless(key, value)
                ignored.append(key)
            else:
                raise ConfigError(_unknown(key, known))
        except ConfigError as error:
            problems.append(f"{source[key]}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    if ignored:
        logger.warning(
            "Config keys without effect on a TimeSformer, ignored: %s", ", ".join(ignored)
        )


def _set(cfg: CfgNode, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        cfg = cfg[section]
    cfg[name] = value


def _unknown(key: str, known: dict[str, Any]) -> str:
    by_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(key.lower(), by_case, n=1, cutoff=0.5)
    sections = sorted({name.split(".")[0] for name in known})
    if any(name.startswith(f"{key}.") for name in known):
        return f"{key} is a section, not a key; set one of its keys, as {key}.NAME"
    hint = f"did you mean {by_case[close[0]]}?" if close else f"sections are {', '.join(sections)}"
    return f"unknown config key {key}; {hint}"


def _check_harmless(key: str, value: Any) -> None:
    if key not in HARMLESS:
        return
    only, reason = HARMLESS[key]
    if coerce(key, value, only) != only:
        raise ConfigError(f"{key} is {value!r}, but {reason}; remove it or set it to {only}")


def coerce(key: str, value: Any, default: Any) -> Any:
    """``value`` as the type of ``default``, if it can mean that without loss."""
    raw = value
    if isinstance(value, str):
        value = value.strip() or value  # a separator may be a blank
        if not isinstance(default, str):
            value = _literal(value)
    rule = _COERCE[type(default)]
    try:
        return rule(value, default)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{key} is {raw!r}, but must be {_RULES[type(default)]}") from None


def _literal(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _to_bool(value: Any, _: bool) -> bool:
    try:
        return _WORDS[str(value).lower()]
    except KeyError:
        raise ValueError from None


def _to_int(value: Any, _: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or int(value) != value:
        raise ValueError
    return int(value)


def _to_float(value: Any, _: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _to_str(value: Any, _: str) -> str:
    if value is None or isinstance(value, list | tuple | dict):
        raise ValueError
    text = str(value)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _to_list(value: Any, default: list[Any]) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError
    like = default[0] if default else 0.0
    return [_number(item, like) for item in value]


def _number(item: Any, like: float) -> Any:
    item = _literal(item) if isinstance(item, str) else item
    if isinstance(like, float):
        return _to_float(item, like)
    return _to_int(item, like)


def _to_tuple(value: Any, _: tuple[str, ...]) -> tuple[str, ...]:
    items = [value] * bool(value) if isinstance(value, str) else value
    return tuple(_to_str(item, "") for item in items)


def _to_optional(value: Any, _: None) -> list[float] | None:
    return None if value in (None, "", "null") else _to_list(value, [0.0])


_COERCE: dict[type, Any] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_str,
    list: _to_list,
    tuple: _to_tuple,
    type(None): _to_optional,
}
_RULES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list of numbers, as [256, 320]",
    tuple: "a list of texts",
    type(None): "empty or a list of two numbers",
}
