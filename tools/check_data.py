"""Check a data set before training: python tools/check_data.py FOLDER, or train.csv val.csv ...

Every video is decoded once, in parallel; what was found is kept beside each list
(train.csv.index.csv), so that only new and changed files are scanned again, and training skips the
files that cannot be read. Writes report.csv and report.html.
"""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.errors import InputError
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:  # the scan processes import this file, and need none of it
    from timesformer.config import CfgNode
    from timesformer.datasets.checks.listing import Listing, Problem
    from timesformer.datasets.checks.problems import CheckReport, Shortest
    from timesformer.datasets.checks.scan import Progress, Scan

PRINTED = 20  # problems on the terminal; the reports have all
LONGEST = 20 * 24 * 3600.0  # seconds that the system can wait for; stands for no limit
DETAIL_WIDTH = 90  # characters of a detail on the terminal


@command("check_data.py", interrupted="what was scanned is kept, the same command goes on")
def main(argv: list[str] | None = None) -> int:
    """Check and report; returns 0, 1 for problems with --strict, 2 for input that cannot be used."""
    arguments = parse_arguments(argv)
    problems = check(arguments)
    return 1 if arguments.strict and problems else 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(
        keys=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("lists", nargs="+", type=Path, metavar="LIST", help="lists of one data set, or its folder")
    add("--cfg", metavar="FILE", help="YAML file: clip length, NUM_CLASSES, DATA.PATH_PREFIX")
    add("--min-frames", type=_positive, metavar="N", help="fewer are too short (default: the clip)")
    add("--num-classes", type=_positive, metavar="N", help="labels are 0 .. N - 1")
    add("--prefix", default="", metavar="DIR", help="folder of the videos (default: of --cfg)")
    add("--separator", default="", metavar="C", help="between path and label (default: of --cfg)")
    add(
        *SPELLINGS["workers"],
        dest="workers",
        type=_positive,
        metavar="N",
        help="processes (default: one a core)",
    )
    add("--timeout", type=float, default=120, metavar="S",
        help="seconds that one video may take (default: %(default)s)")  # fmt: skip
    add("--again", action="store_true", help="scan files with a problem again, though unchanged")
    add("--strict", action="store_true", help="exit with status 1 if there is any problem")
    add(
        *SPELLINGS["out"],
        dest="out",
        type=Path,
        metavar="DIR",
        help="for the reports (default: check/ beside the list)",
    )
    add("--strips", type=_natural, default=60, metavar="N",
        help="classes of which the page shows frames (default: %(default)s)")  # fmt: skip
    arguments = parser.parse_args(argv)
    if not arguments.timeout > 0:
        parser.error(f"argument --timeout: {arguments.timeout:g} must be more than 0 seconds")
    arguments.timeout = min(arguments.timeout, LONGEST)
    return arguments


def check(arguments: argparse.Namespace) -> "list[Problem]":
    """Scan, print, write the reports; returns the problems.

    Raises:
        ConfigError: the configuration cannot be used.
        ListError: a list, or an index, cannot be used.
        OSError: an index or a report cannot be written.
    """
    from timesformer.datasets.checks.clip_advice import PUBLISHED, clip_advice, short_lines
    from timesformer.datasets.checks.inspection import inspect_video
    from timesformer.datasets.checks.listing import find_lists, read_listing
    from timesformer.datasets.checks.problems import find_problems
    from timesformer.datasets.checks.scan import default_workers, scan
    from timesformer.datasets.durations import build_clip_shape

    cfg = _load(arguments.cfg, arguments.opts)
    prefix = arguments.prefix or (cfg.DATA.PATH_PREFIX if cfg else "")
    separator = arguments.separator or (cfg.DATA.PATH_LABEL_SEPARATOR if cfg else " ")
    num_classes = arguments.num_classes or (cfg.MODEL.NUM_CLASSES if cfg else None)
    files = find_lists(arguments.lists)
    listings = [read_listing(file, prefix=prefix, separator=separator) for file in files]
    out = reports_folder(arguments.out, files[0].parent / "check", cfg)
    workers = arguments.workers or default_workers()
    done = scan(
        listings,
        workers=workers,
        seconds=arguments.timeout,
        again=arguments.again,
        progress=_bar("scan"),
        inspect=inspect_video,
        elsewhere=out,
    )
    shortest = clip_length(cfg, arguments.min_frames)
    report = find_problems(listings, done.rows, num_classes=num_classes, shortest=shortest)
    summary = summarize(listings, done, report, num_classes)
    shape = build_clip_shape(cfg) if cfg else None
    longest = shape if cfg else PUBLISHED
    summary += clip_advice(listings, done.rows, longest, is_configured=cfg is not None)
    write_csv(out / "report.csv", [*report.problems, *report.notes])
    strips = draw_strips(listings, done, arguments.strips, workers, arguments.timeout)
    write_page(out / "report.html", report, summary, strips, class_names_beside(files[0]))
    short = list(short_lines(report.problems, listings, shape))
    print_report(report, summary, short)
    print(f"\nreports: {out / 'report.csv'}, {out / 'report.html'}")
    return report.problems


def reports_folder(given: "Path | None", beside: Path, cfg: "CfgNode | None") -> Path:
    """``--out``, else ``check`` beside the list, else in OUTPUT_DIR if the list's folder is read-only.

    Raises:
        WriteError: none of them can be made.
    """
    from timesformer.files import write_error

    folders = [given] if given else [beside]
    if cfg and not given:
        folders.append(Path(cfg.OUTPUT_DIR) / "check")
    refused = None
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            refused = error
            continue
        if os.access(folder, os.W_OK):
            return folder
        refused = OSError("permission denied, or read-only")
    raise write_error(
        folders[-1], refused or OSError(), option="pass another --out DIR:"
    ) from refused


def clip_length(cfg: "CfgNode | None", min_frames: int | None) -> "Shortest":
    """The frames that a video of some rate must have, by --min-frames, else by the configuration."""
    if min_frames is not None or cfg is None:
        return lambda fps: min_frames or 1
    if cfg.TRAIN.DATASET == "ssv2":
        return lambda fps: cfg.DATA.NUM_FRAMES
    from timesformer.video.sampling import ClipShape

    shape = ClipShape(cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, cfg.DATA.TARGET_FPS)
    return lambda fps: int(shape.span(fps))


def summarize(
    listings: "list[Listing]", done: "Scan", report: "CheckReport", num_classes: int | None
) -> list[tuple[str, str]]:
    """Names and values for the head of the reports."""
    rows = done.rows.values()
    hours = sum(row.frames / row.fps for row in rows if row.fps) / 3600
    size = sum(row.size for row in rows) / 1e9
    labels = report.histogram
    classes = f"{len(labels)}, labels {min(labels)} .. {max(labels)}"
    wanted = f"{report.suggested_classes} (suggested: the highest label + 1)"
    if num_classes is not None:
        wanted = f"{num_classes} (given); the highest label + 1 is {report.suggested_classes}"
    return [
        *((each.file.name, f"{len(each.entries)} videos") for each in listings),
        ("files", f"{len(done.rows)}: {done.scanned} scanned, {done.reused} known from the index"),
        ("material", f"{sum(row.frames for row in rows)} frames, {hours:.2f} h, {size:.2f} GB"),
        ("classes", classes),
        ("MODEL.NUM_CLASSES", wanted),
        ("problems", str(len(report.problems))),
    ]


def draw_strips(
    listings: "list[Listing]", done: "Scan", most: int, workers: int, seconds: float
) -> dict[int, tuple[str, bytes]]:
    """Label -> video and JPEG strip, for the first ``most`` classes, of their first sound video."""
    from timesformer.datasets.checks.inspection import thumbnail_strip
    from timesformer.datasets.checks.worker_pool import map_with_timeout

    chosen: dict[int, str] = {}
    for entry in (entry for each in listings for entry in each.entries):
        row = done.rows.get(entry.video)
        if row is not None and not row.problem:
            chosen.setdefault(entry.label, entry.video)
    chosen = dict(sorted(chosen.items())[:most])
    videos = list(dict.fromkeys(chosen.values()))
    results = map_with_timeout(thumbnail_strip, videos, workers=workers, seconds=seconds)
    images = {each.item: each.value for each in _bar("thumbnails")(results, len(videos))}
    return {label: (video, images[video]) for label, video in chosen.items() if images[video]}


def write_csv(path: Path, problems: "list[Problem]") -> None:
    """One row a problem."""
    from timesformer.files import write_atomically
    from timesformer.io.spreadsheet import safe_row

    with write_atomically(path, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "list", "line", "video", "label", "detail"])
        writer.writerows(safe_row(each._replace(line=each.line or "")) for each in problems)


