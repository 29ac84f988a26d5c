"""From flat keys and values to the checked, frozen configuration of a run, and to a changed one."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from yacs.config import CfgNode

from timesformer.config.batch_sizes import share_global_batch
from timesformer.config.hf_config import fill_hf_config
from timesformer.config.ignored_keys import IGNORED, check_harmless
from timesformer.config.keys import KEYS, renamed, unknown
from timesformer.config.rules import problems_between_keys
from timesformer.errors import ConfigError

logger = logging.getLogger(__name__)


def defaults() -> CfgNode:
    """A fresh configuration tree with the default of every key."""
    cfg = CfgNode()
    for key in KEYS.values():
        _set(cfg, key.name, key.read(key.default))
    return cfg


def config_of(values: Mapping[str, Any], overrides: Iterable[str] = (), *, source: str) -> CfgNode:
    """As ``load_config``, from the flat keys and values of ``source``."""
    given, _ = renamed(values)
    sources = dict.fromkeys(given, f"{source}: ")
    typed = current(_pairs(list(overrides)), source="command line")
    sources |= dict.fromkeys(typed, "command line: ")
    return _checked(defaults(), given | typed, sources)


def changed(cfg: CfgNode, values: Mapping[str, Any]) -> CfgNode:
    """A copy of ``cfg`` with other values, ``{"TRAIN.BATCH_SIZE": 8}``, checked and frozen.

    Raises:
        ConfigError: an unknown key, a wrong type, or values that do not fit together.
    """
    copy = cfg.clone()
    copy.defrost()
    return _checked(copy, renamed(values)[0], {})


def current(values: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """``values`` under today's names; one line of the log tells what was renamed in ``source``."""
    found, changes = renamed(values)
    if changes:
        logger.warning("%s has old names of config keys: %s", source, ", ".join(changes))
    return found


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"A": {"B": 1}} -> {"A.B": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def value_of(cfg: CfgNode, name: str) -> Any:
    """The value of ``TRAIN.BATCH_SIZE``, or the section ``TRAIN``."""
    for part in name.split("."):
        cfg = cfg[part]
    return cfg


def _checked(cfg: CfgNode, values: Mapping[str, Any], sources: Mapping[str, str]) -> CfgNode:
    """``cfg`` with ``values``, frozen; all problems of one kind are reported together."""
    _merge(cfg, values, sources)
    _raise(share_global_batch(cfg))
    _raise(_problems(cfg))
    if "MODEL.MODEL_NAME" in values and "MODEL.HF_CONFIG" not in values:
        cfg.MODEL.HF_CONFIG = ""  # that of another model
    fill_hf_config(cfg)
    cfg.freeze()
    return cfg


def _merge(cfg: CfgNode, values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    ignored, problems = [], []
    for name, value in values.items():
        try:
            if name in KEYS:
                _set(cfg, name, KEYS[name].read(value))
            elif name in IGNORED:
                check_harmless(name, value)
                ignored.append(name)
            else:
                raise ConfigError(unknown(name))
        except ConfigError as error:
            problems.append(f"{sources.get(name, '')}{error}")
    _raise(problems)
    if ignored:
        logger.warning(
            "Config keys without effect on a TimeSformer, ignored: %s", ", ".join(ignored)
        )


def _problems(cfg: CfgNode) -> Iterable[str]:
    """What is wrong with single keys, then with keys together."""
    can_divide = True  # the rules divide by counts
    for key in KEYS.values():
        value = value_of(cfg, key.name)
        try:
            key.check(value)
        except ConfigError as error:
            yield str(error)
            can_divide &= key.at_least != 1
    if can_divide:
        yield from problems_between_keys(cfg)


def _raise(problems: Iterable[str]) -> None:
    if lines := list(problems):
        raise ConfigError("\n".join(lines))


def _set(cfg: CfgNode, name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        cfg = cfg.setdefault(section, CfgNode())
    cfg[last] = value


def _pairs(items: list[str]) -> dict[str, str]:
    if len(items) % 2:
        raise ConfigError(
            f"command line: {items[-1]!r} has no value; write KEY VALUE pairs after the options"
        )
    return dict(zip(items[::2], items[1::2], strict=True))
