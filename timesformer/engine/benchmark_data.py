"""The time of reading clips of a list, beside a lower bound and the published reader.

ours         open, decode, convert, scale and crop, as a loader process does, on one core
all cores    the same where no other process decodes, as with DATA_LOADER.NUM_WORKERS 0
lower bound  a plain decode of the same spans, one thread, nothing converted
published    the published reader, once for each view: seek to 1024 ticks before the span, decode it and
             one frame more, keep all frames, convert all of them to RGB, stack them, choose T, normalise
             those in float at full size, scale, crop. (Without a duration in the header it would decode
             the whole file; this is not measured.)

Ours has to decode at least the reference frames: 0.6 of the lower bound in the H.264 clips of the
targets, which is a third of the published reader.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import av
import numpy as np
import torch
from torch.nn import functional as F

from timesformer.config import CfgNode, changed
from timesformer.datasets import build_view
from timesformer.datasets.clips import ClipDataset
from timesformer.datasets.loader import ClipLoader
from timesformer.datasets.transforms import cut_clips, sample_crops
from timesformer.datasets.views import Train, Views
from timesformer.io.opening import local_url, open_media
from timesformer.tables import format_table
from timesformer.video import VideoError, read_video
from timesformer.video.streams import choose_stream

PUBLISHED_MARGIN = 1024  # ticks of the stream before a span (datasets/decoder.py)

TARGETS = {
    "train clip": 6,
    "1 x 3 views": 9,
    "10 x 3 views": 20,
}  # times faster than the published reader

T = TypeVar("T")


class Cost(NamedTuple):
    """One kind of request for one video: milliseconds, and frames."""

    ours_ms: float
    read_ms: float  # of ours: open, decode, convert
    all_cores_ms: float  # ours, with threads
    lower_bound_ms: float
    published_ms: float
    decoded: int
    converted: int
    kept: int  # frames in all clips


def measure_video(dataset: ClipDataset, view: Train | Views, index: int, *, repeats: int) -> Cost:
    """Costs of one video; measured in rounds, and medians count.

    Raises:
        VideoError: the video cannot be read.
    """
    path = dataset.videos.files(index)[0]
    times = []
    for _ in range(repeats):
        select, sampler = view.draw(np.random.default_rng([dataset.seed, 0, index]))
        frames, read = _timed(partial(read_video, path, select))
        _, threaded = _timed(partial(read_video, path, select, multi_thread=True))
        crops = sample_crops(frames, sampler)
        clips, cut = _timed(partial(cut_clips, frames, crops, reverse_channels=False))
        spans = [(int(pts[0]), int(pts[-1])) for pts in frames.timeline.pts[frames.indices]]
        union = (min(first for first, _ in spans), max(last for _, last in spans))
        _, bound = _timed(partial(_decode_plainly, path, union))
        num_frames, side = clips.shape[2], clips.shape[-1]
        published = [
            _timed(partial(_read_as_published, path, span, num_frames, side)) for span in spans
        ]
        num_crops = len(clips) // len(spans)
        published_time = num_crops * sum(seconds for _, seconds in published)
        times.append((read + cut, read, threaded + cut, bound, published_time))
    return Cost(
        *(1e3 * statistics.median(column) for column in zip(*times, strict=True)),
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


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def _decode_plainly(path: str, span: tuple[int, int]) -> None:
    """Decode from the keyframe before a span to its end."""
    for frame in _decoded(path, span[0]):
        if frame.pts is not None and frame.pts >= span[1]:
            return


def _read_as_published(
    path: str, span: tuple[int, int], num_frames: int, side: int
) -> torch.Tensor:
    """One view as the published code reads it, (3, T, S, S) float: see the module docstring."""
    first, last = span
    frames = {}
    for frame in _decoded(path, max(first - PUBLISHED_MARGIN, 0)):
        if frame.pts is not None and frame.pts >= first:
            frames[frame.pts] = frame
        if frame.pts is not None and frame.pts > last:
            break
    images = np.stack([frames[pts].to_rgb().to_ndarray() for pts in sorted(frames)])
    chosen = torch.linspace(0, sum(pts <= last for pts in frames) - 1, num_frames).long()
    clip = (torch.as_tensor(images)[chosen].float() / 255 - 0.45) / 0.225
    clip = clip.permute(3, 0, 1, 2)
    scale = side / min(clip.shape[2:])
    size = [math.floor(length * scale) for length in clip.shape[2:]]
    return F.interpolate(clip, size=size, mode="bilinear")[..., :side, :side].contiguous()


def _decoded(path: str, start: int) -> "Iterator[av.VideoFrame]":
    """Frames from the keyframe before ``start`` on, by one thread."""
    with open_media(local_url(path), name=path) as container:
        stream = choose_stream(container)
        stream.codec_context.thread_count = 1
        container.seek(start, stream=stream)
        yield from container.decode(stream)


def format_costs(costs: Mapping[str, Cost]) -> str:
    """The table of costs."""
    head = (
        "",
        "ours ms",
        "all cores",
        "lower bound ms",
        "published ms",
        "ours/bound",
        "published/ours",
        "decoded",
        "converted",
        "kept",
    )
    rows = [head]
    for name, cost in costs.items():
        goal = f" (goal {TARGETS[name]})" if name in TARGETS else ""
        milliseconds = (cost.ours_ms, cost.all_cores_ms, cost.lower_bound_ms, cost.published_ms)
        times = tuple(f"{value:.1f}" for value in milliseconds)
        ratios = (
            f"{cost.ours_ms / cost.lower_bound_ms:.2f}",
            f"{cost.published_ms / cost.ours_ms:.1f}{goal}",
        )
        frames = (f"{cost.decoded:.0f}", f"{cost.converted:.0f}", f"{cost.kept:.0f}")
        rows.append((name, *times, *ratios, *frames))
    return format_table(rows)


def bottleneck(cost: Cost) -> str:
    """One line: the part of a training clip that takes longest."""
    decode = min(cost.lower_bound_ms, cost.read_ms)
    parts = {
        "decoding (a smaller or easier codec helps: timesformer prepare --resize)": decode,
        "opening the file and converting frames": cost.read_ms - decode,
        "scaling and cropping": cost.ours_ms - cost.read_ms,
    }
    name = max(parts, key=parts.__getitem__)
    return f"bottleneck of a training clip: {name}, {100 * parts[name] / cost.ours_ms:.0f} %"


def build_cases(cfg: CfgNode) -> dict[str, Train | Views]:
    """The requests that are measured: a training clip, and test views of three crops each."""
    counts = sorted({cfg.TEST.NUM_ENSEMBLE_VIEWS, 1, 10})
    tests = {
        f"{views} x 3 views": build_view(
            changed(cfg, {"TEST.NUM_ENSEMBLE_VIEWS": views, "TEST.NUM_SPATIAL_CROPS": 3}), "test"
        )
        for views in counts
    }
    return {"train clip": build_view(cfg, "train"), **tests}
