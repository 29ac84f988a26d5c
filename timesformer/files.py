"""The names of a run's files, and the one way to write a file: whole or not at all.

The content goes to a hidden temporary file in the same folder, reaches the disk, and then gets its
name. Until that moment an older file of that name is unchanged.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from timesformer.errors import InputError
from timesformer.io.terminal import printable

# Files and folders of a run, in its OUTPUT_DIR.
CONFIG = "config.yaml"
LOG = "stdout.log"
METRICS = "metrics.csv"
RUN_RECORD = "run.json"
PREDICTIONS = "test_predictions.csv"  # these four: of a test on test.csv, see ``result_files``
CLASSES = "test_classes.csv"
RESULTS = "test_results.json"
VIEWS = "test_views.npz"
TESTED_SPLITS = ("test", "val")
TESTED_PROTOCOLS = ("paper", "official")  # whose files have these names, see ``config.protocols``
REMARKS = "remarks-{}.csv"  # of a split
NONFINITE = "nonfinite"
REPORT = "report"  # a folder; of a test on val.csv: report-val, of a protocol: report-paper
CHECKPOINTS = "checkpoints"

SHARDED = ".dcp"  # end of the name of a sharded checkpoint, which is a folder
EPOCH_NAME = re.compile(r"checkpoint_epoch_([0-9]+)(?:_batch_([0-9]+))?\.(?:pyth|dcp(?:\.old)?)")
REPLACED = ".old"  # end of the name of a folder that another one has replaced
EARLIER = "earlier-"  # and a number: folders in CHECKPOINTS with the files of earlier runs

# In the messages of PyTorch's zip writer when a disk is full.
_ZIP_WRITER = re.compile(r"unexpected pos|file write|PytorchStream")


class ResultFiles(NamedTuple):
    """The names of what a test leaves."""

    predictions: str
    classes: str
    results: str
    views: str  # if TEST.SAVE_VIEWS


def result_files(split: str, protocol: str = "") -> ResultFiles:
    """Of a test on the list of ``split``, as val_predictions.csv, or val_predictions_paper.csv."""
    names = (Path(name) for name in (PREDICTIONS, CLASSES, RESULTS, VIEWS))
    end = f"_{protocol}" if protocol else ""
    return ResultFiles(
        *(f"{split}_{name.stem.partition('_')[2]}{end}{name.suffix}" for name in names)
    )


def report_folder(split: str, protocol: str = "") -> str:
    """Of the report of a test on the list of ``split``: report, report-val, or report-val-paper."""
    return "-".join([REPORT, *[split] * (split != "test"), *[protocol] * bool(protocol)])


_OF_TESTS = tuple(
    name
    for split in TESTED_SPLITS
    for protocol in ("", *TESTED_PROTOCOLS)
    for name in result_files(split, protocol)
)
_RUN_FILES = (CONFIG, LOG, METRICS, RUN_RECORD, *_OF_TESTS, REMARKS.format("*"), NONFINITE,
              *(report_folder(split, protocol) for split in TESTED_SPLITS
                for protocol in ("", *TESTED_PROTOCOLS)))  # fmt: skip


def run_files(output_dir: str | Path) -> list[Path]:
    """What a run has written into OUTPUT_DIR itself, beside its checkpoints."""
    return [path for path in Path(output_dir).iterdir() if any(map(path.match, _RUN_FILES))]


def remove_half_written(output_dir: str | Path) -> None:
    """Delete what a killed run of OUTPUT_DIR has half written of ``run_files``."""
    for name in _RUN_FILES:
        remove_temporaries(Path(output_dir), name)
    remove_temporaries(Path(output_dir, NONFINITE), "*")


def checkpoint_folder(output_dir: str | Path) -> Path:
    """The folder with the checkpoints of a run."""
    return Path(output_dir) / CHECKPOINTS


def checkpoint_path(
    output_dir: str | Path, epoch: int, *, batch: int | None = None, is_sharded: bool = False
) -> Path:
    """File of 0-based ``epoch``: OUTPUT_DIR/checkpoints/checkpoint_epoch_00001.pyth for 0.

    With ``batch``, the file of a checkpoint inside that epoch, after so many batches. A sharded one
    is a folder, ``.dcp``.
    """
    inside = "" if batch is None else f"_batch_{batch:06d}"
    suffix = SHARDED if is_sharded else ".pyth"
    return checkpoint_folder(output_dir) / f"checkpoint_epoch_{epoch + 1:05d}{inside}{suffix}"


def best_checkpoint(output_dir: str | Path) -> Path:
    """The checkpoint of the best validation of a run; it may not exist."""
    return checkpoint_folder(output_dir) / "checkpoint_best.pyth"


class WriteError(InputError, OSError):
    """A file that cannot be written; the message names it, the reason and what is free there."""


@contextlib.contextmanager
def write_atomically(
    path: str | Path,
    mode: str = "w",
    *,
    option: str = "",
    newline: str | None = None,
    errors: str = "surrogateescape",
) -> Iterator[IO[Any]]:
    """An open file whose content becomes ``path`` when the block ends without an error.

    Args:
        path: the file; its folder is made. A symbolic link stays one, and its target is replaced. A
            device or a pipe, as /dev/stdout, is written directly.
        mode: ``w`` for UTF-8 text, ``wb`` for bytes.
        option: the option or key that ``path`` comes from, for messages.
        newline: of text files, as in ``open``.
        errors: of text files; by default file names that are not UTF-8 keep their bytes.

    Raises:
        WriteError: the file cannot be written.
    """
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": errors, "newline": newline}
    with atomic_path(path, option=option) as place, open(place, mode, **text) as file:  # type: ignore[call-overload]
        yield file


@contextlib.contextmanager
def atomic_path(path: str | Path, *, option: str = "", follow_links: bool = True) -> Iterator[Path]:
    """The path to write to, for libraries that take one: what is there becomes ``path`` at the end.

    Args:
        path: as of ``write_atomically``.
        option: the option or key that ``path`` comes from, for messages.
        follow_links: replace the target of a symbolic link; else the link itself.

    Raises:
        WriteError: the file cannot be written; an older one of that name is as it was.
    """
    path = Path(path)
    target, temporary = path, None
    try:
        if follow_links:
            target = Path(os.path.realpath(path))
        if _is_special(target):
            yield target
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(target)
        yield temporary
        sync(temporary)
        os.replace(temporary, target)
        sync_folder(target.parent)
    except Exception as error:  # libraries hide what the system said in errors of their own
        system = system_error(error, path)
        if system is None or _is_of_other_file(system, target, temporary):
            raise
        raise write_error(path, system, option=option) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def temporary_path(path: Path) -> Path:
    """The hidden name beside ``path`` under which this process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def remove_temporaries(folder: Path, name: str) -> None:
    """Delete what killed processes have half written of files called ``name``, which may be a pattern."""
    for path in folder.glob(f".{name}.*.tmp"):
        path.unlink(missing_ok=True)


