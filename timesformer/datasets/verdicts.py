"""What the death of a loader process says of the video that it read.

Whatever ended the process may have meant another one (out of memory, an operator), so one death says
nothing: the video is tried again. Two at the same video blame it, and so does the time limit at once.
"""

import logging
import signal
from collections.abc import Iterable
from enum import Enum, auto

from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.machine import LoaderError
from timesformer.datasets.samplers import Key
from timesformer.datasets.worker import ENDED, TIMED_OUT
from timesformer.io.terminal import printable

logger = logging.getLogger(__name__)

MAX_UNEXPLAINED = 3  # deaths in a row, for each process, of processes that read no video
HINTS = {"SIGKILL": "SIGKILL, out of memory?"}


class Verdict(Enum):
    """What happens to the batch of a process that has ended."""

    UNRELATED = auto()  # the end had nothing to do with a video: as if nothing had been
    SUSPECT = auto()  # tried again, alone
    BLAMED = auto()  # made without the video


class Verdicts:
    """Those of one data set, which learns what videos are bad."""

    def __init__(self, dataset: ClipDataset, num_processes: int) -> None:
        self.dataset = dataset
        self.blamed: dict[int, str] = {}  # index -> why it is not tried any more
        self._suspects: set[int] = set()
        self._unexplained = 0
        self._patience = MAX_UNEXPLAINED * num_processes

    def of_death(self, video: int, status: int | None) -> Verdict:
        """``video`` was being read (-1: none); ``status`` is that of the exit, None: it stopped.

        Raises:
            LoaderError: processes end again and again without reading.
        """
        if video < 0 or status == ENDED:
            self._unexplained += 1
            if self._unexplained > self._patience:
                raise LoaderError(
                    f"loader processes end before they read a video ({how(status)}); see the "
                    "messages above, and try DATA_LOADER.NUM_WORKERS 0"
                )
            return Verdict.UNRELATED
        name, seconds = printable(self.dataset.videos.name(video)), self.dataset.time_limit
        if status == TIMED_OUT:
            reason = f"did not answer within {seconds:g} seconds"
        elif video in self._suspects:
            reason = f"its loader process died or stopped twice ({how(status)})"
        else:
            self._suspects.add(video)
            text = "a loader process has ended while it read %s (%s): trying again in a new one"
            logger.warning(text, name, how(status))
            return Verdict.SUSPECT
        self._suspects.discard(video)
        self.blamed[video] = f"{name}: {reason}; re-encode it or remove it from the list"
        self.dataset.known_bad[video] = self.blamed[video]
        logger.warning("going on with a new loader process: %s", self.blamed[video])
        return Verdict.BLAMED

    def of_success(self, keys: Iterable[Key]) -> None:
        """A batch has come: its videos are innocent, and processes work."""
        self._unexplained = 0
        self._suspects.difference_update(key[1] for key in keys)


def how(status: int | None) -> str:
    """What an exit status says of an end, in words."""
    if status is None:
        return "no sign of life"
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return HINTS.get(name, name)
