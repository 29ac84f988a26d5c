"""Draw the curves of one or several runs into one picture.

The picture shows the training loss (thin: as logged, thick: smoothed), validation with the best one
starred, the learning rate and the throughput, over epochs.

$ timesformer plot output/a output/b --out curves.png
"""

from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT


@command()
def main(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="OUTPUT_DIR, or a metrics.csv or stdout.log (also of the published code)."
        ),
    ],
    out: Annotated[Path, typer.Option(*OUT, help="PNG file.")] = Path("curves.png"),
) -> None:
    """Write the picture."""
    from timesformer.evaluation.curves import CurvesError, read_runs
    from timesformer.files import write_atomically
    from timesformer.visualize.training_curves import draw_curves

    if out.suffix.lower() != ".png":
        raise CurvesError(f"--out is {out}, but the picture is a PNG; end the name with .png")
    found = read_runs(runs)
    with write_atomically(out, "wb", option="--out") as file:
        draw_curves(found).savefig(file, format="png")
    print(f"{out}: {', '.join(run.name for run in found)}")
