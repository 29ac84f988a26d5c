"""Whether a run that resumes is the run that it resumes: its configuration, start and data.

Keys that decide no number of the training may differ: they are only named. All others, the bytes of
the lists, and the weights that it started from must be as they were, unless TRAIN.RESUME_ANYWAY
(``--override``) says to resume anyway.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from timesformer.checkpoint import start
from timesformer.checkpoint.files import Checkpoint
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.payload import check_entries
from timesformer.checkpoint.run_folder import flat_configuration, is_own_newest, start_of
from timesformer.config import flat_values
from timesformer.config.keys import KEYS

logger = logging.getLogger(__name__)

# Entries of a checkpoint beside its configuration.
_ENTRY = "sampling"


class Difference(NamedTuple):
    """A setting that has changed; ``is_fatal`` if it changes the trained weights."""

    name: str
    then: Any
    now: Any
    is_fatal: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.then!r} then, {self.now!r} now"


def facts(num_batches: int, num_unreadable: int) -> dict[str, Any]:
    """Entries of a checkpoint about what an epoch is, which no key says alone."""
    return {
        _ENTRY: {
            "batches of an epoch": num_batches,
            "videos known to be unreadable": num_unreadable,
        }
    }


def check_compatible(
    found: Checkpoint, configuration: str, now: Mapping[str, Any], *, resume_anyway: bool = False
) -> None:
    """Name the differences between a checkpoint and this run.

    Args:
        found: the checkpoint; entries that published files lack are not compared.
        configuration: of this run, YAML.
        now: the entries of a checkpoint of this run that are known: ``data``, ``facts``, ``started_from``.
        resume_anyway: TRAIN.RESUME_ANYWAY.

    Raises:
        CheckpointError: a difference is fatal, and not ``resume_anyway``.
    """
    check_entries(found.entries, found.path)
    differences = [
        *_of_configuration(found, configuration),
        *_of_start(found, now),
        *_of_data(found.entries, now),
        *_of_facts(found.entries, now),
    ]
    fatal = [difference for difference in differences if difference.is_fatal]
    if fatal and not resume_anyway:
        lines = "\n  ".join(map(str, fatal))
        raise CheckpointError(
            f"{found.path} was written by a run with different settings:\n  {lines}\nGive the command as "
            "it was to resume, use another OUTPUT_DIR or TRAIN.AUTO_RESUME False to start anew, or pass "
            "--override to resume with the new settings"
        )
    for difference in differences:
        logger.log(
            logging.WARNING if difference.is_fatal else logging.INFO,
            "%s differs from the checkpoint: %s", "overridden" if difference.is_fatal else "harmless",
            difference,
        )  # fmt: skip


def _of_configuration(found: Checkpoint, configuration: str) -> Iterator[Difference]:
    saved = flat_configuration(found)
    for key, now in flat_values(configuration, source="this run").items():
        if key in saved and saved[key] != now:
            yield Difference(key, saved[key], now, not KEYS[key].free)


def _of_data(payload: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    saved = payload.get("data", {})
    for split, fingerprint in now.get("data", {}).items():
        then = saved.get(split, fingerprint)
        if then["sha256"] != fingerprint["sha256"]:
            texts = [
                f"{f['list']}, {f['videos']} videos, {f['sha256'][:12]}"
                for f in (then, fingerprint)
            ]
            yield Difference(f"{split} list", texts[0], texts[1], is_fatal=True)


def _of_facts(payload: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    saved = payload.get(_ENTRY, {})
    for name, value in now.get(_ENTRY, {}).items():
        if saved.get(name, value) != value:
            yield Difference(name, saved[name], value, is_fatal=True)


def _of_start(found: Checkpoint, now: Mapping[str, Any]) -> Iterator[Difference]:
    then, starts = start_of(found), now.get(start.KEY)
    if then is None or starts is None or is_own_newest(found.path, starts):
        return
    if start.differs(then, starts):
        names = ", ".join(start.KEYS)
        texts = start.described(then), start.described(starts)
        yield Difference(f"start ({names})", texts[0], texts[1], is_fatal=True)
    elif starts["sha256"] and not then["sha256"]:
        logger.info("%s has no hash of what it started from; the paths agree", found.path)
