"""Features of videos on disk: each is computed once, and an interrupted run resumes at the next video.

    FOLDER/<model>/<first two digits>/<video>.npz     values, span

``<model>`` is a digest of weights, preprocessing, views, precision and tokens; ``<video>`` one of its
files, their sizes and times, and the part of it. Lists with common videos share their features.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from timesformer.config import CfgNode
from timesformer.datasets.lists import FRAME_END, PackedStrings, VideoList
from timesformer.datasets.scan_index import file_state
from timesformer.files import write_atomically
from timesformer.inference.predictor import Features, Predictor
from timesformer.io.npz import NPZ_ERRORS
from timesformer.models.classifier import backbone_bytes
from timesformer.video import TimeSpan


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/timesformer/features``, by default below ``~/.cache``."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "timesformer/features"
    )


def stored_features(
    predictor: Predictor, videos: VideoList, *, tokens: str, precision: str, folder: Path
) -> Iterator[Features]:
    """Features of every video in order; those that are not in ``folder`` are computed and kept there.

    Raises:
        WriteError: a file cannot be written.
    """
    model = folder / build_model_digest(predictor.cfg, predictor, tokens, precision)[:16]
    names = [video_digest(videos, i) for i in range(len(videos.labels))]
    places = [model / name[:2] / f"{name[2:32]}.npz" for name in names]
    known = [_read(place, videos.name(i)) for i, place in enumerate(places)]
    lacking = [i for i, found in enumerate(known) if found is None]
    part = part_of(videos, lacking)
    computed = predictor.stream_features(part, tokens=tokens) if lacking else iter(())
    for place, found in zip(places, known, strict=True):
        if found is None:
            found = next(computed)
            _write(place, found)
        yield found


def part_of(videos: VideoList, indices: list[int]) -> VideoList:
    """The videos of these indices."""
    segments = None if videos.segments is None else videos.segments[indices]
    return videos._replace(
        sources=PackedStrings([videos.sources[i] for i in indices]),
        labels=videos.labels[indices],
        segments=segments,
    )


def build_model_digest(cfg: CfgNode, predictor: Predictor, tokens: str, precision: str) -> str:
    """SHA-256 of all but the video that decides features."""
    digest = hashlib.sha256()
    for part in backbone_bytes(predictor.model):
        digest.update(part)
    sections = [section.dump() for section in (cfg.DATA, cfg.MODEL, cfg.TIMESFORMER, cfg.TEST)]
    digest.update(repr((sections, tokens, precision)).encode())
    return digest.hexdigest()


def video_digest(videos: VideoList, index: int) -> str:
    """SHA-256 of the files of a video, their sizes and times, and the part that counts."""
    files = videos.sources[index].split(FRAME_END)
    row = (files, [file_state(file) for file in files], videos.segment(index))
    return hashlib.sha256(repr(row).encode("utf-8", "surrogateescape")).hexdigest()


def _read(place: Path, name: str) -> Features | None:
    """None if there is no such file, or a damaged one."""
    try:
        with np.load(place, allow_pickle=False) as file:
            values, span = torch.from_numpy(file["values"]), file["span"].tolist()
    except (OSError, *NPZ_ERRORS):
        return None
    return Features(name, values, span=TimeSpan(*span) if span else None)


def _write(place: Path, found: Features) -> None:
    """Keep what could be computed."""
    if not found.error:
        with write_atomically(place, "wb", option="--cache") as file:
            np.savez(file, values=found.values.numpy(), span=np.array(found.span or ()))
