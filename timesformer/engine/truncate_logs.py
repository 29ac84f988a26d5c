"""Truncate the log and the TensorBoard events of a run to what they held when it was saved.

A resumed process writes the steps after the last checkpoint again. Without this, they would be there
twice. ``metrics.csv`` knows positions and needs no sizes. ``SummaryWriter(purge_step=...)`` would not do:
it is one number for all curves, and those of training count steps, those of validation epochs.
"""

from collections.abc import Mapping
from pathlib import Path

from timesformer.files import LOG

_EVENTS = "events.out.tfevents.*"


def sizes(folder: Path, board: Path) -> dict[str, int]:
    """Bytes of the log in ``folder`` and of the event files in ``board``, by path in ``folder``."""
    files = [folder / LOG, *board.glob(_EVENTS)]
    return {_name(path, folder): path.stat().st_size for path in files if path.is_file()}


def truncate(folder: Path, board: Path, written: Mapping[str, int]) -> None:
    """Remove what was added since ``sizes`` gave ``written``.

    Of the log only the ``json_stats`` lines: the reason of a crash stays. Unknown event files
    outside ``folder`` may be those of other runs, and stay.
    """
    for path in board.glob(_EVENTS):
        size = written.get(_name(path, folder))
        if size is None:
            if path.is_relative_to(folder):
                path.unlink()
        elif size < path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(size)
    text = folder / LOG
    if LOG in written and text.is_file() and written[LOG] < text.stat().st_size:
        _truncate_log(text, written[LOG])


def _name(path: Path, folder: Path) -> str:
    """Relative to ``folder``, unless TENSORBOARD.LOG_DIR is elsewhere."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _truncate_log(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(size)
        kept = [line for line in file.readlines() if b" json_stats: {" not in line]
        file.seek(size)
        file.truncate()
        file.write(b"".join(kept))
