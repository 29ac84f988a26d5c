"""Weights to start a training from: of a file, or of the ImageNet ViT of the model's shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from timesformer.checkpoint import start
from timesformer.checkpoint.formats.libraries import for_model
from timesformer.checkpoint.load import CheckpointError, LoadReport, load_weights
from timesformer.checkpoint.match import match
from timesformer.checkpoint.published_weights import is_published, read_published
from timesformer.config import CfgNode
from timesformer.models import MODELS, find_spec
from timesformer.models.classifier import Classifier
from timesformer.models.timesformer import TimeSformer

# (patch, width, depth, heads) of the ImageNet ViTs that timm has; the first is what the published
# code downloaded (jx_vit_base_p16_224: pretrained on ImageNet-21k, fine-tuned on ImageNet-1k).
IMAGENET_VITS = {
    (16, 768, 12, 12): "vit_base_patch16_224.orig_in21k_ft_in1k",
    (8, 768, 12, 12): "vit_base_patch8_224.augreg2_in21k_ft_in1k",
    (32, 768, 12, 12): "vit_base_patch32_224.augreg_in21k_ft_in1k",
    (16, 1024, 24, 16): "vit_large_patch16_224.augreg_in21k_ft_in1k",
    (16, 384, 12, 6): "vit_small_patch16_224.augreg_in21k_ft_in1k",
    (32, 384, 12, 6): "vit_small_patch32_224.augreg_in21k_ft_in1k",
    (16, 192, 12, 3): "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
}
WAYS_OUT = (
    "set TIMESFORMER.PRETRAINED_MODEL to a checkpoint file, or to none for random weights, or "
    "start from TRAIN.CHECKPOINT_FILE_PATH with TRAIN.FINETUNE True"
)


@dataclass(frozen=True)
class StartOptions:
    """How weights to start from are loaded, see ``load_weights``; the epsilon that norms must have."""

    cut_from_names: tuple[str, ...]
    strict: bool
    time_resize: str
    norm_eps: float
    pixels: Mapping[str, Sequence[float]] = field(default_factory=dict)  # DATA.MEAN, DATA.STD


def build_start_options(cfg: CfgNode, *, cut: bool = False) -> StartOptions:
    """``cut``: remove TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN from the names of the file."""
    return StartOptions(
        cut_from_names=tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN) if cut else (),
        strict=cfg.TRAIN.CHECKPOINT_STRICT,
        time_resize=cfg.TIMESFORMER.TIME_EMBED_RESIZE,
        norm_eps=cfg.TIMESFORMER.NORM_EPS,
        pixels={"DATA.MEAN": cfg.DATA.MEAN, "DATA.STD": cfg.DATA.STD},
    )


def load_start(model: Classifier, name: str, options: StartOptions) -> LoadReport:
    """Give ``model`` the weights of ``name``: a path, ``timm/NAME``, or a name that its library gives.

    Empty: ImageNet's, or for the model of a library those that the library prefers.

    Raises:
        CheckpointError: it cannot be used, or needs another TIMESFORMER.NORM_EPS: the checkpoints of
            this run would not say what the model computes.
    """
    if isinstance(model, TimeSformer):
        if not name:
            return load_imagenet(model)
    elif not name or is_published(model.kind, name):
        return _load_published(model, name, options)
    report = load_weights(
        model,
        start.located(name),
        cut_from_names=options.cut_from_names,
        strict=options.strict,
        time_resize=options.time_resize,
    )
    if isinstance(model, TimeSformer):
        _refuse_other_epsilon(model, name, options.norm_eps)
    return report


def _load_published(model: Classifier, name: str, options: StartOptions) -> LoadReport:
    """Give ``model`` the weights that its library publishes; a note tells of other pixels than theirs."""
    try:
        weights = read_published(model.kind, name)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; or {WAYS_OUT}") from error
    weights = for_model(weights, model)
    source = f"{model.kind} {name}".strip()
    report = match(model, weights, source=source, strict=options.strict)
    said = find_spec(MODELS, model.kind).defaults(model.kind)
    differing = [
        f"{key} {[round(each, 4) for each in said[key]]}"
        for key, value in options.pixels.items()
        if key in said and list(said[key]) != list(value)
    ]
    if differing:
        report.notes.append(
            f"its library trained these weights with {' and '.join(differing)}, and this run has others"
        )
    return report


def _refuse_other_epsilon(model: nn.Module, name: str, wanted: float) -> None:
    """Raise CheckpointError if weights gave the model another epsilon than the configuration's."""
    norms = [module for module in model.modules() if isinstance(module, nn.LayerNorm)]
    if norms and (eps := norms[0].eps) != wanted:
        raise CheckpointError(
            f"the norms of {name} have epsilon {eps:g}, and TIMESFORMER.NORM_EPS is "
            f"{wanted:g}; set TIMESFORMER.NORM_EPS {eps:g}"
        )


def load_imagenet(model: TimeSformer) -> LoadReport:
    """Give ``model`` the weights of the ImageNet ViT of its shape, through timm and its cache.

    Raises:
        CheckpointError: timm has no ViT of this shape, or its weights cannot be fetched.
    """
    shape = (model.patch_size, model.num_features, len(model.blocks), model.num_heads)
    if shape not in IMAGENET_VITS or model.blocks[0].mlp.fc1.out_features != 4 * shape[1]:
        raise CheckpointError(
            "there are no ImageNet weights for a ViT of patch {}, width {}, depth {}, heads {}; "
            "{}".format(*shape, WAYS_OUT)
        )
    try:
        return load_weights(model, f"timm/{IMAGENET_VITS[shape]}")
    except CheckpointError as error:
        raise CheckpointError(f"{error}; or {WAYS_OUT}") from error
