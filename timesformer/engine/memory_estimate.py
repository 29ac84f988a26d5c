"""The memory of a training step, before anything is allocated.

A forward and backward pass runs on tensors that have shapes only, and every storage that comes and
goes is counted; what the optimizer keeps is added. So recomputed activations, 16-bit copies of weights
and temporary tensors are in it; the insides of fused kernels, fragmentation and the driver are not.
"""

import weakref
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from timesformer.config import CfgNode
from timesformer.engine.losses import build_loss
from timesformer.engine.parallel import keep_less
from timesformer.models import build_model
from timesformer.models.block import Block
from timesformer.runtime.precision import Precision

GIB = 1024**3
CONTEXT_BYTES = GIB  # of a CUDA process: driver, kernels, workspaces of cuBLAS
MARGIN = 1.05  # fragmentation of the allocator


class StepMemory(NamedTuple):
    """Bytes on one device."""

    states: int  # parameters, gradients and optimizer state
    fixed: int  # of the peak beside them, whatever the batch
    clip: int  # of the peak for each clip
    largest_block: int  # parameters of a block

    def peak(self, clips: int, *, shards: int = 1) -> int:
        """With ``clips`` at once; FSDP keeps 1 / ``shards`` of the states and two whole blocks."""
        gathered = 0 if shards == 1 else 2 * self.largest_block
        return self.states // shards + gathered + self.fixed + clips * self.clip


def step_memory(cfg: CfgNode, *, checkpoint: float) -> StepMemory:
    """Measured with one and two clips: all of a batch grows with its clips.

    Args:
        cfg: of the run.
        checkpoint: share of the blocks that recompute their activations.
    """
    counted = [_count(cfg, clips, checkpoint) for clips in (2, 3)]
    (states, two, block), (_, three, _) = counted
    clip = three - two
    return StepMemory(states, two - 2 * clip - states, clip, block)


def device_bytes(cfg: CfgNode, memory: StepMemory, clips: int, *, shards: int = 1) -> int:
    """``memory.peak`` and what surrounds it on a GPU."""
    around = CONTEXT_BYTES if cfg.NUM_GPUS else 0
    return int(memory.peak(clips, shards=shards) * MARGIN) + around


def _count(cfg: CfgNode, clips: int, checkpoint: float) -> tuple[int, int, int]:
    """Bytes of the states, of the peak of a step, and of the largest block."""
    device = torch.device("cpu")  # has the fused attention of GPUs: no matrix of weights is kept
    size = cfg.DATA.TRAIN_CROP_SIZE
    with torch.device("meta"):
        model = build_model(cfg)
    with FakeTensorMode(allow_non_fake_inputs=True), _Storages() as storages:
        model.to_empty(device=device)
        keep_less(model, share=checkpoint, lean=cfg.TRAIN.RECOMPUTE_CHEAP_OPS)
        loss, precision = build_loss(cfg), Precision(cfg.TRAIN.PRECISION, device)
        frames = torch.empty(clips, 3, cfg.DATA.NUM_FRAMES, size, size)
        labels = torch.zeros(clips, dtype=torch.int64)
        with precision.autocast():
            logits = model(frames)
        loss(logits.float(), labels).backward()
        blocks = [module for module in model.modules() if isinstance(module, Block)]
        largest = max(_bytes(block) for block in blocks)
        kept = _bytes(model) * _kept_values(cfg)
        return 2 * _bytes(model) + kept, storages.peak + kept, largest


def _bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


def _kept_values(cfg: CfgNode) -> int:
    """What the optimizer and the average of the weights keep for each parameter."""
    average = int(cfg.TRAIN.EMA_DECAY > 0)
    if cfg.SOLVER.OPTIMIZING_METHOD == "sgd":
        return int(cfg.SOLVER.MOMENTUM > 0) + average
    return 2 + average  # both moments of adam and adamw


class _Storages(TorchDispatchMode):
    """Bytes of all storages that operations have made and nobody has freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._note, made)
        return made

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size
