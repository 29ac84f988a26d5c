"""How a batch is shared among processes, and what batch sizes may not say."""

from collections.abc import Iterator

from fvcore.common.config import CfgNode


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
