"""The memory of a training step, before anything is allocated, and what share of a batch fits.

A forward and backward pass runs on tensors that have shapes only, and every storage that comes and
goes is counted; what the optimizer keeps is added. So recomputed activations, 16-bit copies of weights
and temporary tensors are in it; the insides of fused kernels, fragmentation and the driver are not.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from timesformer.config import CfgNode
from timesformer.datasets.joint_lists import read_lists
from timesformer.datasets.list_text import ListError
from timesformer.engine.losses import Loss, build_loss
from timesformer.engine.optim import lr_factor
from timesformer.engine.parallel import set_activation_memory
from timesformer.models import build_model
from timesformer.models.classifier import Classifier, layers
from timesformer.models.speedups import speed_up
from timesformer.runtime.precision import Precision
from timesformer.tables import format_table

GIB = 1024**3
CONTEXT_BYTES = GIB  # of a CUDA process: driver, kernels, workspaces of cuBLAS
MARGIN = 1.05  # fragmentation of the allocator
COLUMNS = ("strategy", "recompute", "clips a GPU and batch", "batches a step", "GiB a GPU", "fits")


class StepMemory(NamedTuple):
    """Bytes on one device."""

    states: int  # parameters, gradients and optimizer state
    fixed: int  # of the peak beside them, for any batch
    clip: int  # of the peak for each clip
    largest_layer: int  # parameters of a layer

    def peak(self, clips: int, *, shards: int = 1) -> int:
        """With ``clips`` at once; FSDP keeps 1 / ``shards`` of the states and two whole layers."""
        gathered = 0 if shards == 1 else 2 * self.largest_layer
        return self.states // shards + gathered + self.fixed + clips * self.clip


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """The computation of a step, and the state kept between steps."""

    make_model: Callable[[], Classifier]
    loss: Loss
    precision: str
    recompute_cheap_ops: bool
    kept_values: int  # of the optimizer and the average of the weights, for each parameter


def build_step(cfg: CfgNode) -> TrainingStep:
    """The training step of a run."""
    solver = cfg.SOLVER
    moments = int(solver.MOMENTUM > 0) if solver.OPTIMIZING_METHOD == "sgd" else 2
    return TrainingStep(
        make_model=partial(build_model, cfg),
        loss=build_loss(cfg),
        precision=cfg.TRAIN.PRECISION,
        recompute_cheap_ops=cfg.TRAIN.RECOMPUTE_CHEAP_OPS,
        kept_values=moments + int(cfg.TRAIN.EMA_DECAY > 0),
    )


def step_memory(step: TrainingStep, *, checkpoint: float) -> StepMemory:
    """Measured with two and three clips: all of a batch grows with its clips.

    Args:
        step: of the run.
        checkpoint: share of the layers that recompute their activations.
    """
    counted = [_count(step, clips, checkpoint) for clips in (2, 3)]
    (states, two, layer), (_, three, _) = counted
    clip = three - two
    return StepMemory(states, two - 2 * clip - states, clip, layer)


def device_bytes(memory: StepMemory, clips: int, *, shards: int = 1, on_gpu: bool) -> int:
    """``memory.peak`` with fragmentation and, on a GPU, the CUDA context."""
    return int(memory.peak(clips, shards=shards) * MARGIN) + (CONTEXT_BYTES if on_gpu else 0)


class Plan(NamedTuple):
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
        """The KEY VALUE words of a run."""
        return (
            f"NUM_GPUS {gpus} TRAIN.BATCH_SIZE {self.clips * gpus} "
            f"TRAIN.ACTIVATION_CHECKPOINT {self.checkpoint:g} DIST.STRATEGY {self.strategy}"
        )


def build_plans(cfg: CfgNode, *, world: int, memory_gib: float) -> Iterator[Plan]:
    """All ways to train, those without costs first.

    Args:
        cfg: of the run; ``world`` divides its GLOBAL_BATCH_SIZE.
        world: devices of all machines.
        memory_gib: of a device.
    """
    share, step = cfg.GLOBAL_BATCH_SIZE // world, build_step(cfg)
    measured = {checkpoint: step_memory(step, checkpoint=checkpoint) for checkpoint in (0.0, 1.0)}
    for strategy in ("ddp", "fsdp") if world > 1 else ("ddp",):
        for checkpoint, memory in measured.items():
            shards = world if strategy == "fsdp" else 1
            used = {
                clips: device_bytes(memory, clips, shards=shards, on_gpu=cfg.NUM_GPUS > 0) / GIB
                for clips in range(1, share + 1)
                if share % clips == 0
            }
            fitting = [clips for clips, gib in used.items() if gib <= memory_gib]
            clips = max(fitting, default=1)
            yield Plan(strategy, checkpoint, clips, share // clips, used[clips], bool(fitting))


def _count(step: TrainingStep, clips: int, checkpoint: float) -> tuple[int, int, int]:
    """Bytes of the states, of the peak of a step, and of the largest layer."""
    device = torch.device("cpu")  # has the fused attention of GPUs: no matrix of weights is kept
    with torch.device("meta"):
        model = step.make_model()
    with FakeTensorMode(allow_non_fake_inputs=True), _Storages() as storages:
        model.to_empty(device=device)
        speed_up(model, without=["recompute_cheap"])
        set_activation_memory(model, share=checkpoint, lean=step.recompute_cheap_ops)
        frames, labels = (
            torch.empty(clips, *model.input_spec),
            torch.zeros(clips, dtype=torch.int64),
        )
        with Precision(step.precision, device).autocast():
            logits = model(frames)  # which live as long as the step
        step.loss(logits.float(), labels).backward()
        largest = max(_bytes(layer) for layer in layers(model))
        kept = _bytes(model) * step.kept_values
        return 2 * _bytes(model) + kept, storages.peak + kept, largest


def _bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


def build_facts(cfg: CfgNode, world: int) -> str:
    """The facts of a run that do not depend on memory, as text."""
    try:
        videos = sum(len(each.labels) for each in read_lists(cfg, "train").values())
        steps = f"{videos * cfg.AUG.NUM_REPEATS // cfg.GLOBAL_BATCH_SIZE} ({videos} videos)"
    except ListError as error:
        steps = f"unknown: {error}"
    solver = cfg.SOLVER
    factor = lr_factor(cfg.GLOBAL_BATCH_SIZE, cfg.SOLVER.LR_REFERENCE_BATCH)
    scaled = "" if factor == 1 else f" ({solver.BASE_LR:g} times {factor:g})"
    return (
        f"processes          {world}, one a GPU, with {cfg.DATA_LOADER.NUM_WORKERS} loader "
        "processes each at most\n"
        f"clips a step       {cfg.GLOBAL_BATCH_SIZE}, {cfg.GLOBAL_BATCH_SIZE // world} of each GPU\n"
        f"steps an epoch     {steps}\n"
        f"learning rate      {solver.BASE_LR * factor:g}{scaled}\n"
        f"clip               {cfg.DATA.NUM_FRAMES} x {cfg.DATA.TRAIN_CROP_SIZE}², "
        f"{cfg.TRAIN.PRECISION}, {solver.OPTIMIZING_METHOD}\n"
    )


def format_plans(found: Sequence[Plan]) -> str:
    """The table of plans."""
    cells = [
        (
            row.strategy,
            "all blocks" if row.checkpoint else "no",
            str(row.clips),
            str(row.accumulation),
            f"{row.gib:.1f}",
            "yes" if row.fits else "no",
        )
        for row in found
    ]
    return format_table([COLUMNS, *cells])


class _Storages(TorchDispatchMode):
    """Bytes of all storages that operations have allocated and that are not freed."""

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
