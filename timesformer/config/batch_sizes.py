"""How a batch is shared among the processes of all machines."""

import os
from collections.abc import Iterator

from yacs.config import CfgNode


def local_processes(cfg: CfgNode) -> int:
    """Processes of this machine, unless torchrun decides: one for each GPU, or as many as asked."""
    return int(cfg.NUM_GPUS or cfg.DIST.CPU_PROCESSES)


def batch_problems(cfg: CfgNode) -> Iterator[str]:
    """Batches that the processes of a machine cannot share."""
    key = "NUM_GPUS" if cfg.NUM_GPUS else "DIST.CPU_PROCESSES"
    local = local_processes(cfg)
    for section in ("TRAIN", "TEST"):
        batch = cfg[section].BATCH_SIZE
        if cfg[section].ENABLE and batch % local:
            near = max(batch // local, 1) * local
            yield (
                f"{section}.BATCH_SIZE is {batch}, but {key} ({local}) must divide it; "
                f"use {near}, or another {key}"
            )


def share_global_batch(cfg: CfgNode) -> Iterator[str]:
    """Put the batch of a machine where TRAIN.BATCH_SIZE is 0, or say why it cannot be."""
    if cfg.TRAIN.BATCH_SIZE or cfg.GLOBAL_BATCH_SIZE < 1:
        return
    machines = num_machines(cfg)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", local_processes(cfg)))
    whole, world = cfg.GLOBAL_BATCH_SIZE, machines * local
    if whole % world:
        near = whole // world * world
        yield (
            f"GLOBAL_BATCH_SIZE is {whole}, but {world} processes must divide it where TRAIN.BATCH_SIZE "
            f"is 0; use {' or '.join(str(n) for n in (near, near + world) if n)}"
        )
    cfg.TRAIN.BATCH_SIZE = max(whole // machines, 1)


def num_machines(cfg: CfgNode) -> int:
    """Machines that train together: as many as torchrun has started, or as configured."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(int(cfg.NUM_SHARDS), int(os.environ.get("WORLD_SIZE", 1)) // local)
