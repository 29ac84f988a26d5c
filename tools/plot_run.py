"""Curves of one or several runs in one picture: plot_run.py RUN RUN ... [--out FILE.png].

Training loss (thin: as logged; thick: smoothed), validation with the best one starred, learning
rate, and throughput, over epochs.
"""

import argparse
from pathlib import Path

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.runtime.command import command, leave


@command("plot_run.py")
def main() -> int:
    """Write the picture; status 2 for a run that cannot be drawn."""
    arguments = parse_arguments()
    from timesformer.files import write_atomically
    from timesformer.visualize.training_curves import CurvesError, draw, read_runs

    out: Path = arguments.out
    if out.suffix.lower() != ".png":
        raise CurvesError(f"--out is {out}, but the picture is a PNG; end the name with .png")
    runs = read_runs(arguments.runs)
    with write_atomically(out, "wb", option="--out") as file:
        draw(runs).savefig(file, format="png")
    print(f"{out}: {', '.join(run.name for run in runs)}")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Runs, and where the picture goes."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="an OUTPUT_DIR, or a metrics.csv or stdout.log (of the published code too)",
    )
    parser.add_argument(
        *SPELLINGS["out"],
        dest="out",
        type=Path,
        default=Path("curves.png"),
        metavar="FILE.png",
        help="default: %(default)s",
    )
    return parser.parse_args()


if __name__ == "__main__":
    leave(main())
