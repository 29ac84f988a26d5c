"""Log what is unusual about the videos of a split: one line a kind, and all of them in a CSV file."""

import csv
import logging
from collections.abc import Iterable
from pathlib import Path

from timesformer.files import REMARKS, write_atomically
from timesformer.io.spreadsheet import safe_row
from timesformer.io.terminal import printable
from timesformer.runtime import collectives
from timesformer.video.remarks import Remark

logger = logging.getLogger(__name__)

NAMED = 3  # videos that a line names where there is no file to list them


class Remarks:
    """The remarks about the videos of one split, each video once a kind."""

    def __init__(self, split: str, num_videos: int, folder: str | Path | None = None) -> None:
        """``folder`` of the list of remarks; None: the lines name the first videos."""
        self.split = split
        self.num_videos = num_videos
        self.path = None
        if folder is not None:
            rank = f"-{collectives.rank()}" if collectives.rank() else ""
            self.path = Path(folder) / REMARKS.format(f"{split}{rank}")
        self.found: dict[tuple[str, str], Remark] = {}
        self._written = 0
        self._said: set[str] = set()

    def add(self, remarks: Iterable[Remark]) -> None:
        for remark in remarks:
            self.found.setdefault((remark.kind, remark.name), remark)

    def log(self) -> None:
        """Log a line for each new kind; write all remarks to the list."""
        self._write()
        for kind in dict.fromkeys(kind for kind, _ in self.found):
            if kind in self._said:
                continue
            self._said.add(kind)
            of_kind = [remark for remark in self.found.values() if remark.kind == kind]
            logger.warning(
                "%d of %d %s are %s; %s",
                len(of_kind),
                self.num_videos,
                f"{self.split} videos".strip(),
                kind,
                self._where(of_kind),
            )

    def _where(self, remarks: list[Remark]) -> str:
        if self.path is not None:
            return f"the list: {printable(self.path)}"
        named = [printable(f"{each.name}: {each.detail}") for each in remarks[:NAMED]]
        return "; ".join(named) + ("; ..." if len(remarks) > NAMED else "")

    def _write(self) -> None:
        if self.path is None or len(self.found) == self._written:
            return
        self._written = len(self.found)
        with write_atomically(self.path, newline="", option="OUTPUT_DIR") as file:
            rows = csv.writer(file)
            rows.writerow(["video", "kind", "detail"])
            found = ([each.name, each.kind, each.detail] for each in self.found.values())
            rows.writerows(map(safe_row, found))
