"""Weights with the names of Hugging Face transformers to ours, and what a config.json says.

TimeSformer, ViT, DeiT and DINOv2 have one family of names, CLIP and SigLIP another.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch

from timesformer.checkpoint.formats.image_vit import CLIP_EPS, canonical, drop, is_video
from timesformer.checkpoint.formats.weights import (
    FormatError,
    Rules,
    State,
    Weights,
    has,
    rename,
    split,
)
from timesformer.config.hf_config import read_pixels

_VIT_ANCHOR = "embeddings.patch_embeddings.projection.weight"
_CLIP_ANCHOR = "embeddings.patch_embedding.weight"
_VIT: Rules = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.time_embeddings$", "time_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^layernorm\.", "norm."),
    (r"^(cls_)?classifier\.", "head."),
    (r"^distillation_classifier\.", "head_dist."),
    (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"\.(temporal_)?attention\.attention\.(\w+)\.", r".\1attn.\2."),
    (r"\.(temporal_)?attention\.output\.dense\.", r".\1attn.proj."),
    (r"\.temporal_layernorm\.", ".temporal_norm1."),
    (r"\.temporal_dense\.", ".temporal_fc."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
)
_CLIP: Rules = (
    (r"^embeddings\.class_embedding$", "cls_token"),
    (r"^embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"^embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"^pre_lay(er|r)norm\.", "norm_pre."),
    (r"^post_layernorm\.", "norm."),
    (r"^head\.", "attn_pool."),
    (r"^encoder\.layers\.(\d+)\.", r"blocks.\1."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.self_attn\.q_proj\.", ".attn.query."),
    (r"\.self_attn\.k_proj\.", ".attn.key."),
    (r"\.self_attn\.v_proj\.", ".attn.value."),
    (r"\.layer_norm([12])\.", r".norm\1."),
)


def is_vit(state: State) -> bool:
    """TimeSformer, ViT, DeiT or DINOv2 of transformers."""
    return has(state, _VIT_ANCHOR)


def is_clip(state: State) -> bool:
    """CLIP or SigLIP of transformers."""
    return has(state, _CLIP_ANCHOR)


def from_vit(state: State) -> Weights:
    """Weights with the names of TimeSformer, ViT, DeiT and DINOv2 in transformers."""
    inner, outer = split(state, _VIT_ANCHOR)
    found = canonical(_fuse(rename(inner | outer, _VIT)))
    drop(found, [n for n in found.state if n.startswith("pooler.")], "its pooler was left out")
    found.format = f"Hugging Face {'TimeSformer' if is_video(found.state) else 'image ViT'}"
    return found


def from_clip(state: State) -> Weights:
    """Weights with the names of the vision models of CLIP and SigLIP in transformers."""
    inner, outer = split(state, _CLIP_ANCHOR)
    inner.pop("embeddings.position_ids", None)  # 0, 1, 2, ...: files of old versions have them
    found = canonical(_fuse(rename(inner, _CLIP)))
    found.dropped.extend(outer)
    if outer:
        found.notes.append("all but its image model was left out")
    found.format = "Hugging Face CLIP" if found.norm_eps == CLIP_EPS else "Hugging Face SigLIP"
    return found


def add_config(found: Weights, config: Mapping[str, Any]) -> None:
    """Add what the config.json beside the weights says; nothing if it is empty.

    Raises:
        FormatError: an activation or number of channels that ours has not, or names without order.
    """
    if not config:
        return
    config = config.get("vision_config") or config
    kind = config.get("model_type", "")
    if config.get("num_channels", 3) != 3:
        raise FormatError(f"it takes {config['num_channels']} channels, a TimeSformer takes 3")
    activation = config.get("hidden_act", "gelu")
    if activation != "gelu":
        if activation not in _CLOSE:
            raise FormatError(f"its activation is {activation}, a TimeSformer has gelu")
        found.notes.append(f"its activation is {activation}: ours, gelu, {_CLOSE[activation]}")
    found.norm_eps = config.get("layer_norm_eps") or found.norm_eps
    found.num_heads = config.get("num_attention_heads") or found.num_heads
    if kind == "timesformer":
        found.format = "Hugging Face TimeSformer"
        found.scheme = config.get("attention_type", "divided_space_time")
    add_class_names(found, config)


def add_class_names(found: Weights, config: Mapping[str, Any]) -> None:
    """Add the class names of a config.json, unless they are those that transformers writes for none.

    Raises:
        FormatError: names without order.
    """
    names = _names(config.get("id2label"))
    if names != tuple(f"LABEL_{k}" for k in range(len(names))):  # what it writes for no names
        found.class_names = names


def _names(labels: Any) -> tuple[str, ...]:
    """The class names of ``id2label``: an object of label: name, null, or, of old files, a list."""
    if not labels:
        return ()
    numbered = labels if isinstance(labels, Mapping) else dict(enumerate(labels))
    if sorted(map(str, numbered)) != sorted(map(str, range(len(numbered)))):
        raise FormatError(
            "id2label of its config.json must name the labels 0, 1, 2 ..., but has "
            f"{', '.join(map(str, list(numbered)[:4]))}"
        )
    return tuple(str(numbered[key]) for key in sorted(numbered, key=int))


def add_preprocessor(found: Weights, said: Mapping[str, Any]) -> None:
    """Add what the configuration of a processor beside the weights says of pixels."""
    if known := read_pixels(said):
        found.about.setdefault("preprocessing", known)


_CLOSE = {
    "quick_gelu": "differs by up to 0.02",
    "gelu_pytorch_tanh": "differs by less than 0.0005",
    "gelu_new": "differs by less than 0.0005",
    "gelu_fast": "differs by less than 0.0005",
}


SCHEMES = ("divided_space_time", "joint_space_time", "space_only")
"""The schemes that a TimeSformer of transformers has."""

_TO_VIT: Rules = (
    (r"^(cls_token)$", r"timesformer.embeddings.\1"),
    (r"^pos_embed$", "timesformer.embeddings.position_embeddings"),
    (r"^time_embed$", "timesformer.embeddings.time_embeddings"),
    (r"^patch_embed\.proj\.", "timesformer.embeddings.patch_embeddings.projection."),
    (r"^norm\.", "timesformer.layernorm."),
    (r"^head\.", "classifier."),
    (r"^blocks\.(\d+)\.", r"timesformer.encoder.layer.\1."),
    (r"\.(temporal_)?attn\.qkv\.", r".\1attention.attention.qkv."),
    (r"\.(temporal_)?attn\.proj\.", r".\1attention.output.dense."),
    (r"\.temporal_norm1\.", ".temporal_layernorm."),
    (r"\.temporal_fc\.", ".temporal_dense."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)


def to_huggingface(state: State) -> State:
    """Our names to those of ``TimesformerForVideoClassification``."""
    return rename(state, _TO_VIT)


def _fuse(state: State) -> State:
    """``attn.query``, ``attn.key`` and ``attn.value`` (D, D) to ``attn.qkv`` (3 D, D)."""
    fused = {n: v for n, v in state.items() if not re.search(r"\battn\.(query|key|value)\.", n)}
    for name, query in state.items():
        if ".attn.query." in name:
            parts = [query]
            parts += [state.get(name.replace("query", kind)) for kind in ("key", "value")]
            filled = [torch.zeros_like(query) if part is None else part for part in parts]
            fused[name.replace("query", "qkv")] = torch.cat(filled)
    return fused
