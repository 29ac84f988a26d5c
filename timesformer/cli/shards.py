"""Pack the videos of lists into tar shards of the WebDataset layout, with lists that name them.

Videos lie in the shards in an order drawn from --seed, for readers that go through them one after the
other; the list keeps its order, so training from it gives the same clips as from the files. The same
arguments give the same bytes, and the same command resumes after an interruption.

$ timesformer shards data/kinetics/train.csv data/kinetics/val.csv --out /fast/kinetics
$ timesformer train --cfg my.yaml DATA.PATH_TO_DATA_DIR /fast/kinetics
"""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def byte_size(text: str) -> int:
    """A number of bytes of 256MB, 1GB, 1000000."""
    match = re.fullmatch(r"(\d+)([KMG]B)?", str(text).strip().upper())
    if not match or not int(match[1]):
        raise typer.BadParameter(f"{text!r} is not a size; write it as 256MB or 1GB")
    return int(match[1]) * UNITS[match[2] or ""]


@command(interrupted="the same command resumes")
def main(
    lists: Annotated[list[Path], typer.Argument(help="CSV files of lines `path label`.")],
    out: Annotated[Path, typer.Option(*OUT, help="Folder to write.")],
    prefix: Annotated[str, typer.Option(help="Folder or URL of the videos.")] = "",
    separator: Annotated[str, typer.Option(help="Between path and label.")] = " ",
    shard_size: Annotated[
        int,
        typer.Option(
            parser=byte_size,
            metavar="SIZE",
            show_default="256MB",
            help="Of a tar at most, as 256MB or 1GB.",
        ),
    ] = 256 * UNITS["MB"],
    seed: Annotated[int, typer.Option(min=0, help="Decides the order in shards.")] = 0,
    verify: Annotated[bool, typer.Option("--verify", help="Read every shard back.")] = False,
) -> None:
    """Write shards and lists."""
    clash = len({path.name for path in lists}) < len(lists)
    if clash or any(os.path.abspath(path.parent) == os.path.abspath(out) for path in lists):
        raise typer.BadParameter("lists need different names, and --out another folder than theirs")
    from timesformer.datasets.pack_shards import make_shards, verify_shards

    for path in lists:
        count, is_new = make_shards(
            path, out, prefix=prefix, separator=separator, shard_size=shard_size, seed=seed
        )
        if not is_new:
            print(f"{out / path.name}: complete already, nothing to do")
        if verify:
            verify_shards(out, path.stem)
        print(f"{out / path.name}: {count} shards" + ", verified" * verify)
