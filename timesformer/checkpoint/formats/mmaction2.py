"""Weights with the names of OpenMMLab's mmaction2 to ours; all three published schemes."""

from timesformer.checkpoint.formats.image_vit import canonical
from timesformer.checkpoint.formats.weights import Rules, State, Weights, has, rename, split

PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3}  # of all its recipes, 127.5 of 255

_COMMON: Rules = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^(cls_head\.)?fc_cls\.", "head."),
    (r"^transformer_layers\.layers\.(\d+)\.", r"blocks.\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ffns\.0\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.ffns\.0\.layers\.1\.", ".mlp.fc2."),
)
_ONE_STEP: Rules = (
    (r"\.attentions\.0\.attn\.", ".attn."),
    (r"\.norms\.0\.", ".norm1."),
    (r"\.norms\.1\.", ".norm2."),
)
_TWO_STEPS: Rules = (
    (r"\.attentions\.0\.(norm\.|attn\.|temporal_fc\.)", r".temporal_\1"),
    (r"\.temporal_temporal_fc\.", ".temporal_fc."),
    (r"\.temporal_norm\.", ".temporal_norm1."),
    (r"\.attentions\.1\.attn\.", ".attn."),
    (r"\.attentions\.1\.norm\.", ".norm1."),
    (r"\.ffns\.0\.norm\.", ".norm2."),
)


def is_mmaction2(state: State) -> bool:
    """A TimeSformer of mmaction2."""
    return has(state, "patch_embed.projection.weight") and any(
        "transformer_layers.layers.0.attentions.0." in name for name in state
    )


def from_mmaction2(state: State) -> Weights:
    """Weights with mmaction2's names; with two attentions a block, the first is over time."""
    inner, outer = split(state, "patch_embed.projection.weight")
    divided = any(".attentions.1." in name for name in inner)
    rules = _COMMON + (_TWO_STEPS if divided else _ONE_STEP)
    found = canonical(rename(inner | outer, rules))
    found.format = "mmaction2 TimeSformer"
    found.about["preprocessing"] = dict(PIXELS)
    return found
