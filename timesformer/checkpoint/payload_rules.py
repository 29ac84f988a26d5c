"""What the entries of a checkpoint are: one row each, checked once, after reading."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from timesformer.checkpoint.files import CheckpointError
from timesformer.io.terminal import printable


class _Rule(NamedTuple):
    """What an entry must be, in words and as a test of it."""

    words: str
    holds: Callable[[Any], bool]


def check(payload: Mapping[str, Any], path: str | Path) -> None:
    """Raise CheckpointError if an entry of a checkpoint, of the file ``path``, is not what it must be."""
    if found := problems(payload):
        wrong = "; ".join(f"its entry {key} {what}" for key, what in found.items())
        raise CheckpointError(
            f"{printable(path)} is not a checkpoint of a training: {wrong}. Use another checkpoint, or "
            "copy it again"
        )


def problems(payload: Mapping[str, Any]) -> dict[str, str]:
    """The entries that are not what they must be, and what is wrong; entries without a rule may be all."""
    return {
        key: f"is {_shown(payload[key])}, not {rule.words}"
        for key, rule in _RULES.items()
        if key in payload and not rule.holds(payload[key])
    }


def _whole(value: Any, *, least: int = 0) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _state(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()
    )


def _optimizer(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    if not value:  # of weights that no optimizer goes with
        return True
    if not isinstance(value.get("state"), Mapping):
        return False
    groups = value.get("param_groups")
    return (
        isinstance(groups, list)
        and all(isinstance(state, Mapping) for state in value["state"].values())
        and all(isinstance(g, Mapping) and isinstance(g.get("params"), list) for g in groups)
    )


def _fields(**rules: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A mapping that has these fields, each by its own rule; others may be there."""

    def holds(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            name in value and rule(value[name]) for name, rule in rules.items()
        )

    return holds


def _each(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A mapping from names to values by this rule."""

    def holds(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and rule(part) for name, part in value.items()
        )

    return holds


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _plain(value: Any) -> bool:
    """A number or text, or a list of them."""
    parts: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    return all(part is None or isinstance(part, str | Real) for part in parts)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else ""
    kind = type(value).__name__
    return f"{printable(text[:40])} ({kind})" if text else f"a {kind}"


_NAMES = _Rule("a list of names", lambda v: isinstance(v, list | tuple) and all(map(_is(str), v)))
_MAPPING = _Rule("a dictionary", _is(Mapping))
_LIST = _fields(sha256=_is(str), list=_is(str), videos=_whole)
_RULES = {
    "epoch": _Rule("a whole number", lambda value: _whole(value, least=-1)),
    "model_state": _Rule("names with dense tensors", _state),
    "ema_state": _Rule("names with dense tensors", _state),
    "optimizer_state": _Rule("the state of an optimizer (state, param_groups)", _optimizer),
    "scaler_state": _MAPPING,
    "cfg": _Rule("text", _is(str)),
    "class_names": _NAMES,
    "preprocessing": _Rule("names with numbers or text", _each(_plain)),
    "data": _Rule("a fingerprint (list, sha256, videos) of each split", _each(_LIST)),
    "versions": _Rule("names with text", _each(_plain)),
    "command": _Rule("text", _is(str)),
    "position": _Rule(
        "an epoch and a batch, whole numbers from 0",
        lambda v: _fields(epoch=_whole, batch=_whole)(v) and len(v) == 2,
    ),
    "best": _Rule(
        "the best validation (badness, epoch, stale, seen)",
        _fields(badness=_is(Real), epoch=_plain, stale=_whole, seen=_is(Mapping)),
    ),
    "guard": _Rule("counts (in_a_row, went_back)", _fields(in_a_row=_whole, went_back=_is(int))),
    "sampling": _Rule("names with numbers or text", _each(_plain)),
    "run": _Rule("text", _is(str)),
    "started_from": _Rule(
        "what the run started from (how, file, sha256, cut_from_names)",
        _fields(how=_is(str), file=_is(str), sha256=_is(str), cut_from_names=_is(list)),
    ),
    "written": _Rule("names with numbers", _each(_is(Real))),
    "meter": _MAPPING,
}
OURS = frozenset(_RULES)
"""The entries of checkpoints that this code reads."""
