"""What the table of models says of a name, or of all names with one prefix."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from timesformer.config import CfgNode, ConfigError
from timesformer.errors import InputError
from timesformer.models.classifier import Classifier

KEY = "MODEL.MODEL_NAME"
NEAREST = 3  # names in the message about one that does not exist


class Spec(NamedTuple):
    """A row of ``MODELS``.

    ``names`` are all names that the row builds; ``defaults`` are the keys and values of the
    preprocessing that the published weights of a name assume.
    """

    build: Callable[[CfgNode, int], Classifier]  # of the configuration and the number of channels
    names: Callable[[], Iterable[str]]
    layout: str = "clip"  # a row of ``layouts.LAYOUTS``
    defaults: Callable[[str], Mapping[str, Any]] = lambda _: {}
    licence: Callable[[str], str] = lambda _: "not stated"  # of the published weights of a name


def find_row(table: Mapping[str, Spec], name: str) -> Spec | None:
    """The row of ``name``: its own, or that of the longest prefix; None: there is none."""
    prefixes = [key for key in table if key == name or ("/" in key and name.startswith(key))]
    return table[max(prefixes, key=len)] if prefixes else None


def find_spec(table: Mapping[str, Spec], name: str) -> Spec:
    """The row of ``name``, see ``find_row``.

    Raises:
        ConfigError: there is none; the message has the nearest names of all families, and the extras
            without which some have no names.
    """
    if (row := find_row(table, name)) is not None:
        return row
    names: list[str] = []
    lacking: dict[str, None] = {}
    for spec in dict.fromkeys(table.values()):
        try:
            names += spec.names()
        except InputError as error:
            lacking[str(error)] = None
    raise ConfigError("; ".join([unknown_name(name, names, families(table)), *lacking]))


def names_of(spec: Spec) -> Iterator[str]:
    """All names of a row; none if its extra is not installed."""
    try:
        yield from spec.names()
    except InputError:
        return


def families(table: Mapping[str, Spec]) -> str:
    """The prefixes of the table, in words."""
    return ", ".join(f"{key}NAME" for key in table if key.endswith("/"))


def unknown_name(name: str, names: Iterable[str], more: str = "") -> str:
    """The message about a name that no model has, with the three nearest.

    A name without a family is compared with names without theirs.
    """

    def compared(each: str) -> str:
        return each.lower() if "/" in name else each.lower().rpartition("/")[2]

    known: dict[str, str] = {}
    for each in names:
        known.setdefault(compared(each), each)
    found = difflib.get_close_matches(compared(name), known, n=NEAREST, cutoff=0)
    close = ", ".join(known[each] for each in found)
    others = f"; families are {more}" if more else ""
    return (
        f"{KEY} is {name!r}, and there is no such model; the nearest names are {close}{others} "
        "(`timesformer models` lists them)"
    )
