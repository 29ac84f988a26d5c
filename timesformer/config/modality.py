"""What a modality means for other keys: the channels of a clip, and what flow excludes."""

from collections.abc import Callable, Iterator

from yacs.config import CfgNode

RGB, FLOW, BOTH = "rgb", "flow", "rgb+flow"
CHANNELS: dict[str, Callable[[CfgNode], int]] = {
    RGB: lambda cfg: 3,
    FLOW: lambda cfg: 2 * int(cfg.DATA.FLOW.STACK),
    BOTH: lambda cfg: 3 + 2 * int(cfg.DATA.FLOW.STACK),
}
FLOW_METHODS_WITH_WEIGHTS = ("raft_small",)


def num_channels(cfg: CfgNode) -> int:
    """Channels of a clip (B, C, T, H, W), which are those of the model's first layer."""
    return CHANNELS[cfg.DATA.MODALITY](cfg)


def modality_problems(cfg: CfgNode) -> Iterator[str]:
    """Keys that mean nothing to optical flow, or that it needs."""
    if cfg.DATA.MODALITY == FLOW:
        yield from _color_problems(cfg)
    if cfg.DATA.MODALITY != RGB:
        yield from _flow_problems(cfg)


def _color_problems(cfg: CfgNode) -> Iterator[str]:
    aug = cfg.AUG
    for key, is_set in (
        ("DATA.REVERSE_INPUT_CHANNEL", cfg.DATA.REVERSE_INPUT_CHANNEL),
        ("AUG.AUTO_AUGMENT", aug.AUTO_AUGMENT),
        ("AUG.COLOR_JITTER", any(aug.COLOR_JITTER)),
        ("AUG.GRAYSCALE_PROB", aug.GRAYSCALE_PROB),
        ("AUG.BLUR_PROB", aug.BLUR_PROB),
        ("AUG.ERASING_PROB", aug.ERASING_PROB),
    ):
        if is_set:
            yield f"{key} changes colours, but DATA.MODALITY is flow; leave {key} at its default"


def _flow_problems(cfg: CfgNode) -> Iterator[str]:
    flow = cfg.DATA.FLOW
    if flow.METHOD in FLOW_METHODS_WITH_WEIGHTS and not (flow.WEIGHTS or flow.CACHE):
        yield (
            f"DATA.FLOW.METHOD is {flow.METHOD}, whose weights are a file; set DATA.FLOW.WEIGHTS to "
            "it, or DATA.FLOW.CACHE to what `timesformer extract-flow` wrote"
        )
    if flow.CACHE and "ssv2" in _datasets(cfg):
        yield (
            "DATA.FLOW.CACHE holds the flow of the videos of a list `path label`, but the data set is "
            "ssv2; leave DATA.FLOW.CACHE empty"
        )


def _datasets(cfg: CfgNode) -> set[str]:
    """The data sets of the parts of a run that are enabled."""
    return {cfg[part].DATASET for part in ("TRAIN", "TEST") if cfg[part].ENABLE}
