"""The likeliest classes of videos: predict.py FILE_OR_FOLDER ... --weights FILE.

The checkpoint says everything else. A video that cannot be read, or whose scores are not finite, has an
error instead of classes; the others go on, and the exit status is 1 then. Input that cannot be used at
all ends with status 2.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from timesformer.cli import predict_options
from timesformer.cli.arguments import Parser
from timesformer.errors import InputError
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:  # imported where they are used, so that wrong options are told at once
    from timesformer.inference.predictor import Prediction, Predictor


@command("predict.py")
def main() -> int:
    """Predict and print; status 1 if a video cannot be read, 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.inference.report import FORMATS
    from timesformer.inference.videos import find_videos

    videos = find_videos(arguments.videos)
    make_folders(arguments, videos)
    predictor, tally = predict_options.open_predictor(arguments), Tally()
    found = predict(predictor, videos, arguments, tally)
    for rows in FORMATS[arguments.format](found, arguments.top, videos):
        predict_options.show(rows)
    for number, what in (
        (tally.nonfinite, "have scores that are not finite"),
        (tally.unreadable, "could not be read"),
    ):
        if number:
            print(f"{number} of {len(videos)} videos {what}", file=sys.stderr)
    return 1 if tally.unreadable or tally.nonfinite or tally.undrawn else 0


@dataclass
class Tally:
    """What went wrong, in videos."""

    nonfinite: int = 0
    unreadable: int = 0
    undrawn: int = 0  # pictures that were asked for and could not be made


def parse_arguments() -> argparse.Namespace:
    """The options."""
    parser = Parser(description=__doc__.splitlines()[0], keys=True)
    parser.add_argument(
        "videos",
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="videos, frame folders, folders of either, URLs, or patterns as 'clips/*.mp4'",
    )
    predict_options.add_model_options(parser)
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes (%(default)s)")
    form = parser.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}",
            dest="format",
            action="store_const",
            const=name,
            help=f"print {name.upper()} instead of a table",
        )
    parser.add_argument(
        "--contact-sheet",
        type=Path,
        metavar="DIR",
        help="draw what the model saw of each video, a PNG each",
    )
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="DIR",
        help="write each video again with its likeliest class on it, an MP4 without sound each",
    )
    parser.set_defaults(format="table")
    arguments = parser.parse_args()
    if arguments.top < 1:
        parser.error(f"--top is {arguments.top}, but must be at least 1")
    return arguments


def make_folders(arguments: argparse.Namespace, videos: list[str]) -> None:
    """Before the work, so that a folder that cannot be made is known.

    Raises:
        VideoError: videos lie where their copies are to go, under the same names.
    """
    from timesformer.config import portable
    from timesformer.video import VideoError

    if arguments.annotate is not None:
        copies = arguments.annotate.resolve()
        if any(portable(video).resolve().parent == copies for video in videos):
            raise VideoError(
                f"--annotate is {arguments.annotate}, where the videos lie, and would overwrite them; "
                "name another folder"
            )
    for folder in (arguments.contact_sheet, arguments.annotate):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)


def predict(
    predictor: "Predictor", videos: list[str], arguments: argparse.Namespace, tally: Tally
) -> "Iterator[Prediction]":
    """Predictions of all videos, each as soon as it is known and drawn; ``tally`` counts failures."""
    from timesformer.inference.report import file_names
    from timesformer.io.terminal import printable

    stream = predict_options.with_progress(predictor.stream(videos), total=len(videos))
    for each, name in zip(stream, file_names(videos), strict=True):
        predict_options.tell_remarks(each)
        if each.error and len(each.scores):
            tally.nonfinite += 1
            predict_options.tell(f"has no prediction: {printable(each.error)}")
        elif each.error:
            tally.unreadable += 1
            predict_options.tell(f"cannot be read: {printable(each.error)}")
        else:
            try:
                draw(each, name, predictor, arguments)
            except InputError as error:
                predict_options.tell(f"cannot be drawn: {printable(error)}")
                tally.undrawn += 1
        yield each


def draw(
    prediction: "Prediction", name: str, predictor: "Predictor", arguments: argparse.Namespace
) -> None:
    """The contact sheet and the annotated copy, if asked for."""
    if arguments.contact_sheet is None and arguments.annotate is None:
        return
    from timesformer.inference.annotate import annotate, draw_sheet

    if arguments.contact_sheet is not None:
        draw_sheet(prediction, predictor.cfg, arguments.contact_sheet / f"{name}.png")
    if arguments.annotate is not None:
        copy = arguments.annotate / f"{name}.mp4"
        annotate(prediction, copy, seconds=predictor.cfg.DATA.DECODE_TIMEOUT)


if __name__ == "__main__":
    leave(main())
