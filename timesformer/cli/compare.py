"""Compare the tests of runs on the same videos: differences, intervals, tests, deciding videos.

It prints the results side by side, and every difference with its 95 % interval. With --out it writes a
page, compare.json, and every figure as PNG and CSV. With --markdown it prints one table instead, of
OUTPUT_DIRs: what each model is, what it costs, and how accurate it is.

$ timesformer compare output/Motion/divST_6x6_32 output/Motion/spaceOnly_6x6_32 --out output/compared
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT
from timesformer.cli.report import Frames, Group


@command()
def main(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="OUTPUT_DIRs of tested runs, or files of predictions."),
    ],
    common: Annotated[
        bool,
        typer.Option("--common", help="Compare the videos that all lists have, if lists differ."),
    ] = False,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print models, costs and accuracies as a Markdown table."),
    ] = False,
    group: Group = "auto",
    frames: Frames = True,
    out: Annotated[
        Path | None, typer.Option(*OUT, help="Folder for the page and its numbers.")
    ] = None,
) -> None:
    """Print the tables; write the page."""
    from timesformer.evaluation.report import output
    from timesformer.evaluation.report.comparison import build_comparison
    from timesformer.evaluation.report.lines import comparison_lines
    from timesformer.evaluation.report.predictions import read_predictions

    if len(runs) < 2 and out:
        raise typer.BadParameter(
            "--out is for the comparison of two or more runs; name another run"
        )
    if markdown:
        from timesformer.evaluation.model_table import model_table

        print(model_table(runs, names_of(runs), common=common, group=group))
    else:
        _print_results(runs)
    if len(runs) < 2 or (markdown and not out):
        return
    found = [read_predictions(run) for run in runs]
    comparison = build_comparison(found, names=names_of(runs), common=common, group=group)
    if not markdown:
        print("\n".join(comparison_lines(comparison)))
    if out:
        page = output.write_comparison(out, comparison, found, with_frames=frames)
        print(f"\ncomparison: {page}")


def _print_results(runs: Sequence[Path]) -> None:
    """Results and facts of the OUTPUT_DIRs, side by side."""
    from timesformer.evaluation.compare import fact_table, result_table
    from timesformer.files import RESULTS

    tested = [run for run in runs if (run / RESULTS).is_file()]
    if tested or len(runs) < 2:
        print(result_table(tested or runs))
        if facts := fact_table(tested):
            print(f"\n{facts}")
        print()


def names_of(runs: Sequence[Path]) -> list[str]:
    """The last names of the paths, or the whole paths where these are equal; a run again is numbered."""
    short = [run.resolve().name for run in runs]
    counts = Counter(short)
    names: list[str] = []
    for name, run in zip(short, runs, strict=True):
        named = name if counts[name] == 1 else str(run)
        again = sum(run == earlier for earlier in runs[: len(names)])
        names.append(f"{named} ({again + 1})" if again else named)
    return names
