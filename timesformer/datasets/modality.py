"""What a model sees of the frames of a video: their colours, or the optical flow between them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from timesformer.config import CfgNode, portable
from timesformer.config.modality import BOTH, RGB
from timesformer.datasets import flow_clips, two_stream_clips
from timesformer.datasets.flow_cache import cache_problems, extract_command, read_cached
from timesformer.datasets.flow_clips import ReadFrames
from timesformer.datasets.list_source import EXTRA, build_list_source, build_splits
from timesformer.datasets.transforms import cut_clips, normalize
from timesformer.video import FrameSelector
from timesformer.video.flow import FieldMaker, FlowSettings


def _same_selector(select: FrameSelector) -> FrameSelector:
    return select


def _same_reader(read: ReadFrames, source: str) -> ReadFrames:
    return read


class Modality(NamedTuple):
    """How a video becomes clips; by default those of RGB."""

    select: Callable[[FrameSelector], FrameSelector] = _same_selector  # of the frames of clips
    # From a reader of the RGB frames of a video, and its source if it has one.
    reader: Callable[[ReadFrames, str], ReadFrames] = _same_reader
    cut: Callable[..., Tensor] = cut_clips


OF_RGB = Modality()


def build_modality(cfg: CfgNode) -> Modality:
    """That of DATA.MODALITY."""
    if cfg.DATA.MODALITY == RGB:
        return OF_RGB
    cache, has_rgb = cfg.DATA.FLOW.CACHE, cfg.DATA.MODALITY == BOTH
    reader = partial(
        _flow_reader,
        settings=build_flow_settings(cfg),
        weights=build_flow_weights(cfg),
        cache=portable(cache) if cache else None,
        has_rgb=has_rgb,
    )
    cut = two_stream_clips.cut_both if has_rgb else flow_clips.cut_flow
    return Modality(partial(flow_clips.stacked, num_fields=cfg.DATA.FLOW.STACK), reader, cut)


def build_normalizer(cfg: CfgNode) -> Callable[[Tensor], Tensor]:
    """From uint8 clips to what the model takes; runs on the device of the clips."""
    rgb = partial(normalize, mean=tuple(cfg.DATA.MEAN), std=tuple(cfg.DATA.STD))
    if cfg.DATA.MODALITY == RGB:
        return rgb
    if cfg.DATA.MODALITY == BOTH:
        return partial(two_stream_clips.normalize_both, normalize_rgb=rgb)
    return flow_clips.normalize_flow


def build_flow_settings(cfg: CfgNode) -> FlowSettings:
    """What decides the values of flow."""
    flow = cfg.DATA.FLOW
    return FlowSettings(flow.METHOD, flow.BOUND, flow.SHORT_SIDE, cfg.DATA.APPLY_ROTATION)


def build_flow_weights(cfg: CfgNode) -> str:
    """The file of weights of a method that is a network, or ""."""
    return cfg.DATA.FLOW.WEIGHTS and str(portable(cfg.DATA.FLOW.WEIGHTS))


def build_flow_problems(cfg: CfgNode) -> Iterator[str]:
    """What stops the reading of flow: a method that cannot run here, or what the cache lacks.

    Raises:
        InputError: the first of such problems, of a method or of a list.
    """
    if cfg.DATA.MODALITY == RGB:
        return
    flow, settings = cfg.DATA.FLOW, build_flow_settings(cfg)
    if not flow.CACHE:
        FieldMaker(settings, weights=build_flow_weights(cfg))
        return
    for split in build_splits(cfg):
        source = build_list_source(cfg, split)
        command = partial(
            extract_command,
            str(source.file),
            settings=settings,
            prefix="" if split == EXTRA else cfg.DATA.PATH_PREFIX,
            separator=cfg.DATA.PATH_LABEL_SEPARATOR,
            weights=flow.WEIGHTS,
        )
        yield from cache_problems(source.read(), portable(flow.CACHE), settings, command=command)


def _flow_reader(
    read: ReadFrames,
    source: str,
    *,
    settings: FlowSettings,
    weights: str,
    cache: Path | None,
    has_rgb: bool,
) -> ReadFrames:
    """Fields of the cache; without a cache, and of frames that have no source, they are computed."""
    if cache is None or not source:
        compute = two_stream_clips.compute_both if has_rgb else flow_clips.compute_fields
        return compute(read, settings, weights=weights, name=source)
    fields = partial(read_cached, cache, source, settings=settings)
    return two_stream_clips.join(read, fields) if has_rgb else fields
