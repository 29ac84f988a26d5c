"""Report on a tested run: how good, how sure, what is confused with what, which videos to look at.

It needs the predictions alone, no model: those of a run, or a file of another program. It writes
RUN/report/index.html (one page without scripts of others or network), report.json, per_class.csv and every
figure as PNG and CSV.

$ timesformer report output/Motion/spaceOnly_6x6_32
$ timesformer report output/mine --temperature val --group film
"""

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT

if TYPE_CHECKING:
    from timesformer.evaluation.report.predictions import Predictions
    from timesformer.evaluation.report.temperature import Temperature

GROUP_HELP = (
    "What a group of dependent videos is: a column of the predictions, a CSV with the columns path and "
    "group, ucf101 (by names), file (parts of one file), none, or auto."
)
Group = Annotated[str, typer.Option(help=GROUP_HELP)]
Frames = Annotated[bool, typer.Option("--frames/--no-frames", help="Show frames of the videos.")]


@command()
def main(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="OUTPUT_DIR of a test, or a CSV or pickle of predictions."
        ),
    ],
    split: Annotated[
        Literal["test", "val"], typer.Option(help="Whose predictions of the folder.")
    ] = "test",
    group: Group = "auto",
    temperature: Annotated[
        str | None,
        typer.Option(
            metavar="val|FILE",
            help="Fit a temperature on the val predictions of the run, or on others, and store it in the "
            "weights if they lie in the run.",
        ),
    ] = None,
    store: Annotated[
        bool | None,
        typer.Option("--store/--no-store", help="Store it in any weights, or in none."),
    ] = None,
    views: Annotated[
        bool, typer.Option("--views", help="Accuracy by views, of a test with TEST.SAVE_VIEWS.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Show the change of each class against it.")
    ] = None,
    train_list: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Training list; default: that of the run."),
    ] = None,
    frames: Frames = True,
    out: Annotated[
        Path | None,
        typer.Option(
            *OUT,
            help="Default: report/ in the run; report-val/ of --split val, report-paper/ of a protocol.",
        ),
    ] = None,
) -> None:
    """Write the report, and print its head."""
    from timesformer.evaluation.report import output
    from timesformer.evaluation.report.lines import report_lines
    from timesformer.evaluation.report.predictions import read_predictions
    from timesformer.evaluation.report.report import build_report
    from timesformer.evaluation.report.temperature import find_temperature
    from timesformer.evaluation.report.train_list import find_train_list, read_train_list
    from timesformer.io.terminal import printable

    if store is not None and temperature is None:
        raise typer.BadParameter("--store is for a temperature; add --temperature val")
    found = read_predictions(run, split=split)
    other = read_predictions(against, split=split) if against else None
    fitted = find_temperature(found, temperature) if temperature else None
    listed = train_list or find_train_list(found)
    report = build_report(
        found,
        group=group,
        temperature=fitted,
        against=other,
        train=read_train_list(listed, found) if listed else None,
        with_views=views,
    )
    folder = out or default_folder(found)
    page = output.write_report(folder, report, [found], with_frames=frames)
    print("\n".join(report_lines(report)))
    if fitted:
        print(printable(store_fitted(found, fitted, store)))
    print(f"\nreport: {printable(page)}")


def default_folder(predictions: "Predictions") -> Path:
    """Where the report goes: report/ beside the predictions of a run.

    Other lists, protocols and files of other programs have their own.
    """
    from timesformer.files import PREDICTIONS, TESTED_PROTOCOLS, TESTED_SPLITS, report_folder

    record = predictions.record
    split = record.split if record.split in TESTED_SPLITS else "test"
    protocol = record.protocol if record.protocol in TESTED_PROTOCOLS else ""
    folder = report_folder(split, protocol)
    if folder == report_folder("test", "") and predictions.origin.name != PREDICTIONS:
        folder += f"-{predictions.origin.stem}"
    return predictions.origin.parent / folder


def store_fitted(predictions: "Predictions", fitted: "Temperature", store: bool | None) -> str:
    """Store a temperature in the weights that were tested; returns what was done, as a line."""
    named = tested_weights(predictions)
    if store is False:
        return "The temperature is stored nowhere."
    if not named or not Path(named).exists():
        return f"The temperature is not stored: the weights {named or 'of the test'} are not here."
    inside = predictions.origin.parent.resolve() in Path(named).resolve().parents
    if not (inside or store):
        return f"The temperature is not stored: {named} is not in the run; --store writes it there."
    from timesformer.checkpoint.temperature import store_temperature

    facts = {"list": fitted.fitted_on, "sha256": fitted.sha256, "videos": fitted.videos}
    store_temperature(named, fitted.value, facts)
    return f"The temperature is stored in {named}; timesformer predict uses it."


def tested_weights(predictions: "Predictions") -> str | None:
    """The weights of the test, None if unknown; in a run that was moved, those of its own folder."""
    from timesformer.files import CHECKPOINTS

    named = predictions.record.result("weights")
    if not isinstance(named, str):
        return None
    own = predictions.origin.parent / CHECKPOINTS / PurePath(named).name
    return str(own) if own.exists() and not Path(named).exists() else named
