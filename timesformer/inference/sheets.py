"""Contact sheets: which frames and crops of a video become clips, in a run or for a prediction."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from timesformer.config import CfgNode, changed
from timesformer.config.modality import RGB, num_channels
from timesformer.datasets import build_view, clips
from timesformer.datasets.augment import build_augment, unchanged
from timesformer.datasets.augment_record import describe_augment
from timesformer.datasets.build import build_frame_loader
from timesformer.datasets.modality import build_modality
from timesformer.files import write_atomically
from timesformer.inference.predictor import Prediction
from timesformer.video import Frames
from timesformer.video.flow import pixels
from timesformer.visualize.contact_sheet import (
    MOST_SHOWN,
    ClipRow,
    ContactSheet,
    clip_rows,
    draw_contact_sheet,
)
from timesformer.visualize.flow_colors import LEGEND, flow_colors, full_speed

WHAT = {"test": "test views", "val": "validation clip", "train": "training clips"}


def build_sampling_sheet(
    cfg: CfgNode, video: Path, *, split: str, num_clips: int, augment: bool
) -> ContactSheet:
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
        modality=build_modality(cfg),
        augment=partial(describe_augment, augment=transform, captions=drawn),
    )
    note = ""
    if cfg.DATA.MODALITY != RGB:
        made, frames, note = build_flow_pictures(cfg, video, made, frames)
        drawn = drawn or [""] * len(made)
    names = None if is_random else view.crops
    rows = clip_rows(frames, crops, made, captions=drawn, crop_names=names)
    seconds = frames.timeline.seconds
    what = WHAT[split]
    if augment:
        plain = not any(";" in row.caption for row in rows)
        what += " (the AUG section asks for no augmentation)" if plain else " with augmentation"
    bgr = cfg.DATA.REVERSE_INPUT_CHANNEL
    order = ", drawn as RGB, given to the model as BGR" if bgr else ""
    return ContactSheet(_title(video.name, what, seconds, rows) + order + note, seconds, rows)


def build_flow_pictures(
    cfg: CfgNode, video: str | Path, made: Tensor, frames: Frames
) -> tuple[Tensor, Frames, str]:
    """Clips of flow (V, C, T, S, S) as colours (V, 3, T, S, S), the RGB frames, and a legend.

    Of the fields at a frame the first is shown, and of rgb+flow the flow.

    Raises:
        VideoError: the video cannot be read.
    """
    first = num_channels(cfg) - 2 * cfg.DATA.FLOW.STACK
    fields = made[:, first : first + 2].movedim(1, -1).numpy()  # (V, T, S, S, 2)
    flow = pixels(fields, cfg.DATA.FLOW.BOUND)
    full = full_speed(flow)
    colors = torch.from_numpy(flow_colors(flow, full=full)).movedim(-1, 1)
    load = build_frame_loader(changed(cfg, {"DATA.MODALITY": "rgb"}))
    note = f"\nflow: {LEGEND}; full colour: {full:.1f} pixels of the clip a frame or faster"
    return colors, load(video, lambda _: frames.indices), note


def build_prediction_sheet(cfg: CfgNode, prediction: Prediction) -> ContactSheet:
    """The views that the model saw of the video, titled with its likeliest classes.

    Raises:
        VideoError: the video cannot be read.
    """
    view = build_view(cfg, "test")
    read = partial(build_frame_loader(cfg), prediction.video)
    none = np.random.default_rng(0)  # test views draw nothing
    made, crops, frames = clips.cut_video(read, view, none, modality=build_modality(cfg))
    if cfg.DATA.MODALITY != RGB:
        made, frames, _ = build_flow_pictures(cfg, prediction.video, made, frames)
    captions = [""] * len(made)
    rows = clip_rows(frames, crops, made, captions=captions, crop_names=view.crops)
    best = ", ".join(f"{each.name} {100 * each.probability:.1f} %" for each in prediction.top(3))
    title = f"{Path(prediction.video).name}\n{best}"
    return ContactSheet(title, frames.timeline.seconds, rows)


def write_sheet(sheet: ContactSheet, path: Path, *, option: str) -> None:
    """Write the picture (PNG); an error names the ``option`` of the command that chose ``path``."""
    with write_atomically(path, "wb", option=option) as file:
        draw_contact_sheet(sheet).savefig(file, format="png")


def _title(name: str, what: str, seconds: np.ndarray, rows: list[ClipRow]) -> str:
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
