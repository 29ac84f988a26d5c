"""The log file of a run; a full disk is reported once, and the run continues."""

import contextlib
import logging
import sys
from pathlib import Path

from timesformer.files import write_error


class LogFile(logging.FileHandler):
    """Appends to a file. While that fails, lines are only on the screen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.is_reported = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Report that a line was not written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if not self.is_reported:
            self.is_reported = True
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{write_error(self.baseFilename, error)}; the run continues\n")

    def close(self) -> None:
        """The last lines may be lost, which has been reported."""
        with contextlib.suppress(OSError):
            super().close()
