"""Trials of a run in a folder of their own, so that no run resumes from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from timesformer.config.tree import changed

# Overfitting turns off everything that keeps the loss above zero, and the test; it does not resume.
_PLAIN = {
    "AUG.AUTO_AUGMENT": "",
    "AUG.COLOR_JITTER": [0.0] * 4,
    "AUG.GRAYSCALE_PROB": 0,
    "AUG.BLUR_PROB": 0,
    "AUG.ERASING_PROB": 0,
    "AUG.NUM_REPEATS": 1,
    "MIXUP.ENABLED": False,
    "SOLVER.LABEL_SMOOTHING": 0,
    "TIMESFORMER.DROP_RATE": 0,
    "TIMESFORMER.ATTN_DROP_RATE": 0,
    "TIMESFORMER.DROP_PATH_RATE": 0,
    "TRAIN.SAMPLER": "uniform",
    "TRAIN.RANDOM_VALIDATION": False,
    "TRAIN.AUTO_RESUME": False,
    "TRAIN.EVAL_PERIOD": 1,
    "TEST.ENABLE": False,
}


def overfit(cfg: CfgNode, num_batches: int) -> CfgNode:
    """``cfg`` that trains on ``num_batches`` batches again and again, in OUTPUT_DIR/overfit."""
    values = {"TRAIN.ENABLE": True, "DATA.OVERFIT_BATCHES": num_batches, **_PLAIN}
    return in_folder(cfg, "overfit", values)


def in_folder(cfg: CfgNode, name: str, values: Mapping[str, Any]) -> CfgNode:
    """``cfg`` changed by ``values``, in OUTPUT_DIR/``name``."""
    return changed(cfg, {"OUTPUT_DIR": str(Path(cfg.OUTPUT_DIR) / name), **values})
