"""Test a model as a configuration says, without training it.

The weights are those of --weights, or the newest or best checkpoint of the run.

$ timesformer test --cfg Kinetics/TimeSformer_divST_8x32_224 --weights K400.pyth
"""

from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import (
    LOCAL_INIT,
    WEIGHTS,
    Cfg,
    InitMethod,
    Keys,
    LimitVal,
    NumShards,
    RunGpus,
    RunOut,
    RunWorkers,
    ShardId,
    key_pairs,
)

ONLY_TEST = ("TRAIN.ENABLE", "False", "TEST.ENABLE", "True")


@command()
def main(
    cfg: Cfg,
    keys: Keys,
    weights: Annotated[
        str | None,
        typer.Option(*WEIGHTS, metavar="FILE", help="The key TEST.CHECKPOINT_FILE_PATH."),
    ] = None,
    out: RunOut = None,
    workers: RunWorkers = None,
    gpus: RunGpus = None,
    num_shards: NumShards = None,
    shard_id: ShardId = None,
    init_method: InitMethod = LOCAL_INIT,
    limit_val_batches: LimitVal = None,
) -> None:
    """Run the test alone."""
    from timesformer.config import load_config
    from timesformer.engine.run import launch_run

    options = key_pairs(
        weights=weights,
        out=out,
        workers=workers,
        gpus=gpus,
        num_shards=num_shards,
        shard_id=shard_id,
        limit_val_batches=limit_val_batches,
    )
    launch_run(load_config(cfg, [*options, *keys, *ONLY_TEST]), init_method=init_method)
