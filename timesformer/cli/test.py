"""Test a model as a configuration says, without training it.

The weights are those of --weights, or the newest or best checkpoint of the run.

$ timesformer test --cfg Kinetics/TimeSformer_divST_8x32_224 --weights K400.pyth
"""

from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import WEIGHTS
from timesformer.cli.run_options import RunOptions

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
) -> None:
    """Run the test alone."""
    from timesformer.engine.run import launch_run

    cfg = run.load({"TEST.CHECKPOINT_FILE_PATH": weights, "TEST.SPLIT": split}, *ONLY_TEST)
    launch_run(cfg, init_method=run.init_method)
