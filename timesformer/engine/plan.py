"""What a run takes, as text."""

from timesformer.config import CfgNode
from timesformer.datasets import read_list
from timesformer.datasets.list_text import ListError
from timesformer.engine.memory_estimate import Plan
from timesformer.engine.optim import lr_factor
from timesformer.tables import format_table

COLUMNS = ("strategy", "recompute", "clips a GPU and batch", "batches a step", "GiB a GPU", "fits")


def build_facts(cfg: CfgNode, world: int) -> str:
    """What does not depend on memory."""
    try:
        videos = len(read_list(cfg, "train").labels)
        steps = f"{videos * cfg.AUG.NUM_REPEATS // cfg.GLOBAL_BATCH_SIZE} ({videos} videos)"
    except ListError as error:
        steps = f"unknown: {error}"
    solver = cfg.SOLVER
    factor = lr_factor(cfg.GLOBAL_BATCH_SIZE, cfg.SOLVER.LR_REFERENCE_BATCH)
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


def table(found: list[Plan]) -> str:
    """The rows of the plan."""
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
