"""Compute the optical flow of the videos of lists once, for models that see flow (DATA.MODALITY flow).

Each video is decoded once, and its flow becomes a file in the folder OUT, named by the digest of the
video. The table LIST.flow.csv names it, with its mean motion. The same command resumes an interrupted one.

$ timesformer extract-flow data/train.csv data/val.csv --out flow
$ timesformer train --cfg my.yaml DATA.MODALITY flow DATA.FLOW.CACHE flow
"""

import csv
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, WEIGHTS, Processes


def positive(value: float) -> float:
    """The callback of an option that must be finite and above 0."""
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"{value:g} must be above 0 pixels and finite")
    return value


@command(fails="a video cannot be read", interrupted="the same command resumes")
def main(
    lists: Annotated[
        list[Path], typer.Argument(help="CSV files of lines `path label`; or videos, or folders.")
    ],
    out: Annotated[Path, typer.Option(*OUT, help="Folder to write.")],
    method: Annotated[
        Literal["dis", "farneback", "tvl1", "raft_small"],
        typer.Option(help="tvl1 needs opencv-contrib-python-headless, raft_small --weights."),
    ] = "dis",
    bound: Annotated[
        float, typer.Option(callback=positive, help="Largest motion along an axis, in pixels.")
    ] = 20.0,
    short_side: Annotated[
        int, typer.Option(min=16, help="Larger frames are scaled down to it before.")
    ] = 256,
    apply_rotation: Annotated[
        bool, typer.Option("--apply-rotation", help="Turn frames as a player would.")
    ] = False,
    weights: Annotated[str, typer.Option(*WEIGHTS, help="File of weights of raft_small.")] = "",
    prefix: Annotated[str, typer.Option(help="Folder or URL of the videos.")] = "",
    separator: Annotated[str, typer.Option(help="Between path and label.")] = " ",
    workers: Processes = None,
) -> int:
    """Write the flow, a table of it for each list, and what is in it."""
    if len({path.stem for path in lists}) < len(lists):
        raise typer.BadParameter("lists need different names")
    from timesformer.datasets.extract_flow import extract_flow, listed_sources, table_rows
    from timesformer.files import write_atomically
    from timesformer.inference.videos import LIST_SUFFIXES, find_videos
    from timesformer.io.spreadsheet import safe_row
    from timesformer.video.flow import FlowSettings

    settings = FlowSettings(method, bound, short_side, apply_rotation)
    failures = 0
    for path in lists:
        begun = time.monotonic()
        if path.suffix.lower() in LIST_SUFFIXES:
            sources = listed_sources(path, prefix=prefix, separator=separator)
        else:
            sources = find_videos([str(path)])
        found = extract_flow(
            sources, out, settings, weights=weights, workers=workers or os.cpu_count() or 1
        )
        table = out / f"{path.stem}.flow.csv"
        with write_atomically(table, newline="", option="--out") as file:
            csv.writer(file).writerows(map(safe_row, table_rows(found)))
        broken = [each for each in found if each.meta is None]
        for each in broken:
            print(f"unreadable: {each.error}")
        failures += len(broken)
        fields = sum(each.meta.num_fields for each in found if each.meta)
        old = sum(not each.is_new for each in found if each.meta)
        print(
            f"{table}: {len(found) - len(broken)} videos ({old} were there), {fields} fields, "
            f"{time.monotonic() - begun:.1f} s"
        )
    return 1 if failures else 0
