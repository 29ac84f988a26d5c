"""Show the test results of runs side by side.

$ timesformer compare output/Motion/divST_6x6_32 output/Motion/spaceOnly_6x6_32
"""

from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command


@command()
def main(
    runs: Annotated[
        list[Path], typer.Argument(metavar="OUTPUT_DIR", help="Folders of tested runs.")
    ],
) -> None:
    """Print the tables, and where the files are."""
    from timesformer.evaluation.compare import fact_table, result_table
    from timesformer.files import CHECKPOINTS, CLASSES, LOG, PREDICTIONS, RESULTS, RUN_RECORD

    print(result_table(runs))
    if facts := fact_table(runs):
        print(f"\n{facts}")
    print()
    for folder in runs:
        names = [LOG, f"{CHECKPOINTS}/", PREDICTIONS, CLASSES, RESULTS, RUN_RECORD]
        print(f"{folder}: {', '.join(names)}")
