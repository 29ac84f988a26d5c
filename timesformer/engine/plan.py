"""Which share of the global batch fits on a device, and what follows from it."""

from collections.abc import Iterator
from typing import NamedTuple

from timesformer.config import CfgNode
from timesformer.engine.memory_estimate import GIB, device_bytes, step_memory


class Row(NamedTuple):
    """One way to train: ``clips`` at once on a device, ``accumulation`` times a step.

    With no clip that fits, both are those of a single clip, and ``fits`` is False.
    """

    strategy: str
    checkpoint: float  # TRAIN.ACTIVATION_CHECKPOINT
    clips: int
    accumulation: int
    gib: float
    fits: bool

    def keys(self, gpus: int) -> str:
        """What to pass to run_net.py."""
        return (
            f"NUM_GPUS {gpus} TRAIN.BATCH_SIZE {self.clips * gpus} "
            f"TRAIN.ACTIVATION_CHECKPOINT {self.checkpoint:g} DIST.STRATEGY {self.strategy}"
        )


def rows(cfg: CfgNode, *, world: int, memory_gib: float) -> Iterator[Row]:
    """All ways, those without costs first.

    Args:
        cfg: whose GLOBAL_BATCH_SIZE ``world`` divides.
        world: devices of all machines.
        memory_gib: of a device.
    """
    share = cfg.GLOBAL_BATCH_SIZE // world
    measured = {checkpoint: step_memory(cfg, checkpoint=checkpoint) for checkpoint in (0.0, 1.0)}
    for strategy in ("ddp", "fsdp") if world > 1 else ("ddp",):
        for checkpoint, memory in measured.items():
            shards = world if strategy == "fsdp" else 1
            used = {
                clips: device_bytes(cfg, memory, clips, shards=shards) / GIB
                for clips in range(1, share + 1)
                if share % clips == 0
            }
            fitting = [clips for clips, gib in used.items() if gib <= memory_gib]
            clips = max(fitting, default=1)
            yield Row(strategy, checkpoint, clips, share // clips, used[clips], bool(fitting))
