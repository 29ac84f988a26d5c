"""The models a configuration can name: (B, C, T, H, W) -> logits (B, NUM_CLASSES).

Each row of ``MODELS`` is a name, or the prefix of a family, whose names are those of a library.
"""

from timesformer.config import CfgNode
from timesformer.config.keys_model import TIMESFORMERS
from timesformer.config.modality import num_channels
from timesformer.models.baselines import (
    c3d,
    frame_wise,
    huggingface_video,
    pytorchvideo_hub,
    torchvision_video,
    two_stream,
)
from timesformer.models.classifier import Classifier
from timesformer.models.spec import Spec, find_row, find_spec
from timesformer.models.timesformer import TimeSformer

__all__ = [
    "MODELS",
    "TIMESFORMERS",
    "Spec",
    "build_model",
    "find_spec",
    "is_model_name",
    "is_other",
]


def build_model(cfg: CfgNode) -> Classifier:
    """The configured model with freshly drawn weights; reads no file and no network.

    Raises:
        ConfigError: there is no such model.
    """
    return find_spec(MODELS, cfg.MODEL.MODEL_NAME).build(cfg, num_channels(cfg))


def is_model_name(name: str) -> bool:
    """Whether a row of the table is that of ``name``; the family may still have no such model."""
    return find_row(MODELS, name) is not None


def is_other(name: str) -> bool:
    """Whether a row of the table that is not a TimeSformer is that of ``name``."""
    return name not in TIMESFORMERS and is_model_name(name)


def build_timesformer(cfg: CfgNode, in_channels: int) -> TimeSformer:
    """The model of the TIMESFORMER section."""
    return TimeSformer(
        in_channels=in_channels,
        img_size=cfg.DATA.TRAIN_CROP_SIZE,
        num_frames=cfg.DATA.NUM_FRAMES,
        num_classes=cfg.MODEL.NUM_CLASSES,
        attention_type=cfg.TIMESFORMER.ATTENTION_TYPE,
        patch_size=cfg.TIMESFORMER.PATCH_SIZE,
        embed_dim=cfg.TIMESFORMER.EMBED_DIM,
        depth=cfg.TIMESFORMER.DEPTH,
        num_heads=cfg.TIMESFORMER.NUM_HEADS,
        mlp_ratio=cfg.TIMESFORMER.MLP_RATIO,
        drop_rate=cfg.TIMESFORMER.DROP_RATE,
        attn_drop_rate=cfg.TIMESFORMER.ATTN_DROP_RATE,
        drop_path_rate=cfg.TIMESFORMER.DROP_PATH_RATE,
        linear_std=cfg.TIMESFORMER.LINEAR_STD,
        pos_embed_std=cfg.TIMESFORMER.POS_EMBED_STD,
        time_embed_std=cfg.TIMESFORMER.TIME_EMBED_STD,
        norm_eps=cfg.TIMESFORMER.NORM_EPS,
        pre_norm=cfg.TIMESFORMER.PRE_NORM,
    )


_TORCHVISION = Spec(
    torchvision_video.build_torchvision,
    torchvision_video.names,
    defaults=torchvision_video.defaults,
)
_PYTORCHVIDEO = Spec(
    pytorchvideo_hub.build_pytorchvideo,
    pytorchvideo_hub.names,
    defaults=pytorchvideo_hub.defaults,
)
MODELS: dict[str, Spec] = {
    **dict.fromkeys(
        TIMESFORMERS,
        Spec(build_timesformer, lambda: TIMESFORMERS, licence=lambda _: "CC BY-NC 4.0"),
    ),
    "c3d": Spec(c3d.build_c3d, lambda: ["c3d"], defaults=c3d.defaults),
    "r3d_18": _TORCHVISION._replace(names=lambda: ["r3d_18"]),  # named before families had prefixes
    torchvision_video.PREFIX: _TORCHVISION,
    frame_wise.PREFIX: Spec(
        frame_wise.build_frame_wise,
        frame_wise.names,
        layout="frames",
        defaults=frame_wise.defaults,
        licence=frame_wise.licence,
    ),
    two_stream.PREFIX: Spec(
        two_stream.build_two_stream,
        two_stream.names,
        layout="clip+flow",
        defaults=two_stream.defaults,
        licence=two_stream.licence,
    ),
    pytorchvideo_hub.PREFIX: _PYTORCHVIDEO,
    pytorchvideo_hub.SLOW_FAST: _PYTORCHVIDEO._replace(layout="slow_fast"),
    huggingface_video.PREFIX: Spec(
        huggingface_video.build_huggingface,
        lambda: [],
        layout="frames_first",
        defaults=huggingface_video.defaults,
    ),
}
