"""Train and test a model as a configuration says.

A recipe is found by its name, a configuration of your own by its path. The same command again
resumes after the newest checkpoint.

$ timesformer train --cfg Motion/divST_6x6_32 SOLVER.MAX_EPOCH 3
$ torchrun --nproc-per-node 4 -m timesformer train --cfg my.yaml NUM_GPUS 4
"""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import (
    LOCAL_INIT,
    Cfg,
    InitMethod,
    Keys,
    LimitVal,
    NumShards,
    RunGpus,
    RunOut,
    RunSeed,
    RunWorkers,
    ShardId,
    key_pairs,
)

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


MaxTime = Annotated[
    float | None,
    typer.Option(
        parser=minutes,
        metavar="TIME",
        help="HH:MM:SS or minutes, after which the run saves and ends; the same command resumes it.",
    ),
]
Override = Annotated[
    bool | None,
    typer.Option(
        "--override",
        help="Resume although the configuration or the lists differ from those of the checkpoint.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        rich_help_panel="Trials",
        help="Build everything, make two steps, a batch of each evaluation, write a checkpoint and read "
        "it back, in OUTPUT_DIR/dry-run; then say what the whole run needs.",
    ),
]
Overfit = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel="Trials",
        help="Train on N batches again and again, without augmentation and drops, and validate on the "
        "same, in OUTPUT_DIR/overfit: the loss has to go to zero.",
    ),
]
Profile = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel="Trials",
        help="N steps under PyTorch's profiler, in OUTPUT_DIR/profile: a table of where the time goes, "
        "and a trace for chrome://tracing or Perfetto.",
    ),
]
LimitTrain = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        rich_help_panel="Trials",
        help="Batches of an epoch: a number, or a share below 1.",
    ),
]


@command()
def main(
    cfg: Cfg,
    keys: Keys,
    out: RunOut = None,
    workers: RunWorkers = None,
    gpus: RunGpus = None,
    seed: RunSeed = None,
    num_shards: NumShards = None,
    shard_id: ShardId = None,
    init_method: InitMethod = LOCAL_INIT,
    max_time: MaxTime = None,
    override: Override = None,
    dry_run: DryRun = False,
    overfit: Overfit = None,
    profile: Profile = None,
    limit_train_batches: LimitTrain = None,
    limit_val_batches: LimitVal = None,
) -> None:
    """Run what the configuration says."""
    if dry_run and profile:
        raise typer.BadParameter("--profile and --dry-run are two trials; ask for one of them")
    options = key_pairs(
        out=out,
        workers=workers,
        seed=seed,
        gpus=gpus,
        num_shards=num_shards,
        shard_id=shard_id,
        max_time=max_time,
        override=override,
        limit_train_batches=limit_train_batches,
        limit_val_batches=limit_val_batches,
    )
    from timesformer.config import load_config
    from timesformer.runtime.local_rank import is_local_rank_zero

    if not is_local_rank_zero():
        logging.getLogger().setLevel(logging.ERROR)
    config = load_config(cfg, [*options, *keys])
    if overfit:
        config = build_overfit(config, overfit)
    from timesformer.engine import dry_run as trial_run
    from timesformer.engine.profiler import profile_run
    from timesformer.engine.run import launch_run

    if dry_run:
        if report := trial_run.dry_run(config, init_method=init_method):  # of one process
            print(report)
    elif profile:
        profile_run(config, profile, init_method=init_method)
    else:
        launch_run(config, init_method=init_method)


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