def class_names_beside(file: Path) -> Sequence[str]:
    """The names of the classes beside a list, if there are any."""
    from timesformer.datasets.class_names import ClassNamesError, names_beside

    try:
        return names_beside(file)
    except ClassNamesError as error:
        print(_printable(f"warning: {error}"), file=sys.stderr)
        return ()


def write_page(
    path: Path,
    report: "CheckReport",
    summary: list[tuple[str, str]],
    strips: dict[int, tuple[str, bytes]],
    names: Sequence[str],
) -> None:
    """The HTML page."""
    from timesformer.files import write_atomically
    from timesformer.visualize.data_check import render_data_check

    with write_atomically(path, option="--out") as file:
        file.write(render_data_check(report, summary, strips, names))


def print_report(report: "CheckReport", summary: list[tuple[str, str]], short: list[str]) -> None:
    """The summary, the kinds of problems, and the first of them; of short videos a line a list."""
    from timesformer.datasets.checks.clip_advice import TOO_SHORT

    width = max(len(name) for name, _ in summary)
    for name, value in summary:
        print(_printable(f"{name.ljust(width)}  {value}"))
    if not report.problems:
        print("\nno problems")
    print_kinds([each for each in report.problems if each.kind != TOO_SHORT], report.problems)
    print_kinds(report.notes, report.notes)
    for line in short:
        print(_printable(line))


