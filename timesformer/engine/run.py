"""One process of a run: log files, device; then train, then test, as the configuration says."""

import errno
import logging
import math
import os
import shutil
from pathlib import Path

import torch
from fvcore.common.config import CfgNode

from timesformer import __version__, distributed
from timesformer.checkpoint import CheckpointError
from timesformer.engine import interrupt, log
from timesformer.engine.run_record import recorded
from timesformer.engine.test import NonFiniteScores, test
from timesformer.engine.train import train

logger = logging.getLogger(__name__)

# A full disk or share of it, a file system that became read-only, a limit of the size of files.
_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def run(cfg: CfgNode) -> None:
    """Train and test in this process, which may be one of several.

    Raises:
        SystemExit: a signal or the limit of time ended it, see ``interrupt``; or, with status 1, the
            test has scores that are not finite.
        CheckpointError: a disk is full, or cannot be written any more.
    """
    try:
        device = _start(cfg)
        with recorded(cfg), interrupt.listening(cfg.TRAIN.MAX_MINUTES * 60 or math.inf):
            if cfg.TRAIN.ENABLE:
                train(cfg, device)
            if cfg.TEST.ENABLE:
                test(cfg, device)
    except interrupt.Interrupted as end:
        logger.info("%s", end)
        raise SystemExit(end.status) from None
    except NonFiniteScores as error:
        logger.error("%s", error)
        raise SystemExit(1) from None
    except OSError as error:  # of the log, metrics.csv, the curves, a cache or a result
        if error.errno not in _OF_DISKS:
            raise
        free = shutil.disk_usage(cfg.OUTPUT_DIR).free >> 20
        raise CheckpointError(
            f"{error.filename or 'a file of this run'} cannot be written: {error.strerror} ({free} MiB "
            f"are free in OUTPUT_DIR {cfg.OUTPUT_DIR}). Make room and give the same command to go on "
            "from the newest checkpoint"
        ) from error


def _start(cfg: CfgNode) -> torch.device:
    """Seeds, log files, OUTPUT_DIR/config.yaml; returns the device of this process."""
    output_dir = Path(cfg.OUTPUT_DIR)
    output_dir.mkdir(parents=True, exist_ok=True)
    log.start_logging(cfg.OUTPUT_DIR)
    if distributed.is_main():
        (output_dir / "config.yaml").write_text(cfg.dump(), encoding="utf-8")
    device = torch.device("cpu")
    if cfg.NUM_GPUS > 0:
        device = torch.device("cuda", distributed.local_rank())
    elif distributed.local_world_size() > 1:
        cores = os.cpu_count() or 1
        torch.set_num_threads(max(cores // distributed.local_world_size(), 1))
    logger.info(
        "timesformer %s, torch %s, %d process(es) on %s; results in %s",
        __version__,
        torch.__version__,
        distributed.world_size(),
        torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        output_dir,
    )
    logger.info("configuration:\n%s", cfg.dump())
    return device
