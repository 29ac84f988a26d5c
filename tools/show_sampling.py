"""Draw which frames and crops of a video become clips: show_sampling.py VIDEO --cfg FILE KEY VALUE ...

Writes a contact sheet (PNG) and prints a table of the frame numbers. The sheet has the whole video as
a timeline with the frames of every clip, and below it a row for each clip: where the crop lies, and
the clip as the model gets it.
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:  # imported where they are used, so that wrong options are told at once
    from torch import Tensor

    from timesformer.config import CfgNode
    from timesformer.datasets.augment import Augment
    from timesformer.visualize.contact_sheet import Row, Sheet


@command("show_sampling.py")
def main() -> int:
    """Write the sheet and print the table; status 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.config import load_config
    from timesformer.files import write_atomically
    from timesformer.video import VideoError
    from timesformer.visualize.contact_sheet import draw, table

    cfg = load_config(arguments.cfg, arguments.opts)
    if not arguments.video.exists():
        raise VideoError(f"{arguments.video}: no such video or folder; check the path")
    made = sample(cfg, arguments)
    with write_atomically(arguments.out, "wb", option="--out") as file:
        draw(made).savefig(file, format="png")
    print(table(made))
    print(f"\n{arguments.out}: {len(made.rows)} clips")
    return 0


def parse_arguments() -> argparse.Namespace:
    """The options; ``--augment`` means the training split."""
    parser = Parser(description=__doc__.splitlines()[0], keys=True)
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file or frame folder")
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument("--split", choices=("test", "train", "val"), help="default: test")
    parser.add_argument(
        "--augment", action="store_true", help="training clips with what the AUG section asks for"
    )
    parser.add_argument(
        "--clips", type=int, default=6, metavar="N", help="training clips to draw (%(default)s)"
    )
    parser.add_argument(
        *SPELLINGS["out"],
        dest="out",
        type=Path,
        default=Path("sheet.png"),
        help="PNG file (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.augment and arguments.split not in (None, "train"):
        parser.error(f"--augment is of training clips, not of --split {arguments.split}")
    if arguments.clips < 1:
        parser.error(f"--clips is {arguments.clips}, but must be at least 1")
    if arguments.out.suffix.lower() != ".png":
        parser.error(f"--out is {arguments.out}, but the sheet is a PNG; end the name with .png")
    arguments.split = arguments.split or ("train" if arguments.augment else "test")
    return arguments


def sample(cfg: "CfgNode", arguments: argparse.Namespace) -> "Sheet":
    """The clips of the video, exactly as a run with ``cfg`` takes them.

    Raises:
        VideoError: the video cannot be read.
    """
    from timesformer.datasets import build_view, clips
    from timesformer.datasets.augment import build_augment, unchanged
    from timesformer.datasets.build import build_frame_loader
    from timesformer.visualize.contact_sheet import Sheet, clip_rows

    view = build_view(cfg, arguments.split)
    is_random = isinstance(view, clips.Train)
    if is_random:
        view = dataclasses.replace(view, num_repeats=arguments.clips)
    rng = np.random.default_rng(cfg.RNG_SEED)
    drawn: list[str] = []
    augment = build_augment(cfg) if arguments.augment else unchanged
    made, crops, frames = clips.cut_video(
        partial(build_frame_loader(cfg), arguments.video),
        view,
        rng,
        augment=partial(describe, augment=augment, captions=drawn),
    )
    names = None if is_random else view.crops
    rows = clip_rows(frames, crops, made, captions=drawn, crop_names=names)
    seconds = frames.timeline.seconds
    return Sheet(describe_video(cfg, arguments, seconds, rows), seconds, rows)


def describe(
    clip: "Tensor", rng: np.random.Generator, *, augment: "Augment", captions: list[str]
) -> "Tensor":
    """``clip`` augmented; what was drawn for it is added to ``captions``."""
    from timesformer.datasets.augment import unchanged

    if augment is unchanged:
        captions.append("")
        return clip
    with recorded() as calls:
        clip = augment(clip, rng)
    captions.append(", ".join(calls) or "nothing drawn")
    return clip


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """What torchvision's transforms do while this lasts, in words."""
    from torchvision.transforms import v2

    from timesformer.datasets import augment

    calls: list[str] = []

    def watch(owner: object, name: str, words: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def watched(*positional: object, **named: object) -> object:
            calls.extend(filter(None, [words(*positional, **named)]))
            return original(*positional, **named)

        stack.enter_context(mock.patch.object(owner, name, watched))

    with contextlib.ExitStack() as stack:
        for auto in (v2.RandAugment, v2.TrivialAugmentWide):
            watch(auto, "_apply_image_or_video_transform", _operation)  # has no public name
        watch(v2.ColorJitter, "transform", lambda _, clip, params: _jitter(params))
        watch(v2.RandomGrayscale, "transform", lambda *_: "grey")
        watch(v2.RandomErasing, "transform", lambda _, clip, params: _erasing(params))
        watch(augment, "gaussian_blur", lambda _, sigma: f"blur {sigma:.1f} px")
        yield calls


def _operation(_: object, clip: "Tensor", name: str, magnitude: float, **__: object) -> str:
    return f"{name} {magnitude:.2g}" if magnitude else name


def _jitter(params: dict[str, float | None]) -> str:
    names = ("brightness", "contrast", "saturation", "hue")
    values = [(name, params[f"{name}_factor"]) for name in names]
    return ", ".join(f"{name} {value:.2f}" for name, value in values if value is not None)


def _erasing(params: dict[str, int | None]) -> str:
    if params["v"] is None:
        return ""
    return f"erased {params['h']} x {params['w']} at ({params['i']}, {params['j']})"


def describe_video(
    cfg: "CfgNode", arguments: argparse.Namespace, seconds: np.ndarray, rows: "list[Row]"
) -> str:
    """Two lines: the video, and what the sheet shows of it."""
    from timesformer.visualize.contact_sheet import MOST_SHOWN

    height, width = rows[0].frame.shape[:2]
    num_frames, side = rows[0].clip.shape[:2]
    what = {"test": "test views", "val": "validation clip", "train": "training clips"}
    augmented = " with augmentation" if arguments.augment else ""
    if augmented and not any(";" in row.caption for row in rows):
        augmented = " (the AUG section asks for no augmentation)"
    shown = f", {MOST_SHOWN} of {num_frames} frames shown" if num_frames > MOST_SHOWN else ""
    if any(len(set(row.indices)) < num_frames for row in rows):
        shown += ", repeated frames in red: the video is shorter than a clip"
    order = ", drawn as RGB, given to the model as BGR" if cfg.DATA.REVERSE_INPUT_CHANNEL else ""
    return (
        f"{arguments.video.name}: {len(seconds)} frames, {seconds[-1]:.2f} s, {width} x {height}\n"
        f"{what[arguments.split]}{augmented}: {len(rows)} x {num_frames} frames of {side} x {side}"
        f"{shown}{order}"
    )


if __name__ == "__main__":
    leave(main())