def print_kinds(named: "Sequence[Problem]", problems: "Sequence[Problem]") -> None:
    """How many ``problems`` of each kind there are, and the first of those to be ``named``."""
    from timesformer.datasets.checks.problems import MEANINGS, count_kinds

    if problems:
        print()
    for kind, count in count_kinds(problems):
        print(f"{count:7d}  {kind}: {MEANINGS[kind]}")
    if named:
        print()
    for problem in named[:PRINTED]:
        where = f"{Path(problem.list_file).name}:{problem.line or ''}".rstrip(":")
        text = f"{where}  {problem.video}".rstrip()
        detail = problem.detail
        if len(detail) > DETAIL_WIDTH:
            detail = detail[: DETAIL_WIDTH - 3] + "..."
        print(_printable(f"{problem.kind}: {text}: {detail}"))
    if len(named) > PRINTED:
        print(f"... and {len(named) - PRINTED} more in the reports")


def _printable(text: str) -> str:
    """``text`` that neither steers the terminal nor is refused by its encoding."""
    from timesformer.io.terminal import printable

    text = printable(text)
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _load(path: str | None, keys: list[str]) -> "CfgNode | None":
    if path is None and keys:
        raise InputError(f"{keys[0]} is a key of a configuration; pass --cfg with its file too")
    if path is None:
        return None
    from timesformer.config import load_config

    return load_config(path, keys)


def _bar(title: str) -> "Progress":
    """A progress bar with rate and time left."""
    from tqdm import tqdm

    from timesformer.io.terminal import hides_bars

    return lambda items, total: tqdm(
        items, total=total, desc=title, unit="video", disable=not total or hides_bars()
    )


def _natural(text: str, least: int = 0) -> int:
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"{value} must be at least {least}")
    return value


def _positive(text: str) -> int:
    return _natural(text, least=1)


if __name__ == "__main__":
    leave(main())
