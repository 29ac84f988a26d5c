"""The log of a run in its file, which may be on a full disk: that is said once, and the run continues."""

import contextlib
import logging
import sys
from pathlib import Path

from timesformer.files import write_error


class LogFile(logging.FileHandler):
    """Appends to a file. While that fails, lines are on the screen alone."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.is_said = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Of a line that was not written, with the error at hand."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        if not self.is_said:
            self.is_said = True
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{write_error(self.baseFilename, error)}; the run continues\n")

    def close(self) -> None:
        """The last lines may be lost; that has been said."""
        with contextlib.suppress(OSError):
            super().close()
