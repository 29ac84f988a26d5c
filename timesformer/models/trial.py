"""What a model does with the clips of a run, found on PyTorch's meta device, before a video is read."""

from collections.abc import Iterator

import torch
from torch import Tensor

from timesformer.config import CfgNode
from timesformer.io.terminal import first_line
from timesformer.models import MODELS, TIMESFORMERS, build_model, find_spec
from timesformer.models.classifier import Classifier

# What is tried for the message: frames with the crop of the run, then crops with its frames.
FRAMES = (1, 2, 4, 8, 13, 14, 16, 32, 64)
SIDES = (16, 32, 64, 96, 112, 128, 160, 182, 224, 256, 288, 312, 384, 448)
# What networks raise about shapes: their own checks, and PyTorch's.
REFUSED = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, ZeroDivisionError)


def build_input_problem(cfg: CfgNode) -> str:
    """What is wrong with the frames or the crops of a run for its model, in words; empty: nothing."""
    if cfg.MODEL.MODEL_NAME in TIMESFORMERS:
        return ""  # the rules of the configuration tell
    with torch.device("meta"):
        model = build_model(cfg).eval()
    channels, frames, _, _ = model.input_spec
    crops = {"TRAIN_CROP_SIZE": cfg.TRAIN.ENABLE, "TEST_CROP_SIZE": cfg.TEST.ENABLE}
    for key in (key for key, is_used in crops.items() if is_used):
        side = cfg.DATA[key]
        if reason := refusal(model, (channels, frames, side, side)):
            remedies = list(_remedies(model, (channels, frames, side, side), key))
            remedy = "; set " + " or ".join(remedies) if remedies else ""
            return (
                f"{model.kind} does not take clips of {frames} frames of {side} x {side} pixels "
                f"(DATA.NUM_FRAMES, DATA.{key}): {reason}{remedy}"
            )
    return ""


def build_unused(cfg: CfgNode) -> set[str]:
    """Names of the parameters on which no logit depends: libraries build layers for other uses too."""
    if cfg.MODEL.MODEL_NAME in TIMESFORMERS:
        return set()
    with torch.device("meta"):
        model = build_model(cfg).eval()
    logits = model(torch.empty(1, *model.input_spec, device="meta"))
    used = set(map(id, _leaves(logits)))
    named = model.named_parameters()
    return {name for name, value in named if value.requires_grad and id(value) not in used}


def refusal(model: Classifier, shape: tuple[int, int, int, int]) -> str:
    """Why ``model``, on the meta device, does not take a clip of this shape; empty: it does."""
    try:
        with torch.no_grad():
            model(torch.empty(1, *shape, device="meta"))
    except REFUSED as error:
        return first_line(error) or type(error).__name__
    return ""


def fewest_frames(model: Classifier, side: int) -> int | None:
    """The fewest frames of ``FRAMES`` that ``model`` takes; None: none of them."""
    channels = model.input_spec[0]
    fitting = (n for n in FRAMES if not refusal(model, (channels, n, side, side)))
    return next(fitting, None)


def _leaves(result: Tensor) -> Iterator[Tensor]:
    """The tensors that ``result`` was made of and that get gradients."""
    seen, nodes = set(), [result.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [each for each, _ in node.next_functions]
        if hasattr(node, "variable"):
            yield node.variable


def _remedies(model: Classifier, shape: tuple[int, int, int, int], key: str) -> Iterator[str]:
    channels, frames, side, _ = shape

    def fits(num_frames: int, each: int) -> bool:
        return not refusal(model, (channels, num_frames, each, each))

    if (fewest := fewest_frames(model, side)) is not None:
        yield f"DATA.NUM_FRAMES {fewest}"
    elif (own := _own_clips(model, key)) and fits(*own):  # of one size: what its weights assume
        yield _setting(own, (frames, side), key)
        return
    if (smallest := next((each for each in SIDES if fits(frames, each)), None)) is not None:
        yield f"DATA.{key} {smallest}"
    if fewest is None and smallest is None:
        both = ((n, each) for n in FRAMES for each in SIDES if fits(n, each))
        if (pair := next(both, None)) is not None:
            yield _setting(pair, (frames, side), key)


def _own_clips(model: Classifier, key: str) -> tuple[int, int] | None:
    """Frames and crop of the clips that the weights of ``model`` assume, if its library says them."""
    said = find_spec(MODELS, model.kind).defaults(model.kind)
    found = said.get("DATA.NUM_FRAMES"), said.get(f"DATA.{key}")
    return None if None in found else found  # type: ignore[return-value]


def _setting(wanted: tuple[int, int], given: tuple[int, int], key: str) -> str:
    """Frames and crop ``wanted`` as keys, those of ``given`` left out."""
    named = zip(("DATA.NUM_FRAMES", f"DATA.{key}"), wanted, given, strict=True)
    return " and ".join(f"{name} {value}" for name, value, now in named if value != now)
