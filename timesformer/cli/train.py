"""Train and test a model as a configuration says.

A recipe is found by its name, a configuration of your own by its path. The same command again
resumes after the newest checkpoint.

$ timesformer train --cfg Motion/divST_6x6_32 SOLVER.MAX_EPOCH 3
$ torchrun --nproc-per-node 4 -m timesformer train --cfg my.yaml NUM_GPUS 4
"""

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesformer.cli.app import command
from timesformer.cli.run_options import RunOptions

if TYPE_CHECKING:
    from timesformer.config import CfgNode


def minutes(text: str) -> float:
    """A time above 0, in minutes, of ``HH:MM:SS`` or minutes."""
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not 0 < sum(values) < float("inf") or min(values) < 0:
        raise typer.BadParameter(f"{text} is not a time; write HH:MM:SS or minutes")
    if len(values) == 1:
        return values[0]
    return values[0] * 60 + values[1] + values[2] / 60


def trial(*names: str, **more: Any) -> Any:
    """An option of the panel of trials."""
    return typer.Option(*names, rich_help_panel="Trials", **more)


DRY_RUN = (
    "Build everything, make two steps, a batch of each evaluation, write a checkpoint and read it "
    "back, in OUTPUT_DIR/dry-run; then say what the whole run needs."
)
OVERFIT = (
    "Train on N batches again and again, without augmentation and drops, and validate on the same, in "
    "OUTPUT_DIR/overfit: the loss has to go to zero."
)
PROFILE = (
    "N steps under PyTorch's profiler, in OUTPUT_DIR/profile: a table of where the time goes, and a "
    "trace for chrome://tracing or Perfetto."
)
MAX_TIME = "HH:MM:SS or minutes, after which the run saves and ends; the same command resumes it."
OVERRIDE = "Resume although the configuration or the lists differ from those of the checkpoint."
LIMIT_TRAIN = "Batches of an epoch: a number, or a share below 1."


@command()
def main(
    run: RunOptions,
    seed: Annotated[str | None, typer.Option(metavar="VALUE", help="The key RNG_SEED.")] = None,
    max_time: Annotated[
        float | None, typer.Option(parser=minutes, metavar="TIME", help=MAX_TIME)
    ] = None,
    override: Annotated[bool | None, typer.Option("--override", help=OVERRIDE)] = None,
    dry_run: Annotated[bool, trial("--dry-run", help=DRY_RUN)] = False,
    overfit: Annotated[int | None, trial(min=1, metavar="N", help=OVERFIT)] = None,
    profile: Annotated[int | None, trial(min=1, metavar="N", help=PROFILE)] = None,
    limit_train_batches: Annotated[str | None, trial(metavar="N", help=LIMIT_TRAIN)] = None,
) -> None:
    """Run what the configuration says."""
    if dry_run and profile:
        raise typer.BadParameter("--profile and --dry-run are two trials; ask for one of them")
    from timesformer.runtime.local_rank import is_local_rank_zero

    if not is_local_rank_zero():
        logging.getLogger().setLevel(logging.ERROR)
    cfg = run.load(
        {
            "RNG_SEED": seed,
            "TRAIN.MAX_MINUTES": max_time,
            "TRAIN.RESUME_ANYWAY": override,
            "DATA.LIMIT_TRAIN_BATCHES": limit_train_batches,
        }
    )
    if overfit:
        cfg = build_overfit(cfg, overfit)
    from timesformer.engine.dry_run import dry_run as rehearse
    from timesformer.engine.profiler import profile_run
    from timesformer.engine.run import launch_run

    if dry_run:
        if report := rehearse(cfg, init_method=run.init_method):  # of one process
            print(report)
    elif profile:
        profile_run(cfg, profile, init_method=run.init_method)
    else:
        launch_run(cfg, init_method=run.init_method)


def build_overfit(cfg: "CfgNode", num_batches: int) -> "CfgNode":
    """The configuration of --overfit; its folder is emptied of an earlier trial."""
    from timesformer.config.presets import overfit
    from timesformer.files import CHECKPOINTS
    from timesformer.runtime.local_rank import is_main
    from timesformer.runtime.run_lock import emptied

    cfg = overfit(cfg, num_batches)
    if is_main(cfg.SHARD_ID):
        emptied(cfg.OUTPUT_DIR, names={CHECKPOINTS})
    return cfg
