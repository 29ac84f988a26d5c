"""What a run takes, before it is queued: python tools/plan.py --cfg FILE --gpus 4 --memory 24."""

import argparse
from typing import TYPE_CHECKING

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:
    from timesformer.config import CfgNode
    from timesformer.engine.memory_estimate import Plan

COLUMNS = ("strategy", "recompute", "clips a GPU and batch", "batches a step", "GiB a GPU", "fits")


@command("plan.py")
def main() -> int:
    """Print the plan; 1 if nothing fits, 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.config import load_config

    keys = {"NUM_GPUS": arguments.gpus, "NUM_SHARDS": arguments.nodes, "TRAIN.BATCH_SIZE": 0}
    keys |= {"TEST.ENABLE": False}
    cfg = load_config(
        arguments.cfg,
        [*arguments.opts, *(str(text) for pair in keys.items() for text in pair)],
    )
    from timesformer.engine.memory_estimate import build_plans

    world = arguments.gpus * arguments.nodes
    found = list(build_plans(cfg, world=world, memory_gib=arguments.memory))
    print(facts(cfg, world))
    print(table(found))
    best = next((row for row in found if row.fits), None)
    if best is None:
        print(
            f"\nnothing fits into {arguments.memory:g} GiB: a smaller crop, fewer frames, more GPUs?"
        )
        return 1
    print(f"\npass {best.keys(arguments.gpus)} GLOBAL_BATCH_SIZE {cfg.GLOBAL_BATCH_SIZE}")
    return 0


def parse_arguments() -> argparse.Namespace:
    """The options."""
    parser = Parser(description=__doc__, keys=True)
    parser.add_argument("--cfg", required=True, metavar="FILE", help="YAML file of configs/")
    parser.add_argument(
        *SPELLINGS["gpus"], dest="gpus", type=positive, default=1, help="of each machine"
    )
    parser.add_argument("--nodes", type=positive, default=1, help="machines")
    parser.add_argument("--memory", type=float, default=24.0, metavar="GIB", help="of a GPU")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


def facts(cfg: "CfgNode", world: int) -> str:
    """What does not depend on memory."""
    from timesformer.datasets import read_list
    from timesformer.datasets.list_text import ListError
    from timesformer.engine.optim import lr_factor

    try:
        videos = len(read_list(cfg, "train").labels)
        steps = f"{videos * cfg.AUG.NUM_REPEATS // cfg.GLOBAL_BATCH_SIZE} ({videos} videos)"
    except ListError as error:
        steps = f"unknown: {error}"
    solver, factor = cfg.SOLVER, lr_factor(cfg)
    scaled = "" if factor == 1 else f" ({solver.BASE_LR:g} times {factor:g})"
    return (
        f"processes          {world}, one a GPU, with {cfg.DATA_LOADER.NUM_WORKERS} loader "
        "processes each at most\n"
        f"clips a step       {cfg.GLOBAL_BATCH_SIZE}, {cfg.GLOBAL_BATCH_SIZE // world} of each GPU\n"
        f"steps an epoch     {steps}\n"
        f"learning rate      {solver.BASE_LR * factor:g}{scaled}\n"
        f"clip               {cfg.DATA.NUM_FRAMES} x {cfg.DATA.TRAIN_CROP_SIZE}², "
        f"{cfg.TRAIN.PRECISION}, {solver.OPTIMIZING_METHOD}\n"
    )


def table(found: "list[Plan]") -> str:
    """The rows of the plan."""
    from timesformer.tables import format_table

    cells = [
        (
            row.strategy,
            "all blocks" if row.checkpoint else "no",
            str(row.clips),
            str(row.accumulation),
            f"{row.gib:.1f}",
            "yes" if row.fits else "no",
        )
        for row in found
    ]
    return format_table([COLUMNS, *cells])


if __name__ == "__main__":
    leave(main())
