"""Clips of colours and of the optical flow at the same frames, for models of two streams.

clip  (3 + 2 L, T, S, S)  uint8; R, G, B, then the channels of ``flow_clips``
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from timesformer.datasets.flow_clips import (
    ReadFrames,
    cut_flow,
    fields_between,
    normalize_flow,
    with_next,
)
from timesformer.datasets.transforms import Crops, cut_clips
from timesformer.video import Frames, FrameSelector
from timesformer.video.flow import FieldMaker, FlowSettings

COLORS = 3


@dataclass(frozen=True)
class FramesAndFlow(Frames):
    """RGB frames, and the fields at them."""

    flow: Frames | None = None


def compute_both(
    read: ReadFrames, settings: FlowSettings, *, weights: str = "", name: str = ""
) -> ReadFrames:
    """As ``flow_clips.compute_fields``, with the frames; each is read once."""

    def both(select: FrameSelector) -> Frames:
        frames = read(lambda timeline: with_next(timeline, select(timeline), name))
        flow = fields_between(frames, FieldMaker(settings, weights=weights))
        rgb = replace(frames, index=frames.index[..., 0], indices=frames.indices[..., 0])
        return _together(rgb, flow)

    return both


def join(read: ReadFrames, read_fields: ReadFrames) -> ReadFrames:
    """From a reader of RGB frames and one of fields (of a cache) to one of both."""

    def both(select: FrameSelector) -> Frames:
        return _together(read(lambda timeline: select(timeline)[..., 0]), read_fields(select))

    return both


def _together(rgb: Frames, flow: Frames) -> FramesAndFlow:
    values = {each.name: getattr(rgb, each.name) for each in fields(rgb)}
    return FramesAndFlow(**values, flow=flow)


def cut_both(
    frames: FramesAndFlow,
    crops: Crops,
    *,
    reverse_channels: bool,
    augment: Callable[[Tensor], Tensor] = lambda clip: clip,
) -> Tensor:
    """Every crop of every temporal view; ``augment`` changes the colours alone."""
    assert frames.flow is not None
    rgb = cut_clips(frames, crops, reverse_channels=reverse_channels, augment=augment)
    height, width = frames.images.shape[1:3]
    return torch.cat([rgb, cut_flow(frames.flow, crops, frame_size=(height, width))], dim=1)


def normalize_both(clips: Tensor, *, normalize_rgb: Callable[[Tensor], Tensor]) -> Tensor:
    """uint8 clips (..., 3 + 2 L, T, H, W) -> float32."""
    rgb, flow = clips.split([COLORS, clips.shape[-4] - COLORS], dim=-4)
    return torch.cat([normalize_rgb(rgb), normalize_flow(flow)], dim=-4)
