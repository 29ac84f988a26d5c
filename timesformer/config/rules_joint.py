"""Rules of a training on two lists: DATA.EXTRA_TRAIN."""

from collections.abc import Iterator

from yacs.config import CfgNode


def joint_problems(cfg: CfgNode) -> Iterator[str]:
    """Keys that a classifier for each list excludes."""
    if not (cfg.DATA.EXTRA_TRAIN and cfg.TRAIN.ENABLE):
        return
    for key, refused, reason, remedy in (
        (
            "MODEL.LOSS_FUNC",
            cfg.MODEL.LOSS_FUNC != "cross_entropy",
            "must be cross_entropy",
            "cross_entropy",
        ),
        ("DATA.MULTI_LABEL", cfg.DATA.MULTI_LABEL, "needs one classifier", "False"),
        ("MIXUP.ENABLED", cfg.MIXUP.ENABLED, "mixes clips of both lists", "False"),
        ("DATA.OVERFIT_BATCHES", cfg.DATA.OVERFIT_BATCHES, "trains on one list", "0"),
    ):
        if refused:
            yield (
                f"{key} {reason}, but DATA.EXTRA_TRAIN names a second list, which has a classifier of "
                f"its own; set {key} {remedy}, or leave DATA.EXTRA_TRAIN empty"
            )
