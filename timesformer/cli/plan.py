"""Say what a run takes, before it is queued.

The memory is that of a model without weights, measured on this machine.

$ timesformer plan --cfg Kinetics/TimeSformer_divST_8x32_224 --gpus 4 --memory 24
"""

from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import GPUS, Cfg, Keys


@command(fails="nothing fits")
def main(
    cfg: Cfg,
    keys: Keys,
    gpus: Annotated[int, typer.Option(*GPUS, min=1, help="Of each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    memory: Annotated[float, typer.Option(min=0, metavar="GIB", help="Of a GPU.")] = 24.0,
) -> int:
    """Print the plan."""
    from timesformer.config import load_config
    from timesformer.engine.memory_estimate import build_facts, build_plans, format_plans

    wanted = {"NUM_GPUS": gpus, "NUM_SHARDS": nodes, "TRAIN.BATCH_SIZE": 0, "TEST.ENABLE": False}
    config = load_config(cfg, [*keys, *(str(word) for pair in wanted.items() for word in pair)])
    found = list(build_plans(config, world=gpus * nodes, memory_gib=memory))
    print(build_facts(config, gpus * nodes))
    print(format_plans(found))
    best = next((row for row in found if row.fits), None)
    if best is None:
        print(f"\nnothing fits into {memory:g} GiB: a smaller crop, fewer frames, more GPUs?")
        return 1
    global_batch = best.clips * best.accumulation * gpus * nodes
    print(f"\npass {best.keys(gpus)} GLOBAL_BATCH_SIZE {global_batch}")
    return 0
