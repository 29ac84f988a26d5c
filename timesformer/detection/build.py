"""What a configuration asks of detection: grids of windows, and how frames become clips."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from timesformer.config import CfgNode, ConfigError, changed
from timesformer.config.modality import BOTH, RGB
from timesformer.datasets.build import build_view
from timesformer.datasets.flow_clips import stacked, within
from timesformer.datasets.modality import build_flow_settings, build_flow_weights
from timesformer.datasets.views import DenseSampling, Views
from timesformer.detection.scales import Scale, check_scales
from timesformer.detection.windows import Grid
from timesformer.inference.forward_clips import ForwardClips
from timesformer.inference.forward_flow import ForwardFlow, LastFields
from timesformer.video.flow import FieldMaker
from timesformer.video.frames import FrameSelector
from timesformer.video.timeline import Indices, Timeline

SEGMENT_SECONDS = 4.0  # of a window where the model takes frames of a whole video, as SSv2


def build_one_view(cfg: CfgNode) -> Views:
    """The single temporal view of a window."""
    view = build_view(cfg, "test")
    assert isinstance(view, Views)
    return view


class Reading(NamedTuple):
    """How the frames of windows become clips.

    ``select`` is from a selector of frames to one of what a clip is made of, ``limit`` keeps to what a
    whole video has of it, and ``forward`` makes the clips of frames in their order. Windows may share the
    features of frames if ``shares_frames``: not those of flow, which ends where its window does.
    """

    forward: Callable[..., ForwardClips | ForwardFlow] = ForwardClips
    select: Callable[[FrameSelector], FrameSelector] = lambda select: select
    limit: Callable[[Timeline, Indices], Indices] = lambda timeline, indices: indices
    shares_frames: bool = True


def build_reading(cfg: CfgNode) -> Reading:
    """As DATA.MODALITY says; flow is computed, never taken from a cache.

    Raises:
        InputError: the flow that the model sees cannot be computed here.
    """
    if cfg.DATA.MODALITY == RGB:
        return Reading()
    maker = LastFields(FieldMaker(build_flow_settings(cfg), weights=build_flow_weights(cfg)))
    return Reading(
        partial(ForwardFlow, maker=maker, has_rgb=cfg.DATA.MODALITY == BOTH),
        partial(stacked, num_fields=cfg.DATA.FLOW.STACK),
        limited,
        shares_frames=False,
    )


def build_stream_problem(cfg: CfgNode) -> str:
    """Why the model cannot watch a stream; empty if it can."""
    if cfg.DATA.MODALITY == RGB:
        return ""
    return (
        f"streams are read as RGB, but the model sees {cfg.DATA.MODALITY} (DATA.MODALITY); record the "
        "stream, and use timesformer detect"
    )


def limited(timeline: Timeline, rows: Indices) -> Indices:
    """Rows (..., 1 + L) of a frame and fields, without the fields that the video has not.

    Raises:
        VideoError: the video has a single frame.
    """
    return np.concatenate([rows[..., :1], within(timeline, rows[..., 1:], "")], axis=-1)


def build_pixels(cfg: CfgNode) -> dict[str, bool]:
    """How frames are decoded and given to the model."""
    return {
        "reverse_channels": cfg.DATA.REVERSE_INPUT_CHANNEL,
        "apply_rotation": cfg.DATA.APPLY_ROTATION,
    }


def build_grid(cfg: CfgNode, view: Views, *, span: float | None, stride: float | None) -> Grid:
    """The grid that is asked for.

    Raises:
        ConfigError: it does not fit the model, or leaves parts of the video out.
    """
    sampling = view.sampling
    if isinstance(sampling, DenseSampling):
        own = sampling.shape.seconds
        if span is not None and abs(span - own) > 1e-6:
            raise ConfigError(
                f"--span is {span:g}, but a clip of this model has {own:.3f} seconds ("
                f"{cfg.DATA.NUM_FRAMES} frames, every {cfg.DATA.SAMPLING_RATE}th of "
                f"{cfg.DATA.TARGET_FPS} a second); set DATA.SAMPLING_RATE for another length"
            )
        span = own
    span = span or SEGMENT_SECONDS
    stride = span / 2 if stride is None else stride
    if not 0 < stride <= span:
        raise ConfigError(
            f"--stride is {stride:g} seconds, but must be above 0 and at most a window of {span:.3f} "
            "seconds, or parts of the video are not seen"
        )
    return Grid(span, stride)


def build_scales(
    cfg: CfgNode, scales: Sequence[float], *, span: float | None, stride: float | None
) -> tuple[Scale, ...]:
    """Windows of each scale, the smallest first; ``span`` and ``stride`` are those of scale 1.

    A model of clips at a frame rate reads a window of scale s at s times its DATA.SAMPLING_RATE.

    Raises:
        ConfigError: as ``check_scales`` and ``build_grid``, or that rate is not a whole number.
    """
    factors = check_scales(scales)
    grid = build_grid(cfg, build_one_view(cfg), span=span, stride=stride)
    return tuple(
        Scale(
            factor, Grid(grid.span * factor, grid.stride * factor), build_scaled_view(cfg, factor)
        )
        for factor in factors
    )


def build_scaled_view(cfg: CfgNode, factor: float) -> Views:
    """The view of a window that is ``factor`` times as long; a ConfigError as ``build_scales``."""
    view = build_one_view(cfg)
    if factor == 1 or not isinstance(view.sampling, DenseSampling):
        return view
    rate = cfg.DATA.SAMPLING_RATE * factor
    if abs(rate - round(rate)) > 1e-9:
        raise ConfigError(
            f"--scales: {factor:g} times DATA.SAMPLING_RATE {cfg.DATA.SAMPLING_RATE} is {rate:g}, not a "
            "whole number of frames; choose another scale"
        )
    return build_one_view(changed(cfg, {"DATA.SAMPLING_RATE": round(rate)}))
