"""Start a run: processes, seeds, log files; then train, then test, as the configuration says."""

import logging
import os
import socket
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from fvcore.common.config import CfgNode

from timesformer import __version__, distributed
from timesformer.checkpoint import CheckpointError
from timesformer.config import ConfigError
from timesformer.engine import log
from timesformer.engine.preflight import preflight
from timesformer.engine.run_record import recorded
from timesformer.engine.test import test
from timesformer.engine.train import train
from timesformer.video import VideoError

logger = logging.getLogger(__name__)

# What a message explains without a traceback.
INPUT_ERRORS = (ConfigError, CheckpointError, VideoError, FloatingPointError)


def launch(cfg: CfgNode, *, init_method: str = "") -> None:
    """Run ``cfg`` on NUM_GPUS processes of this machine, or as one process of torchrun.

    Args:
        cfg: a validated configuration.
        init_method: ``tcp://host:port`` of the first of NUM_SHARDS machines; unused for one.

    Raises:
        ConfigError: something that the run needs is not there; nothing has started yet.
    """
    by_torchrun = {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys()
    if not by_torchrun or os.environ["LOCAL_RANK"] == "0":
        preflight(cfg)
    if by_torchrun:
        _run_distributed(int(os.environ["LOCAL_RANK"]), cfg, "env://", None)
        return
    local = max(cfg.NUM_GPUS, 1)
    if local * cfg.NUM_SHARDS == 1:
        run(cfg)
        return
    if cfg.NUM_SHARDS == 1:
        init_method = f"tcp://localhost:{_free_port()}"  # two runs on one machine never collide
    sizes = (local, local * cfg.NUM_SHARDS)
    try:
        mp.spawn(_run_distributed, args=(cfg, init_method, sizes), nprocs=local)
    except mp.ProcessExitedException as error:  # it has said why
        raise SystemExit(error.exit_code or 1) from None


def run(cfg: CfgNode) -> None:
    """Train and test in this process, which may be one of several."""
    device = _start(cfg)
    with recorded(cfg):
        if cfg.TRAIN.ENABLE:
            train(cfg, device)
        if cfg.TEST.ENABLE:
            test(cfg, device)


def _run_distributed(
    local_rank: int, cfg: CfgNode, init_method: str, sizes: tuple[int, int] | None
) -> None:
    on_gpu = cfg.NUM_GPUS > 0
    backend = cfg.DIST_BACKEND if on_gpu else "gloo"
    if on_gpu:
        torch.cuda.set_device(local_rank)
    if sizes is None:
        dist.init_process_group(backend)
    else:
        local, world = sizes
        os.environ["LOCAL_RANK"], os.environ["LOCAL_WORLD_SIZE"] = str(local_rank), str(local)
        dist.init_process_group(
            backend,
            init_method=init_method,
            world_size=world,
            rank=cfg.SHARD_ID * local + local_rank,
        )
    try:
        run(cfg)
    except INPUT_ERRORS as error:
        logger.error("%s", error)
        raise SystemExit(2) from None
    finally:
        dist.destroy_process_group()


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
