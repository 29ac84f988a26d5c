"""Check a data set before training.

Every video is decoded once, in parallel; what was found is kept beside each list
(train.csv.index.csv), so that only new and changed files are scanned again, and training skips the
files that cannot be read. Writes report.csv and report.html.

$ timesformer check data/mine
$ timesformer check train.csv val.csv --cfg Kinetics/TimeSformer_divST_8x32_224 --strict
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import CFG_HELP, OUT, Keys, Processes, positive_seconds
from timesformer.errors import InputError
from timesformer.io.terminal import hides_bars, printable

if TYPE_CHECKING:
    from timesformer.config import CfgNode
    from timesformer.datasets.checks.worker_pool import Progress

LONGEST = 20 * 24 * 3600.0  # seconds that the system can wait for; stands for no limit


def time_limit(seconds: float) -> float:
    """The callback of --timeout."""
    return min(positive_seconds(seconds), LONGEST)


@command(
    fails="a problem was found, with --strict",
    interrupted="what was scanned is kept, the same command resumes",
)
def main(
    lists: Annotated[
        list[Path], typer.Argument(readable=False, help="Lists of one data set, or its folder.")
    ],
    keys: Keys,
    cfg: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help=f"Clip length, NUM_CLASSES, PATH_PREFIX. {CFG_HELP}"),
    ] = None,
    min_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Videos with fewer are too short; default: those of the clip."),
    ] = None,
    num_classes: Annotated[int | None, typer.Option(min=1, help="Labels are 0 .. N - 1.")] = None,
    prefix: Annotated[str, typer.Option(help="Folder of the videos; default: of --cfg.")] = "",
    separator: Annotated[str, typer.Option(help="Between path and label; default: of --cfg.")] = "",
    workers: Processes = None,
    timeout: Annotated[
        float,
        typer.Option(callback=time_limit, help="Seconds that one video may take."),
    ] = 120,
    again: Annotated[
        bool, typer.Option("--again", help="Scan files with a problem again, though unchanged.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 if there is any problem.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(*OUT, help="For the reports; default: check/ beside the list."),
    ] = None,
    strips: Annotated[
        int, typer.Option(min=0, help="Classes of which the page shows frames.")
    ] = 60,
) -> int:
    """Scan, print, write the reports."""
    from timesformer.datasets.checks import report
    from timesformer.datasets.checks.clip_advice import PUBLISHED, clip_advice, short_lines
    from timesformer.datasets.checks.expected import build_expected
    from timesformer.datasets.checks.inspection import inspect_video
    from timesformer.datasets.checks.listing import find_lists, read_listing
    from timesformer.datasets.checks.problems import find_problems
    from timesformer.datasets.checks.scan import default_workers, scan
    from timesformer.datasets.durations import build_clip_shape
    from timesformer.files import write_atomically
    from timesformer.visualize.data_check import render_data_check

    config = load(cfg, keys)
    expected = build_expected(
        config,
        prefix=prefix,
        separator=separator,
        num_classes=num_classes,
        min_frames=min_frames,
    )
    files = find_lists(lists)
    listings = [
        read_listing(file, prefix=expected.prefix, separator=expected.separator) for file in files
    ]
    folder = report.reports_folder(out, files[0].parent / "check", expected.reports)
    workers = workers or default_workers()
    done = scan(
        listings,
        workers=workers,
        seconds=timeout,
        again=again,
        progress=bar("scan"),
        inspect=inspect_video,
        elsewhere=folder,
    )
    found = find_problems(
        listings, done.rows, num_classes=expected.num_classes, shortest=expected.shortest
    )
    summary = report.summarize(listings, done, found, expected.num_classes)
    shape = build_clip_shape(config) if config else None
    longest = shape if config else PUBLISHED
    summary += clip_advice(listings, done.rows, longest, is_configured=config is not None)
    report.write_csv(folder / "report.csv", [*found.problems, *found.notes])
    images = report.draw_strips(
        listings, done, strips, workers=workers, seconds=timeout, progress=bar("thumbnails")
    )
    names = class_names_beside(files[0])
    with write_atomically(folder / "report.html", option="--out") as page:
        page.write(render_data_check(found, summary, images, names))
    short = list(short_lines(found.problems, listings, shape))
    for line in report.report_lines(found, summary, short):
        print(encodable(line))
    print(f"\nreports: {folder / 'report.csv'}, {folder / 'report.html'}")
    return 1 if strict and found.problems else 0


def load(cfg: str | None, keys: Sequence[str]) -> "CfgNode | None":
    """The configuration, if one is given.

    Raises:
        InputError: keys without a configuration.
    """
    if cfg is None and keys:
        raise InputError(f"{keys[0]} is a key of a configuration; pass --cfg with its file too")
    if cfg is None:
        return None
    from timesformer.config import load_config

    return load_config(cfg, keys)


def class_names_beside(file: Path) -> Sequence[str]:
    """The names of the classes beside a list, if there are any that can be read."""
    from timesformer.datasets.class_names import ClassNamesError, names_beside

    try:
        return names_beside(file)
    except ClassNamesError as error:
        print(encodable(f"warning: {error}"), file=sys.stderr)
        return ()


def encodable(text: str) -> str:
    """``text`` that neither steers the terminal nor is refused by its encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    lines = (printable(line).encode(encoding, "backslashreplace") for line in text.split("\n"))
    return "\n".join(line.decode(encoding) for line in lines)


def bar(title: str) -> "Progress":
    """A progress bar with rate and time left."""
    from tqdm import tqdm

    return lambda items, total: tqdm(
        items, total=total, desc=title, unit="video", disable=not total or hides_bars()
    )
