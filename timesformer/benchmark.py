"""What reading clips costs on a user's own list, beside the least and the naive that it could cost.

ours    open, decode, convert, scale and crop, as training and testing do
floor   a plain decode of the same spans, one thread, nothing converted, measured here and now
naive   every frame of a span converted to RGB, normalised in float at full size, one decode a view
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import av
import numpy as np
import torch
from torch.nn import functional as F

from timesformer.datasets.clips import ClipDataset, cut_clips, place_crops
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.views import Train, Views
from timesformer.video import VideoError, read_video
from timesformer.video.sampling import Timeline


class Cost(NamedTuple):
    """One kind of request for one video: milliseconds, and frames."""

    ours_ms: float
    read_ms: float  # of ours: open, decode, convert
    floor_ms: float
    naive_ms: float
    decoded: int
    converted: int
    kept: int  # frames in all clips


def measure_video(dataset: ClipDataset, view: Train | Views, index: int, *, repeats: int) -> Cost:
    """Costs of one video; the three ways take turns, and the median of each counts.

    Raises:
        VideoError: the video cannot be read.
    """
    path = dataset.videos.files(index)[0]
    read_times, cut_times, floor_times, naive_times = [], [], [], []
    for _ in range(repeats):
        select, spatials = view.draw(np.random.default_rng([dataset.seed, 0, index]))
        spans: list[tuple[int, int]] = []
        select = partial(_noting_spans, select, spans)
        started = time.perf_counter()
        frames = read_video(path, select)
        read_times.append(time.perf_counter() - started)
        crops = place_crops(frames, spatials)
        clips, cut_time = _timed(partial(cut_clips, frames, crops, reverse_channels=False))
        cut_times.append(cut_time)
        union = (min(first for first, _ in spans), max(last for _, last in spans))
        floor_times.append(_timed(partial(_decode_plainly, path, union))[1])
        num_crops = len(clips) // len(spans)
        side = clips.shape[-1]
        naive = [_timed(partial(_read_naively, path, span, side))[1] for span in spans]
        naive_times.append(num_crops * sum(naive))
    read = statistics.median(read_times)
    ours = read + statistics.median(cut_times)
    return Cost(
        ours_ms=1e3 * ours,
        read_ms=1e3 * read,
        floor_ms=1e3 * statistics.median(floor_times),
        naive_ms=1e3 * statistics.median(naive_times),
        decoded=frames.decoded,
        converted=len(frames.images),
        kept=frames.index.size,
    )


def measure_loader(make: Callable[[int], ClipLoader], workers: int, *, seconds: float) -> float:
    """Clips a second that a training loader with ``workers`` processes gives, after a warm-up."""
    loader = make(workers)
    batches = iter(loader)
    next(batches)
    clips, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            continue
        clips += len(batch.labels)
    return clips / elapsed


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Medians over videos."""
    columns = zip(*costs, strict=True)
    return Cost(*(statistics.median(column) for column in columns))


def measure_case(
    dataset: ClipDataset, view: Train | Views, indices: Sequence[int], *, repeats: int
) -> Cost:
    """Medians over the readable videos among ``indices``.

    Raises:
        VideoError: none of them can be read.
    """
    costs = []
    for index in indices:
        try:
            costs.append(measure_video(dataset, view, index, repeats=repeats))
        except VideoError as error:
            failure = error
    if not costs:
        raise VideoError(f"no video of {dataset.videos.origin} can be measured: {failure}")
    return median_cost(costs)


def _noting_spans(
    select: Callable[[Timeline], np.ndarray], spans: list[tuple[int, int]], timeline: Timeline
) -> np.ndarray:
    """``select``, noting the first and last pts of each view."""
    chosen = np.asarray(select(timeline))
    spans[:] = [(int(timeline.pts[row.min()]), int(timeline.pts[row.max()])) for row in chosen]
    return chosen


def _timed(call: Callable[[], "torch.Tensor | None"]) -> "tuple[torch.Tensor, float]":
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started  # type: ignore[return-value]


def _decode_plainly(path: str, span: tuple[int, int]) -> None:
    """Decode from the keyframe before a span to its end."""
    for _ in _frames(path, span):
        pass


def _read_naively(path: str, span: tuple[int, int], side: int) -> torch.Tensor:
    """The published way for one view: (3, T, S, S) float; here T is every frame but 8 are kept."""
    frames = np.stack([frame.to_rgb().to_ndarray() for frame in _frames(path, span)])
    keep = np.linspace(0, len(frames) - 1, 8).astype(int)
    clip = (torch.from_numpy(frames[keep]).float() / 255 - 0.45) / 0.225
    clip = clip.permute(3, 0, 1, 2)
    scale = side / min(clip.shape[2:])
    size = [math.floor(length * scale) for length in clip.shape[2:]]
    return F.interpolate(clip, size=size, mode="bilinear")[..., :side, :side].contiguous()


def _frames(path: str, span: tuple[int, int]) -> "list[av.VideoFrame]":
    first, last = span
    with av.open(path, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        container.seek(first, stream=stream)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= first:
                yield frame
            if frame.pts is not None and frame.pts >= last:
                return
