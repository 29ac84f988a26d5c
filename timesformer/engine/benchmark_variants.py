"""Ways to run a model, each warmed up and ready to be timed: ours and Hugging Face's."""

import importlib.util
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.config import CfgNode, ConfigError, changed
from timesformer.config.modality import num_channels
from timesformer.engine.optim import OPTIMIZERS, build_optimizer
from timesformer.engine.parallel import parallelize
from timesformer.models import TIMESFORMERS, build_model
from timesformer.models.speedups import SPEEDUPS
from timesformer.runtime.precision import Precision

if TYPE_CHECKING:
    from transformers import TimesformerConfig

_NAME = re.compile(r"(hf\+)?(fp32|tf32|bf16|fp16)(\+compile)?(\+checkpoint)?(?:-(\w+))?")
_MATRIX = {"cpu": 2048, "cuda": 8192}  # rows and columns of the products that measure the peak
_CALLS = {"cpu": 1, "cuda": 5}  # of one measurement: a GPU wants a queue
_WARM_UP = 2  # steps that compile, allocate, and fill the optimizer's state


class Variant(NamedTuple):
    """One way to run the model, named as ``bf16+compile``, ``fp32-one_matrix`` or ``hf+fp32``."""

    name: str
    precision: str
    compiled: bool = False
    checkpointed: bool = False
    by_hf: bool = False  # Hugging Face's model of the same size
    without: tuple[str, ...] = ()  # names of speed-ups that are left out


class Round(NamedTuple):
    """Seconds of a forward pass and of a training step, each with its lower bound."""

    forward: float
    forward_bound: float
    train: float
    train_bound: float


def parse_variants(names: str, *, on_gpu: bool, hf: bool) -> list[Variant]:
    """Variants of a comma-separated list; with ``hf``, Hugging Face's in every precision of it too.

    Raises:
        ConfigError: a name that is none, arithmetic that the device lacks, a missing package.
    """
    variants = [parse_variant(name.strip()) for name in names.split(",")]
    if hf:
        precisions = dict.fromkeys(variant.precision for variant in variants)
        variants += [parse_variant(f"hf+{precision}") for precision in precisions]
    for variant in variants:
        if not on_gpu and variant.precision in ("tf32", "fp16"):
            raise ConfigError(f"variant {variant.name} needs a GPU; a CPU has fp32 and bf16")
        if variant.by_hf and importlib.util.find_spec("transformers") is None:
            raise ConfigError(
                "a comparison with Hugging Face needs the package transformers: "
                "pip install transformers"
            )
    return list(dict.fromkeys(variants))


def build_benchmark_device(cfg: CfgNode) -> torch.device:
    """The first GPU if the configuration wants one and there is one, else the CPU."""
    return torch.device("cuda" if cfg.NUM_GPUS and torch.cuda.is_available() else "cpu")


def build_candidate(
    cfg: CfgNode, variant: Variant, batch_size: int, device: torch.device
) -> "Candidate":
    """``variant`` of the configured model, and a batch of random clips."""
    torch.manual_seed(0)
    if variant.by_hf:
        model = build_hf_model(cfg).to(device)
        build = OPTIMIZERS[cfg.SOLVER.OPTIMIZING_METHOD]
        optimizer = build(list(model.parameters()), cfg.SOLVER, fused=True)
    else:
        model = build_model(cfg).to(device)
        optimizer = build_optimizer(model, cfg)
        switched = _with_switches(cfg, variant)
        model = parallelize(model, switched, device, optimizer, without=variant.without)
    clips = torch.randn(batch_size, *build_clip_shape(cfg), device=device)
    labels = torch.randint(cfg.MODEL.NUM_CLASSES, (batch_size,), device=device)
    return Candidate(variant, model, optimizer, clips, labels)


