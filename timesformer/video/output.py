"""A file that PyAV writes to: FFmpeg hides the error of a write behind one of its own."""

from typing import IO


class Output:
    """An open binary file for ``av.open``; ``error`` is the first one of the system, if any."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """As the file."""
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise
