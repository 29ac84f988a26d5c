"""Test a model as a configuration says, without training it, and report on the result.

The weights are those of --weights, or the newest or best checkpoint of the run. The report is what
`timesformer report` writes, OUTPUT_DIR/report/index.html.

$ timesformer test --cfg Kinetics/TimeSformer_divST_8x32_224 --weights K400.pyth
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from timesformer.cli.app import command
from timesformer.cli.options import WEIGHTS
from timesformer.cli.run_options import RunOptions

if TYPE_CHECKING:
    from timesformer.config import CfgNode

ONLY_TEST = ("TRAIN.ENABLE", "False", "TEST.ENABLE", "True")


@command()
def main(
    run: RunOptions,
    weights: Annotated[
        str | None,
        typer.Option(*WEIGHTS, metavar="FILE", help="The key TEST.CHECKPOINT_FILE_PATH."),
    ] = None,
    split: Annotated[
        Literal["test", "val"] | None,
        typer.Option(help="The list to test on, the key TEST.SPLIT. Default: test."),
    ] = None,
    with_report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write the report of the test.")
    ] = True,
) -> None:
    """Run the test alone; then the report, by the process that starts the run or is its first."""
    from timesformer.engine.run import launch_run

    cfg = run.load({"TEST.CHECKPOINT_FILE_PATH": weights, "TEST.SPLIT": split}, *ONLY_TEST)
    launch_run(cfg, init_method=run.init_method)
    tested = build_tested(cfg)
    if with_report and tested.writes:
        print(f"\nreport: {write_report(tested)}")


class Tested(NamedTuple):
    """Where a test has written, and whether this process is the one that reports on it."""

    folder: str
    split: str
    has_views: bool
    writes: bool


def build_tested(cfg: "CfgNode") -> Tested:
    """The test of a configuration."""
    from timesformer.runtime.local_rank import is_main

    test = cfg.TEST
    return Tested(cfg.OUTPUT_DIR, test.SPLIT, test.SAVE_VIEWS, is_main(cfg.SHARD_ID))


def write_report(tested: Tested) -> Path:
    """Write the report as `timesformer report` does; returns the page."""
    from timesformer.evaluation.report import output
    from timesformer.evaluation.report.predictions import read_predictions
    from timesformer.evaluation.report.report import build_report
    from timesformer.evaluation.report.train_list import find_train_list, read_train_list
    from timesformer.files import report_folder

    found = read_predictions(Path(tested.folder), split=tested.split)
    listed = find_train_list(found)
    train = read_train_list(listed, found) if listed else None
    report = build_report(found, train=train, with_views=tested.has_views)
    folder = Path(tested.folder, report_folder(tested.split))
    return output.write_report(folder, report, [found], with_frames=True)
