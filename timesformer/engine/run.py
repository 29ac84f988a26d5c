"""One process of a run: log files and device; then training, then the test."""

import contextlib
import errno
import logging
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from timesformer import __version__
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.run_folder import build_run_settings, clear, run_id
from timesformer.checkpoint.save import vanished
from timesformer.config import CfgNode
from timesformer.engine.preflight import preflight
from timesformer.engine.run_record import build_session, recorded
from timesformer.engine.train import train
from timesformer.evaluation import run_header
from timesformer.evaluation.outcome import NonFiniteScores
from timesformer.evaluation.test import test
from timesformer.files import CONFIG, remove_half_written, write_atomically
from timesformer.runtime import collectives, log, screen, signals
from timesformer.runtime.launch import launch
from timesformer.runtime.run_lock import owned

logger = logging.getLogger(__name__)

# A full disk or share of it, a file system that became read-only, a limit of the size of files.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def launch_run(cfg: CfgNode, *, init_method: str = "") -> None:
    """Check ``cfg``, then train and test in all processes of this machine, see ``launch``."""
    launch(run, cfg, check=preflight, init_method=init_method)


def run(cfg: CfgNode) -> None:
    """Train and test in this process, which may be one of several.

    Raises:
        SystemExit: a signal or the time limit ended it; or, with status 1, the test has scores that
            are not finite.
        CheckpointError: a disk is full, or cannot be written any more.
    """
    owner = owned(cfg.OUTPUT_DIR) if collectives.is_main() else contextlib.nullcontext()
    with _explained_errors(cfg.OUTPUT_DIR), owner:
        name = _open_folder(cfg, Path(cfg.OUTPUT_DIR), trains=cfg.TRAIN.ENABLE)
        device = build_device(cfg)
        _log_start(cfg, device)
        session = build_session(cfg)
        seconds = cfg.TRAIN.MAX_MINUTES * 60 or math.inf
        with recorded(session, cfg.OUTPUT_DIR, name), signals.listening(seconds):
            newest = train(cfg, device, name) if cfg.TRAIN.ENABLE else None
            if cfg.TEST.ENABLE:
                test(cfg, device, newest)


@contextlib.contextmanager
def _explained_errors(output_dir: str) -> Iterator[None]:
    """Requests to end become an exit status; errors of disks name the folder and the remedy."""
    try:
        yield
    except signals.Interrupted as end:
        log.say(logger, "%s", end, at=screen.RESULT)
        raise SystemExit(end.status) from None
    except NonFiniteScores as error:
        logger.error("%s", error)
        raise SystemExit(1) from None
    except CheckpointError as error:
        gone = vanished(output_dir)
        if not gone or gone == str(error):
            raise
        raise CheckpointError(gone) from error
    except OSError as error:  # of the log, metrics.csv, the curves, a cache or a result
        if gone := vanished(output_dir):
            raise CheckpointError(gone) from error
        if error.errno not in _DISK_ERRORS:
            raise
        free = shutil.disk_usage(output_dir).free >> 20
        raise CheckpointError(
            f"{error.filename or 'a file of this run'} cannot be written: {error.strerror} ({free} MiB "
            f"are free in OUTPUT_DIR {output_dir}). Make room; the same command resumes from the "
            "newest checkpoint"
        ) from error


def _open_folder(cfg: CfgNode, folder: Path, *, trains: bool) -> str:
    """Start the logs and write config.yaml; returns the id of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    warning = run = ""
    if collectives.is_main():  # before a file is written that the earlier run may have written too
        remove_half_written(folder)
        settings = build_run_settings(cfg)
        warning = clear(settings) if trains else ""
        run = run_id(settings, trains=trains)
    run = collectives.broadcast_object(run)
    log.start_logging(str(folder))
    if warning:
        logger.warning("%s", warning)
    if collectives.is_main() and not build_keeps_config(cfg, folder, trains=trains):
        with write_atomically(folder / CONFIG) as file:
            file.write(cfg.dump())
    return run


def build_keeps_config(cfg: CfgNode, folder: Path, *, trains: bool) -> bool:
    """Whether the config.yaml of a run stays: a test on val would make every later test one on val."""
    return not trains and cfg.TEST.SPLIT != "test" and (folder / CONFIG).is_file()


def build_device(cfg: CfgNode) -> torch.device:
    """The device of this process; processes on CPUs share the cores of their machine."""
    if cfg.NUM_GPUS > 0:
        return torch.device("cuda", collectives.local_rank())
    if collectives.local_world_size() > 1:
        cores = os.cpu_count() or 1
        torch.set_num_threads(max(cores // collectives.local_world_size(), 1))
    return torch.device("cpu")


def _log_start(cfg: CfgNode, device: torch.device) -> None:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    logger.info("timesformer %s, torch %s", __version__, torch.__version__)
    log.say(logger, "%s", run_header.build_output_line(cfg))
    log.say(logger, "%s", run_header.build_device_line(cfg, name))
    logger.info("configuration:\n%s", cfg.dump())
