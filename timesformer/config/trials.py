"""Trials of a configuration: parts of the data, overfitting, a rehearsal in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

# What --overfit turns off: whatever keeps the loss from going to zero, and the test; it begins anew.
PLAIN = {
    "AUG.AUTO_AUGMENT": "",
    "AUG.COLOR_JITTER": "[0.0, 0.0, 0.0, 0.0]",
    "AUG.GRAYSCALE_PROB": "0",
    "AUG.BLUR_PROB": "0",
    "AUG.ERASING_PROB": "0",
    "AUG.NUM_REPEATS": "1",
    "MIXUP.ENABLED": "False",
    "SOLVER.LABEL_SMOOTHING": "0",
    "TIMESFORMER.DROP_RATE": "0",
    "TIMESFORMER.ATTN_DROP_RATE": "0",
    "TIMESFORMER.DROP_PATH_RATE": "0",
    "TRAIN.SAMPLER": "uniform",
    "TRAIN.RANDOM_VALIDATION": "False",
    "TRAIN.AUTO_RESUME": "False",
    "TRAIN.EVAL_PERIOD": "1",
    "TEST.ENABLE": "False",
}


def overfit_overrides(num_batches: int) -> list[str]:
    """``KEY VALUE ...`` that train on ``num_batches`` batches again and again, as they are."""
    values = {"TRAIN.ENABLE": "True", "DATA.OVERFIT_BATCHES": str(num_batches), **PLAIN}
    return [text for pair in values.items() for text in pair]


def in_folder(cfg: CfgNode, name: str, **changes: Any) -> CfgNode:
    """``cfg`` with OUTPUT_DIR/``name``, so that no run takes it for its own, and other keys.

    ``changes`` have keys as ``TRAIN__BATCH_SIZE``.
    """
    changed = cfg.clone()
    changed.defrost()
    changed.OUTPUT_DIR = str(Path(cfg.OUTPUT_DIR) / name)
    for key, value in changes.items():
        *sections, last = key.split("__")
        node = changed
        for section in sections:
            node = node[section]
        node[last] = value
    changed.freeze()
    return changed


def trial_problems(cfg: CfgNode) -> Iterator[str]:
    """Limits that are neither a whole number nor a share, and what overfitting excludes."""
    for key in ("LIMIT_TRAIN_BATCHES", "LIMIT_VAL_BATCHES"):
        limit = cfg.DATA[key]
        if limit > 1 and limit != int(limit):
            yield (
                f"DATA.{key} is {limit}, but must be a whole number of batches, a share below 1, or "
                f"0 for all; use {int(limit)}"
            )
    if cfg.DATA.OVERFIT_BATCHES and cfg.AUG.NUM_REPEATS > 1:
        yield (
            f"AUG.NUM_REPEATS is {cfg.AUG.NUM_REPEATS}, but DATA.OVERFIT_BATCHES shows one clip of a "
            "video; set it to 1"
        )