def link_atomically(source: Path, target: Path) -> None:
    """Give the file ``source`` the name ``target`` too; a copy where the file system has no links."""
    temporary = temporary_path(target)
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
        sync(temporary)
    os.replace(temporary, target)


def replace_folder(temporary: Path, path: Path) -> Path:
    """Give a folder, whose files are on the disk, its name; returns where an older one of it is now."""
    old = path.with_name(f"{path.name}{REPLACED}")
    sync_folder(temporary)
    if os.path.lexists(path):
        discard(old)
        os.replace(path, old)
    os.replace(temporary, path)
    sync_folder(path.parent)
    return old


def discard(path: Path) -> None:
    """Delete a file or folder as far as that is possible; of a link the link, never its target."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Bring the content of a file to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring new names in ``folder`` to the disk, where the system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_error(path: str | Path, error: OSError, *, option: str = "") -> WriteError:
    """The error to raise for a failed write of ``path``: what is named, why, and what is free."""
    name = printable(f"{option} {path}" if option else path)
    reason = error.strerror or str(error)
    remedy = "choose a place that can be written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason += f" ({_free_mib(Path(path))} MiB are free there)"
        remedy = "make room and give the same command again"
    return WriteError(f"{name} cannot be written: {reason}; {remedy}")


def system_error(error: BaseException, path: Path) -> OSError | None:
    """The error of the system behind ``error``, by its causes or its text; None if there is none.

    safetensors names the error's number only in words, PyTorch's zip writer not at all.
    """
    if isinstance(error, InputError):
        return None
    if isinstance(error, OSError):
        return error
    hides = isinstance(error, RuntimeError) or type(error).__name__ == "SafetensorError"
    cause: BaseException | None = error if hides else None
    while cause is not None:
        if isinstance(cause, OSError):
            return cause
        cause = cause.__cause__ or cause.__context__
    if match := re.search(r"os error (\d+)", str(error)):
        number = int(match[1])
        return OSError(number, os.strerror(number))
    if isinstance(error, RuntimeError) and _ZIP_WRITER.search(str(error)):
        number = errno.ENOSPC if _free_mib(path) == 0 else errno.EIO
        return OSError(number, os.strerror(number))
    return None


def _is_of_other_file(error: OSError, target: Path, temporary: Path | None) -> bool:
    """Whether the system refused another file than the one to write, or a folder above it."""
    if not isinstance(error.filename, str | os.PathLike):
        return False
    named = Path(os.path.realpath(error.filename))
    return named not in (temporary, target, *target.parents)


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _free_mib(path: Path) -> int:
    for folder in path.absolute().parents:
        if folder.is_dir():
            return shutil.disk_usage(folder).free >> 20
    return 0
