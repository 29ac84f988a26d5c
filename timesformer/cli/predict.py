"""Predict the likeliest classes of videos.

All other settings are those of the checkpoint. A video that cannot be read, or whose scores are not
finite, gets an error instead of classes; the others are predicted.

$ timesformer predict clips/ film.mp4 --weights output/mine/checkpoints/checkpoint_best.pyth
$ timesformer predict 'clips/*.mp4' --weights model.pyth --top 1 --csv > classes.csv
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.errors import InputError
from timesformer.io.terminal import printable

if TYPE_CHECKING:
    from timesformer.datasets.lists import VideoList
    from timesformer.inference.predictor import Prediction, Predictor


@command(fails="a video has no prediction, or could not be drawn")
def main(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE_OR_FOLDER",
            help="Videos, frame folders, folders of either, URLs, or patterns as 'clips/*.mp4'; or one "
            "list of rows `path label` or `path label start end`.",
        ),
    ],
    use: model.ModelOptions,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Classes of each video.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw what the model saw of each video, a PNG each."),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write each video again with its likeliest class on it, an MP4 each.",
        ),
    ] = None,
) -> int:
    """Predict and print."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    from timesformer.inference.report import FORMATS
    from timesformer.inference.videos import find_videos, is_list, read_rows, row_names

    listed = read_rows(videos[0]) if len(videos) == 1 and is_list(videos[0]) else None
    if listed is not None and listed.segments is not None and (contact_sheet or annotate):
        raise typer.BadParameter(
            f"{printable(videos[0])} has rows that are parts of videos, and --contact-sheet and "
            "--annotate draw whole ones; leave them out"
        )
    found = find_videos(videos) if listed is None else row_names(listed)
    pictures = Pictures(contact_sheet, annotate)
    pictures.make_folders(found)
    predictor = use.open_predictor()
    if predictor.temperature:
        model.remark(f"note: probabilities by {predictor.temperature}")
    tally = Tally()
    predictions = predict(predictor, found if listed is None else listed, found, pictures, tally)
    form = "json" if as_json else "csv" if as_csv else "table"
    for rows in FORMATS[form](predictions, top, found):
        model.show(rows)
    for number, what in (
        (tally.nonfinite, "have scores that are not finite"),
        (tally.unreadable, "could not be read"),
    ):
        if number:
            print(f"{number} of {len(found)} videos {what}", file=sys.stderr)
    return 1 if tally.unreadable or tally.nonfinite or tally.undrawn else 0


@dataclass
class Tally:
    """Numbers of videos that failed."""

    nonfinite: int = 0
    unreadable: int = 0
    undrawn: int = 0  # pictures that were asked for and could not be made


@dataclass(frozen=True)
class Pictures:
    """Folders for pictures of the predictions; None: not asked for."""

    sheets: Path | None
    copies: Path | None

    def make_folders(self, videos: list[str]) -> None:
        """Before the work, so that a folder that cannot be made is known.

        Raises:
            VideoError: videos lie where their copies are to go, under the same names.
        """
        from timesformer.config import portable
        from timesformer.video import VideoError

        if self.copies is not None:
            folder = self.copies.resolve()
            if any(portable(video).resolve().parent == folder for video in videos):
                raise VideoError(
                    f"--annotate is {self.copies}, where the videos lie, and would overwrite them; "
                    "name another folder"
                )
        for each in (self.sheets, self.copies):
            if each is not None:
                each.mkdir(parents=True, exist_ok=True)

    def draw(self, prediction: "Prediction", name: str, predictor: "Predictor") -> None:
        """The contact sheet and the annotated copy, if asked for."""
        if self.sheets is None and self.copies is None:
            return
        from timesformer.inference.annotate import build_copy
        from timesformer.inference.sheets import build_prediction_sheet, write_sheet

        if self.sheets is not None:
            sheet = build_prediction_sheet(predictor.cfg, prediction)
            write_sheet(sheet, self.sheets / f"{name}.png", option="--contact-sheet")
        if self.copies is not None:
            build_copy(prediction, predictor.cfg, self.copies / f"{name}.mp4")


def predict(
    predictor: "Predictor",
    videos: "list[str] | VideoList",
    names: list[str],
    pictures: Pictures,
    tally: Tally,
) -> "Iterator[Prediction]":
    """Predictions of all videos, each as soon as it is known and drawn; ``tally`` counts failures."""
    from timesformer.inference.report import file_names

    stream = model.with_progress(predictor.stream(videos), total=len(names))
    for each, name in zip(stream, file_names(names), strict=True):
        model.tell_remarks(each)
        if each.error and len(each.scores):
            tally.nonfinite += 1
            model.tell(f"has no prediction: {printable(each.error)}")
        elif each.error:
            tally.unreadable += 1
            model.tell(f"cannot be read: {printable(each.error)}")
        else:
            try:
                pictures.draw(each, name, predictor)
            except InputError as error:
                model.tell(f"cannot be drawn: {printable(error)}")
                tally.undrawn += 1
        yield each
