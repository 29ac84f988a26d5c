"""Scores of a video that is still being read, so that an interrupted run resumes there."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from timesformer.files import write_atomically
from timesformer.io.npz import NPZ_ERRORS

SECONDS = 20.0  # between two writes
_SUFFIX = ".unfinished.npz"


class Unfinished:
    """The windows of one video that are scored, in a file beside its results.

    Args:
        path: of the results, without suffix.
        identity: what decides the scores; a file of another identity does not count.
    """

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path = path.with_name(f"{path.name}{_SUFFIX}")
        text = json.dumps(identity, sort_keys=True, default=str)
        self.identity = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        self.done = self._read()  # the scores (K,) of windows by number, under the digest of all
        self.written = time.monotonic()

    def add(self, digest: str, number: int, scores: np.ndarray) -> None:
        """Keep the scores (K,) of a window of those with ``digest``; they reach the disk every SECONDS."""
        self.done.setdefault(digest, {})[number] = scores
        if time.monotonic() - self.written > SECONDS:
            self.write()

    def write(self) -> None:
        """Write what there is."""
        found = [
            (digest, number, scores)
            for digest, rows in self.done.items()
            for number, scores in rows.items()
        ]
        if found:
            digests, numbers, scores = zip(*found, strict=True)
            with write_atomically(self.path, "wb", option="--out") as file:
                np.savez(
                    file,
                    numbers=np.array(numbers, dtype=np.int64),
                    scores=np.stack(scores),
                    identity=np.array(self.identity),
                    digests=np.array(digests),
                )
        self.written = time.monotonic()

    def remove(self) -> None:
        """Delete the file: the results are complete."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, dict[int, np.ndarray]]:
        try:
            with np.load(self.path, allow_pickle=False) as found:
                if str(found["identity"]) != self.identity:
                    return {}
                rows = zip(
                    found["digests"].tolist(),
                    found["numbers"].tolist(),
                    found["scores"],
                    strict=True,
                )
                done: dict[str, dict[int, np.ndarray]] = {}
                for digest, number, scores in rows:
                    done.setdefault(digest, {})[number] = scores
                return done
        except (OSError, *NPZ_ERRORS):
            return {}


def file_identity(path: Path) -> dict[str, object]:
    """Size and time of a local file; a folder or a URL is known by its name alone."""
    if not path.is_file():
        return {"path": str(path)}
    found = path.stat()
    return {"path": str(path.resolve()), "size": found.st_size, "time": found.st_mtime_ns}
