"""Weights with timm's names to ours: TimeSformer, ViT, DeiT, DINO, DINOv2, CLIP and SigLIP.

A TimeSformer block is timm's block with further steps, so most names are ours already. What an
image model has besides is folded into weights where that is exact, and named or refused otherwise.
"""

import math
import re

import torch

from timesformer.checkpoint.formats.weights import (
    FormatError,
    Rules,
    State,
    Weights,
    has,
    rename,
    split,
)

CLIP_EPS = 1e-5  # of every CLIP; the other families have TimeSformer's 1e-6

_REFUSED = (
    (r"\breg_token$", "register tokens, which attend with the patches"),
    (r"\b(rope|rotary)", "rotary position embeddings"),
    (r"relative_position|rel_pos", "relative position embeddings"),
    (r"\b(q_norm|k_norm)\.", "normalised queries and keys"),
    (r"\bmlp\.(w12|w1|w2|w3|fc1_g|norm|weights_in)\b", "a gated MLP"),
    (r"\bpatch_embed\.(backbone|stem|conv\w*|norm)\b", "a patch embedding of several layers"),
    (r"\battns\.\d", "parallel attention"),
)
_DROPPED = (
    (r"^mask_token$", "the mask token of its pretraining"),
    (r"^pre_logits\.", "the layer before its classifier"),
    (r"^head_dist\.", "the classifier of its distillation token"),
    (r"^attn_pool\.", "its attention pooling (the class token takes its part)"),
)
_QUICK_GELU = (
    "OpenAI's own CLIPs compute GELU as x * sigmoid(1.702 x), which differs from ours by up to 0.02"
)
_TEXT = re.compile(
    r"(module\.)?(text|transformer\.|token_emb|positional_|ln_final|logit_|visual\.head)"
)
_TIMM: Rules = (
    (r"\bgamma_([12])$", r"ls\1.gamma"),
    (r"^register_tokens$", "reg_token"),
    (r"^head\.fc\.", "head."),
)
_OPENAI: Rules = (
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^conv1\.", "patch_embed.proj."),
    (r"^transformer\.resblocks\.(\d+)\.", r"blocks.\1."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.ls_([12])\.", r".ls\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def is_timm(state: State) -> bool:
    """Ours, the published ones, timm's, DeiT's, DINO's and DINOv2's."""
    return has(state, "patch_embed.proj.weight")


def is_openai(state: State) -> bool:
    """A CLIP of OpenAI or open_clip."""
    return has(state, "conv1.weight") and has(state, "transformer.resblocks.0.ln_1.weight")


def from_timm(state: State) -> Weights:
    """Weights of a file with timm's names, which are ours and the published ones too."""
    inner, outer = split(state, "patch_embed.proj.weight")
    text = [name for name in outer if _TEXT.match(name)]
    found = canonical(inner | {name: v for name, v in outer.items() if name not in text})
    _say_dropped(found, text, "its text tower was left out")
    found.format = "TimeSformer" if is_video(found.state) else "image ViT"
    if found.norm_eps == CLIP_EPS:
        found.notes.append(_QUICK_GELU)
    if any("attn_pool." in name for name in found.dropped):
        found.notes.append(
            "SigLIPs compute GELU by tanh, which differs from ours by less than 0.0005"
        )
    return found


def from_openai(state: State) -> Weights:
    """Weights of the image tower of a CLIP, alone or with the text tower."""
    inner, outer = split(state, "conv1.weight")
    found = canonical(rename(inner, _OPENAI))
    _say_dropped(found, list(outer), "its text tower was left out")
    drop(found, ["proj"], "its projection to the space of texts was left out")
    found.format = "CLIP"
    found.notes.append(_QUICK_GELU)
    return found


def is_video(state: State) -> bool:
    """Whether weights with our names have seen time: a time embedding, or steps before the image's."""
    step = re.compile(r"blocks\.\d+\.\w+_attn\.")
    return "time_embed" in state or any(step.match(name) for name in state)


def canonical(state: State) -> Weights:
    """Weights with timm's names to weights with ours.

    Layer scale is multiplied into the layer before it; biases that are not there are zero; a
    position embedding without a place for the class token gets a zero one; of a distilled DeiT the
    class token alone is taken.

    Raises:
        FormatError: the file is of an architecture that a TimeSformer block cannot compute.
    """
    found = Weights(rename(state, _TIMM))
    _refuse(found.state)
    has_pre_logits = any(name.startswith("pre_logits.") for name in found.state)
    for pattern, what in _DROPPED:
        drop(found, [n for n in found.state if re.search(pattern, n)], f"{what} was left out")
    if has_pre_logits:
        drop(found, _HEAD, "its classifier, which stood behind that layer, was left out")
    _fold_layer_scale(found)
    _name_final_norm(found)
    _place_tokens(found)
    _fill_biases(found)
    if "norm_pre.weight" in found.state and not is_video(found.state):
        found.norm_eps = CLIP_EPS
    return found


_HEAD = ["head.weight", "head.bias"]


def drop(found: Weights, names: list[str], note: str) -> None:
    """Take those of ``names`` that are there out of the state, and say so."""
    present = [name for name in names if name in found.state]
    for name in present:
        del found.state[name]
    _say_dropped(found, present, note)


def _say_dropped(found: Weights, names: list[str], note: str) -> None:
    if names:
        found.dropped.extend(names)
        found.notes.append(note)


def _refuse(state: State) -> None:
    for pattern, what in _REFUSED:
        name = next((name for name in state if re.search(pattern, name)), None)
        if name is not None:
            raise FormatError(f"it has {what} ({name}), which a TimeSformer has no place for")
    fc1, fc2 = state.get("blocks.0.mlp.fc1.weight"), state.get("blocks.0.mlp.fc2.weight")
    if fc1 is not None and fc2 is not None and fc1.shape[0] != fc2.shape[1]:
        raise FormatError("it has a gated MLP, which a TimeSformer has no place for")
    if "pos_embed" not in state:
        raise FormatError("it has no position embedding (pos_embed), which a TimeSformer needs")


def _fold_layer_scale(found: Weights) -> None:
    """X + g * (W y + b) is x + (g W) y + g b."""
    gammas = [name for name in found.state if re.search(r"\.ls[12]\.gamma$", name)]
    for name in gammas:
        block, kind, _ = name.rsplit(".", 2)
        layer = f"{block}.attn.proj" if kind == "ls1" else f"{block}.mlp.fc2"
        gamma = found.state.pop(name).double()
        for part, scale in (("weight", gamma[:, None]), ("bias", gamma)):
            value = found.state[f"{layer}.{part}"]
            found.state[f"{layer}.{part}"] = (value.double() * scale).to(value.dtype)
    if gammas:
        found.notes.append(
            f"{len(gammas)} layer scales were multiplied into the layers before them"
        )


def _name_final_norm(found: Weights) -> None:
    """Of models that average their patches, the norm after averaging is the last one."""
    if "fc_norm.weight" not in found.state or "norm.weight" in found.state:
        return
    for part in ("weight", "bias"):
        found.state[f"norm.{part}"] = found.state.pop(f"fc_norm.{part}")
    drop(found, _HEAD, "its classifier, of averaged patches, was left out")


def _place_tokens(found: Weights) -> None:
    """Class token (1, 1, D), position embedding (1, 1 + N, D)."""
    state = found.state
    for name in {"cls_token", "pos_embed"} & state.keys():
        state[name] = state[name].reshape((1,) * (3 - state[name].ndim) + state[name].shape)
    embed = state["pos_embed"]
    if "dist_token" in state:
        drop(found, ["dist_token"], "its distillation token was left out")
        embed = torch.cat([embed[:, :1], embed[:, 2:]], dim=1)
    if _is_square(embed.shape[1]) and not _is_square(embed.shape[1] - 1):
        embed = torch.cat([torch.zeros_like(embed[:, :1]), embed], dim=1)
    state["pos_embed"] = embed
    if "cls_token" not in state:
        found.absent = ("cls_token",)
        found.notes.append("it has no class token: ours is newly initialized")
        drop(found, _HEAD, "its classifier, of patches, was left out")


def _fill_biases(found: Weights) -> None:
    """Zero biases where a layer has none."""
    layers = re.compile(
        r"(patch_embed\.proj|blocks\.\d+\.(\w*attn\.(qkv|proj)|mlp\.fc[12]))\.weight$"
    )
    filled = 0
    for name in [name for name in found.state if layers.match(name)]:
        bias = name.removesuffix("weight") + "bias"
        if bias not in found.state:
            found.state[bias] = found.state[name].new_zeros(found.state[name].shape[0])
            filled += 1
    if filled:
        found.notes.append(f"where it has no bias ({filled} times), ours is zero")


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number
