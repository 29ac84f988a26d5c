"""The models a configuration can name: (B, 3, T, H, W) -> logits (B, NUM_CLASSES)."""

from torch import nn

from timesformer.config import CfgNode
from timesformer.models.timesformer import TimeSformer
from timesformer.tables import choose


def build_model(cfg: CfgNode) -> nn.Module:
    """The configured model with freshly drawn weights; reads no file and no network."""
    return choose(MODELS, cfg.MODEL.MODEL_NAME, key="MODEL.MODEL_NAME")(cfg)


def _timesformer(cfg: CfgNode) -> TimeSformer:
    return TimeSformer(
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


MODELS = {
    "vit_base_patch16_224": _timesformer,  # the published name, for any size
    "TimeSformer": _timesformer,
}
