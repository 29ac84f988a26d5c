"""One process of a run: log files, device; then train, then test, as the configuration says."""

import contextlib
import errno
import logging
import math
import os
import shutil
from pathlib import Path

import torch

from timesformer import __version__
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.run_folder import clear, run_id
from timesformer.checkpoint.save import vanished
from timesformer.config import CfgNode
from timesformer.engine.preflight import preflight
from timesformer.engine.run_record import recorded
from timesformer.engine.train import train
from timesformer.evaluation import run_header
from timesformer.evaluation.test import NonFiniteScores, test
from timesformer.files import write_atomically
from timesformer.runtime import collectives, log, screen, signals
from timesformer.runtime.launch import launch
from timesformer.runtime.run_lock import owned

logger = logging.getLogger(__name__)

# A full disk or share of it, a file system that became read-only, a limit of the size of files.
_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def launch_run(cfg: CfgNode, *, init_method: str = "") -> None:
    """Check ``cfg``, then train and test in all processes of this machine, see ``launch``."""
    launch(run, cfg, check=preflight, init_method=init_method)


def run(cfg: CfgNode) -> None:
    """Train and test in this process, which may be one of several.

    Raises:
        SystemExit: a signal or the limit of time ended it, see ``interrupt``; or, with status 1, the
            test has scores that are not finite.
        CheckpointError: a disk is full, or cannot be written any more.
    """
    try:
        with owned(cfg.OUTPUT_DIR) if collectives.is_main() else contextlib.nullcontext():
            _train_and_test(cfg)
    except signals.Interrupted as end:
        log.say(logger, "%s", end, at=screen.RESULT)
        raise SystemExit(end.status) from None
    except NonFiniteScores as error:
        logger.error("%s", error)
        raise SystemExit(1) from None
    except CheckpointError as error:
        gone = vanished(cfg.OUTPUT_DIR)
        if not gone or gone == str(error):
            raise
        raise CheckpointError(gone) from error
    except OSError as error:  # of the log, metrics.csv, the curves, a cache or a result
        if gone := vanished(cfg.OUTPUT_DIR):
            raise CheckpointError(gone) from error
        if error.errno not in _OF_DISKS:
            raise
        free = shutil.disk_usage(cfg.OUTPUT_DIR).free >> 20
        raise CheckpointError(
            f"{error.filename or 'a file of this run'} cannot be written: {error.strerror} ({free} MiB "
            f"are free in OUTPUT_DIR {cfg.OUTPUT_DIR}). Make room and give the same command to go on "
            "from the newest checkpoint"
        ) from error


def _train_and_test(cfg: CfgNode) -> None:
    device, run = _start(cfg)
    with recorded(cfg, run), signals.listening(cfg.TRAIN.MAX_MINUTES * 60 or math.inf):
        newest = train(cfg, device, run) if cfg.TRAIN.ENABLE else None
        if cfg.TEST.ENABLE:
            test(cfg, device, newest)


def _start(cfg: CfgNode) -> tuple[torch.device, str]:
    """Seeds, log files, OUTPUT_DIR/config.yaml; returns the device of this process, and the run's id."""
    output_dir = Path(cfg.OUTPUT_DIR)
    output_dir.mkdir(parents=True, exist_ok=True)
    said = run = ""
    if collectives.is_main():  # before a file is written that the earlier run may have written too
        said = clear(cfg) if cfg.TRAIN.ENABLE else ""
        run = run_id(cfg)
    run = collectives.broadcast_object(run)
    log.start_logging(cfg.OUTPUT_DIR)
    if said:
        logger.warning("%s", said)
    if collectives.is_main():
        with write_atomically(output_dir / "config.yaml") as file:
            file.write(cfg.dump())
    device = torch.device("cpu")
    if cfg.NUM_GPUS > 0:
        device = torch.device("cuda", collectives.local_rank())
    elif collectives.local_world_size() > 1:
        cores = os.cpu_count() or 1
        torch.set_num_threads(max(cores // collectives.local_world_size(), 1))
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    logger.info("timesformer %s, torch %s", __version__, torch.__version__)
    log.say(logger, "%s", run_header.build_output_line(cfg))
    log.say(logger, "%s", run_header.build_device_line(cfg, on))
    logger.info("configuration:\n%s", cfg.dump())
    return device, run