class Candidate:
    """One variant with its own model, optimizer and batch, warmed up."""

    def __init__(
        self,
        variant: Variant,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        clips: Tensor,
        labels: Tensor,
    ) -> None:
        self.variant = variant
        self.model = model
        self.optimizer = optimizer
        self.clips = clips
        self.labels = labels
        self.device = clips.device
        for _ in range(_WARM_UP):
            self.forward()
            self.train_step()

    def measure(self, flops: int) -> Round:
        """Measure a forward pass of this many operations and a training step of three times them."""
        peak = self._peak()
        forward = self._timed(self.forward)
        train_peak = self._peak()
        train = self._timed(self.train_step)
        return Round(forward, flops / peak, train, 3 * flops / train_peak)

    @torch.inference_mode()
    def forward(self) -> None:
        """Logits as in testing."""
        self.model.eval()
        with Precision(self.variant.precision, self.device).autocast():
            self._logits()

    def train_step(self) -> None:
        """Loss, gradients and update as in training."""
        self.model.train()
        precision = Precision(self.variant.precision, self.device)
        with precision.autocast():
            logits = self._logits()
        precision.backward(F.cross_entropy(logits.float(), self.labels))
        precision.step(self.optimizer)
        self.optimizer.zero_grad(set_to_none=True)

    def _logits(self) -> Tensor:
        if self.variant.by_hf:
            return self.model(self.clips.transpose(1, 2)).logits
        return self.model(self.clips)

    def _peak(self) -> float:
        """Operations a second of a large matrix product in this arithmetic, the best of three."""
        Precision(self.variant.precision, self.device)  # sets what fp32 means
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}
        n = _MATRIX[self.device.type]
        dtype = half.get(self.variant.precision, torch.float32)
        a, b, out = (torch.ones(n, n, dtype=dtype, device=self.device) for _ in range(3))
        return 2 * n**3 / min(self._timed(lambda: torch.mm(a, b, out=out)) for _ in range(3))

    def _timed(self, call: Callable[[], object]) -> float:
        calls = _CALLS[self.device.type]
        self._wait()
        started = time.perf_counter()
        for _ in range(calls):
            call()
        self._wait()
        return (time.perf_counter() - started) / calls

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def parse_variant(name: str) -> Variant:
    """The variant of one name."""
    match = _NAME.fullmatch(name)
    if match is None or (match[1] and (match[3] or match[4] or match[5])):
        raise ConfigError(
            f"{name!r} is not a variant; write fp32, tf32, bf16 or fp16, with +compile, +checkpoint or "
            "both behind it, then -SPEEDUP to leave one out, or -all; or hf+ before it"
        )
    without = () if match[5] is None else SPEEDUPS if match[5] == "all" else (match[5],)
    if unknown := set(without) - SPEEDUPS.keys():
        raise ConfigError(
            f"variant {name} leaves out {unknown.pop()}, which is not a speed-up; choose one of "
            f"{', '.join(SPEEDUPS)}, all"
        )
    return Variant(name, match[2], bool(match[3]), bool(match[4]), bool(match[1]), tuple(without))


def build_clip_shape(cfg: CfgNode) -> tuple[int, int, int, int]:
    """Of one training clip, (C, T, H, W)."""
    return (
        num_channels(cfg),
        cfg.DATA.NUM_FRAMES,
        cfg.DATA.TRAIN_CROP_SIZE,
        cfg.DATA.TRAIN_CROP_SIZE,
    )


def _with_switches(cfg: CfgNode, variant: Variant) -> CfgNode:
    values = {
        "TRAIN.COMPILE": variant.compiled,
        "TRAIN.ACTIVATION_CHECKPOINT": float(variant.checkpointed),
    }
    return changed(cfg, values)


def build_hf_model(cfg: CfgNode) -> nn.Module:
    """TimeSformer of transformers in the configured size, without its drop path (an integer there)."""
    from transformers import TimesformerForVideoClassification

    return TimesformerForVideoClassification(build_hf_config(cfg))


def build_hf_config(cfg: CfgNode) -> "TimesformerConfig":
    """The configured size as transformers has it.

    Raises:
        ConfigError: a model or a scheme that Hugging Face's TimeSformer is not.
    """
    from transformers import TimesformerConfig

    if cfg.MODEL.MODEL_NAME not in TIMESFORMERS:
        raise ConfigError(
            f"MODEL.MODEL_NAME is {cfg.MODEL.MODEL_NAME}, which is not a TimeSformer; run "
            "timesformer benchmark model without --compare hf"
        )
    sizes = cfg.TIMESFORMER
    if sizes.ATTENTION_TYPE not in ("divided_space_time", "joint_space_time", "space_only"):
        raise ConfigError(
            f"TIMESFORMER.ATTENTION_TYPE is {sizes.ATTENTION_TYPE}, which Hugging Face has not"
        )
    return TimesformerConfig(
        image_size=cfg.DATA.TRAIN_CROP_SIZE,
        patch_size=sizes.PATCH_SIZE,
        num_frames=cfg.DATA.NUM_FRAMES,
        hidden_size=sizes.EMBED_DIM,
        num_hidden_layers=sizes.DEPTH,
        num_attention_heads=sizes.NUM_HEADS,
        intermediate_size=int(sizes.EMBED_DIM * sizes.MLP_RATIO),
        attention_type=sizes.ATTENTION_TYPE,
        num_labels=cfg.MODEL.NUM_CLASSES,
    )
