"""What happens to a batch whose loader process has ended.

One crash proves nothing about the video that was being read: the process may have been killed for the
memory of others, or by an operator. The video is tried again, alone. A second crash at the same video
excludes it, and so does the time limit at once.
"""

import logging
import signal
from collections.abc import Iterable
from enum import Enum, auto

from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.loader_worker import ENDED, TIMED_OUT
from timesformer.datasets.resource_limits import LoaderError
from timesformer.datasets.samplers import Key
from timesformer.io.terminal import printable

logger = logging.getLogger(__name__)

MAX_UNEXPLAINED = 3  # ends in a row, for each process, of processes that read no video
HINTS = {"SIGKILL": "SIGKILL, out of memory?"}


class Action(Enum):
    """What happens to the batch of a process that has ended."""

    RETRY = auto()  # the end had nothing to do with a video
    RETRY_ALONE = auto()  # while no other process reads
    EXCLUDE = auto()  # without the video


class CrashPolicy:
    """Counts crashes at the videos of one data set, and tells it which videos are bad."""

    def __init__(self, dataset: ClipDataset, num_processes: int) -> None:
        self.dataset = dataset
        self.excluded: dict[int, str] = {}  # index -> why it is not tried any more
        self._suspects: set[int] = set()
        self._unexplained = 0
        self._max_unexplained = MAX_UNEXPLAINED * num_processes

    def on_exit(self, video: int, status: int | None) -> Action:
        """``video`` was being read (-1: none); ``status`` is that of the exit, None: it stopped.

        Raises:
            LoaderError: processes end again and again without reading.
        """
        if video < 0 or status == ENDED:
            self._unexplained += 1
            if self._unexplained > self._max_unexplained:
                raise LoaderError(
                    f"loader processes end before they read a video ({how(status)}); see the "
                    "messages above, and try DATA_LOADER.NUM_WORKERS 0"
                )
            return Action.RETRY
        name, seconds = printable(self.dataset.videos.name(video)), self.dataset.time_limit
        if status == TIMED_OUT:
            reason = f"did not answer within {seconds:g} seconds"
        elif video in self._suspects:
            reason = f"its loader process died or stopped twice ({how(status)})"
        else:
            self._suspects.add(video)
            text = "a loader process has ended while it read %s (%s): trying again in a new one"
            logger.warning(text, name, how(status))
            return Action.RETRY_ALONE
        self._suspects.discard(video)
        self.excluded[video] = f"{name}: {reason}; re-encode it or remove it from the list"
        self.dataset.known_bad[video] = self.excluded[video]
        logger.warning("a new loader process replaces it: %s", self.excluded[video])
        return Action.EXCLUDE

    def on_success(self, keys: Iterable[Key]) -> None:
        """A batch has come: its videos can be read, and processes work."""
        self._unexplained = 0
        self._suspects.difference_update(key[1] for key in keys)


def how(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return "not responding"
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    return HINTS.get(name, name)
