"""The log and the TensorBoard events of a run, back to where they were when it was saved.

What a process wrote after its last checkpoint, the resumed one writes again. Without this, steps would
be there twice. ``metrics.csv`` knows positions and needs no sizes, see ``history``.
"""

from collections.abc import Mapping
from pathlib import Path

from timesformer.files import LOG

_EVENTS = "events.out.tfevents.*"


def sizes(folder: Path, board: Path) -> dict[str, int]:
    """Bytes of the log in ``folder`` and of the event files in ``board``, by path in ``folder``."""
    files = [folder / LOG, *board.glob(_EVENTS)]
    return {_name(path, folder): path.stat().st_size for path in files if path.is_file()}


def rewind(folder: Path, board: Path, written: Mapping[str, int]) -> None:
    """Take out what was added since ``sizes`` gave ``written``.

    Of the log only the ``json_stats`` lines: why a process died stays to be read. Unknown event files
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
        _rewind_log(text, written[LOG])


def _name(path: Path, folder: Path) -> str:
    """Relative to ``folder``, unless TENSORBOARD.LOG_DIR is elsewhere."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _rewind_log(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(size)
        kept = [line for line in file.readlines() if b" json_stats: {" not in line]
        file.seek(size)
        file.truncate()
        file.write(b"".join(kept))
