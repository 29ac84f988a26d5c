"""Which frames and crops of a video become clips, as a contact sheet."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np

from timesformer.config import CfgNode
from timesformer.datasets import build_view, clips
from timesformer.datasets.augment import build_augment, unchanged
from timesformer.datasets.augment_record import describe_augment
from timesformer.datasets.build import build_frame_loader
from timesformer.visualize.contact_sheet import MOST_SHOWN, Row, Sheet, clip_rows

WHAT = {"test": "test views", "val": "validation clip", "train": "training clips"}


def build_sheet(cfg: CfgNode, video: Path, *, split: str, num_clips: int, augment: bool) -> Sheet:
    """The clips of a video, exactly as a run with ``cfg`` takes them.

    Args:
        cfg: of the run.
        video: a file or a frame folder.
        split: train, val or test.
        num_clips: how many random clips of train to draw.
        augment: draw the random changes of training clips too.

    Raises:
        VideoError: the video cannot be read.
    """
    view = build_view(cfg, split)
    is_random = isinstance(view, clips.Train)
    if is_random:
        view = dataclasses.replace(view, num_repeats=num_clips)
    rng = np.random.default_rng(cfg.RNG_SEED)
    drawn: list[str] = []
    transform = build_augment(cfg) if augment else unchanged
    made, crops, frames = clips.cut_video(
        partial(build_frame_loader(cfg), video),
        view,
        rng,
        augment=partial(describe_augment, augment=transform, captions=drawn),
    )
    names = None if is_random else view.crops
    rows = clip_rows(frames, crops, made, captions=drawn, crop_names=names)
    seconds = frames.timeline.seconds
    what = WHAT[split]
    if augment:
        plain = not any(";" in row.caption for row in rows)
        what += " (the AUG section asks for no augmentation)" if plain else " with augmentation"
    bgr = cfg.DATA.REVERSE_INPUT_CHANNEL
    order = ", drawn as RGB, given to the model as BGR" if bgr else ""
    return Sheet(_title(video.name, what, seconds, rows) + order, seconds, rows)


def _title(name: str, what: str, seconds: np.ndarray, rows: list[Row]) -> str:
    """Two lines: the video, and what the sheet shows of it."""
    height, width = rows[0].frame.shape[:2]
    num_frames, side = rows[0].clip.shape[:2]
    shown = f", {MOST_SHOWN} of {num_frames} frames shown" if num_frames > MOST_SHOWN else ""
    if any(len(set(row.indices)) < num_frames for row in rows):
        shown += ", repeated frames in red: the video is shorter than a clip"
    return (
        f"{name}: {len(seconds)} frames, {seconds[-1]:.2f} s, {width} x {height}\n"
        f"{what}: {len(rows)} x {num_frames} frames of {side} x {side}{shown}"
    )
