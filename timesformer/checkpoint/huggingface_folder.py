"""What a folder for transformers holds: names of weights, config.json, preprocessor_config.json."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from timesformer.checkpoint.formats.huggingface import SCHEMES, to_huggingface
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.model_spec import ModelSpec
from timesformer.config import CfgNode
from timesformer.config.modality import num_channels
from timesformer.models import TIMESFORMERS
from timesformer.models.baselines.huggingface_video import PREFIX, class_of


def build_huggingface_state(spec: ModelSpec) -> dict[str, Tensor]:
    """Its weights by the names of transformers."""
    is_theirs = spec.cfg.MODEL.MODEL_NAME.startswith(PREFIX)
    return spec.weights.state if is_theirs else to_huggingface(spec.weights.state)


def build_huggingface_config(spec: ModelSpec, dtype: torch.dtype) -> dict[str, Any]:
    """The config.json of the model in transformers.

    Raises:
        CheckpointError: transformers has no such model, or the file no classifier.
    """
    name = spec.cfg.MODEL.MODEL_NAME
    build = next((row for kind, row in KINDS.items() if name.startswith(kind)), None)
    if build is None:
        raise CheckpointError(
            f"the model is {name}, which transformers does not have; write published or safetensors"
        )
    if not spec.has_classifier:
        raise CheckpointError(
            f"{spec.path} has no classifier, and the model of transformers wants one; "
            "fine-tune it first"
        )
    classes = spec.class_names or [f"LABEL_{k}" for k in range(spec.cfg.MODEL.NUM_CLASSES)]
    return build(spec.cfg, spec.path) | {
        "num_channels": num_channels(spec.cfg),
        "id2label": {str(k): name for k, name in enumerate(classes)},
        "label2id": {name: k for k, name in enumerate(classes)},
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def build_timesformer_config(cfg: CfgNode, path: str) -> dict[str, Any]:
    """Of the model of the TIMESFORMER section."""
    sizes = cfg.TIMESFORMER
    if sizes.ATTENTION_TYPE not in SCHEMES:
        raise CheckpointError(
            f"transformers has no {sizes.ATTENTION_TYPE} attention, only "
            f"{', '.join(SCHEMES)}; write published or safetensors"
        )
    if sizes.PRE_NORM:
        raise CheckpointError(
            f"{path} has a norm before its blocks (TIMESFORMER.PRE_NORM), which a "
            "TimeSformer of transformers has not; write published or safetensors"
        )
    return {
        "architectures": ["TimesformerForVideoClassification"],
        "model_type": "timesformer",
        "attention_type": sizes.ATTENTION_TYPE,
        "image_size": cfg.DATA.TRAIN_CROP_SIZE,
        "patch_size": sizes.PATCH_SIZE,
        "num_frames": cfg.DATA.NUM_FRAMES,
        "hidden_size": sizes.EMBED_DIM,
        "num_hidden_layers": sizes.DEPTH,
        "num_attention_heads": sizes.NUM_HEADS,
        "intermediate_size": round(sizes.EMBED_DIM * sizes.MLP_RATIO),
        "hidden_act": "gelu",
        "layer_norm_eps": sizes.NORM_EPS,
        "qkv_bias": True,
        "hidden_dropout_prob": sizes.DROP_RATE,
        "attention_probs_dropout_prob": sizes.ATTN_DROP_RATE,
        "drop_path_rate": 0,
        "initializer_range": 0.02,
    }


def build_library_config(cfg: CfgNode, path: str) -> dict[str, Any]:
    """Of a model of transformers: what its own config.json said."""
    said: dict[str, Any] = json.loads(cfg.MODEL.HF_CONFIG)
    return said | {"architectures": [class_of(said["model_type"])]}


KINDS: Mapping[
    str, Callable[[CfgNode, str], dict[str, Any]]
] = {  # by the start of MODEL.MODEL_NAME
    **dict.fromkeys(TIMESFORMERS, build_timesformer_config),
    PREFIX: build_library_config,
}


def preprocessor_config(said: Mapping[str, Any]) -> dict[str, Any]:
    """What the image processor of transformers does to frames."""
    crop = said["crop_size"]
    return {
        "image_processor_type": "VideoMAEImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": said["short_side"]},
        "resample": 2,  # bilinear
        "do_center_crop": True,
        "crop_size": {"height": crop, "width": crop},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": said["mean"],
        "image_std": said["std"],
    }
