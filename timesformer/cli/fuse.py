"""Fuse the predictions of runs: the weighted mean of their class probabilities, as a run of its own.

RUN is the OUTPUT_DIR of a test, or a file of predictions, also of other programs. Without --weights all
count alike; `--weights auto` fits them on the predictions of val, never on those of the test, and needs
a test with TEST.SPLIT val of each run. The folder of --out is like that of a test.

$ timesformer fuse output/rgb output/flow --weights 0.7 0.3 --out output/fused
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT


def known_weights(words: list[str]) -> list[str]:
    """The callback of --weights."""
    for word in [] if words == ["auto"] else words:
        try:
            number = float(word)
        except ValueError:
            raise typer.BadParameter(f"{word!r} is not a number; or write auto alone") from None
        if not (math.isfinite(number) and number >= 0):
            raise typer.BadParameter(f"{word} is not a number from 0")
    return words


@command()
def main(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="OUTPUT_DIRs of tested runs, or files of predictions."),
    ],
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder to write.")],
    weights: Annotated[
        list[str],
        typer.Option(
            metavar="NUMBER...|auto",
            default_factory=list,
            show_default="equal",
            callback=known_weights,
            help="One for each run, or auto.",
        ),
    ],
    common: Annotated[
        bool,
        typer.Option("--common", help="Fuse the videos that all lists have, if lists differ."),
    ] = False,
) -> None:
    """Write the folder, and print weights and accuracy."""
    from timesformer.evaluation.report.fuse import fuse
    from timesformer.evaluation.report.fused_run import check_folder, weights_line, write_run
    from timesformer.files import result_files
    from timesformer.io.terminal import printable
    from timesformer.runtime import screen

    check_folder(out, runs)
    fusion = fuse(runs, weights=weights, common=common)
    results = write_run(out, fusion)
    print(printable(f"fusion: {weights_line(fusion.test)}"))
    if fusion.why_no_val:
        print(printable(f"val is not fused: {fusion.why_no_val}"))
    files = [*result_files("test"), *result_files("val")]
    print(screen.results(results, out, [name for name in files if (out / name).is_file()]))
