"""The models a configuration can name: (B, 3, T, H, W) -> logits (B, NUM_CLASSES)."""

from collections.abc import Callable

from timesformer.config import CfgNode, ConfigError
from timesformer.config.keys_model import TIMESFORMERS
from timesformer.config.modality import num_channels
from timesformer.models.classifier import Classifier
from timesformer.models.timesformer import TimeSformer
from timesformer.tables import choose


def build_model(cfg: CfgNode) -> Classifier:
    """The configured model with freshly drawn weights; reads no file and no network.

    Raises:
        ConfigError: there is no such model.
    """
    try:
        build = choose(MODELS, cfg.MODEL.MODEL_NAME, key="MODEL.MODEL_NAME")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return build(cfg)


def build_timesformer(cfg: CfgNode) -> TimeSformer:
    """The model of the TIMESFORMER section."""
    return TimeSformer(
        img_size=cfg.DATA.TRAIN_CROP_SIZE,
        num_frames=cfg.DATA.NUM_FRAMES,
        num_classes=cfg.MODEL.NUM_CLASSES,
        in_channels=num_channels(cfg),
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


def build_r3d_18(cfg: CfgNode) -> Classifier:
    """R3D-18; of the configuration it takes classes, frames and size."""
    from timesformer.models.baselines.r3d import R3D18  # torchvision takes long to import

    return R3D18(
        num_classes=cfg.MODEL.NUM_CLASSES,
        num_frames=cfg.DATA.NUM_FRAMES,
        img_size=cfg.DATA.TRAIN_CROP_SIZE,
    )


MODELS: dict[str, Callable[[CfgNode], Classifier]] = {
    **dict.fromkeys(TIMESFORMERS, build_timesformer),
    "r3d_18": build_r3d_18,
}
