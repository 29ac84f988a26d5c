"""A checkpoint of any format into another: published, sharded, Hugging Face, or bare safetensors."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesformer.checkpoint.files import ABOUT, weights_path
from timesformer.checkpoint.formats.huggingface import SCHEMES, to_huggingface
from timesformer.checkpoint.formats.sharded import is_sharded
from timesformer.checkpoint.load import CheckpointError, load_weights, read_file
from timesformer.checkpoint.metadata import (
    TEMPERATURE,
    build_preprocessing,
    names_other_model,
    versions,
)
from timesformer.checkpoint.model_card import model_card
from timesformer.checkpoint.model_spec import ModelSpec
from timesformer.checkpoint.payload import check_entries, unknown_classes
from timesformer.checkpoint.save import write_sharded
from timesformer.config import CfgNode
from timesformer.files import atomic_path, write_atomically
from timesformer.models import TIMESFORMERS, build_model, is_other
from timesformer.models.classifier import classifier_parameters

WEIGHTS = "model.safetensors"  # in a folder for transformers
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Source(NamedTuple):
    """A described checkpoint and what else its file says."""

    spec: ModelSpec
    about: dict[str, Any]

    @classmethod
    def of(cls, spec: ModelSpec, *, corrected: bool = False) -> "Source":
        """With the descriptive entries of the file, completed from the configuration.

        ``corrected``: the configuration of ``spec`` holds more than that of the file.
        """
        found = dict(spec.weights.about)
        if corrected:
            found.pop("cfg", None)
        kept = {
            key: found[key] for key in ("data", "command", "epoch", TEMPERATURE) if key in found
        }
        names = list(spec.class_names)
        return cls(
            spec,
            {
                "cfg": build_cfg_text(spec.cfg, found),
                **({"class_names": names} if names else {}),
                "preprocessing": build_preprocessing(spec.cfg),
                "versions": found.get("versions", versions()),
                **kept,
            },
        )


def build_cfg_text(cfg: CfgNode, found: Mapping[str, Any]) -> str:
    """The configuration of the file, unless it is of another program and names no model of ours."""
    if "cfg" in found and (names_other_model(found) or not is_other(cfg.MODEL.MODEL_NAME)):
        theirs: str = found["cfg"]
        return theirs
    ours: str = cfg.dump()
    return ours


def write_published(source: Source, path: Path, dtype: torch.dtype) -> Path:
    """The layout of the published code: ``model_state`` with its prefix, ``cfg``; and our entries.

    The file's ``epoch``, ``optimizer_state`` and all else that a resume needs are written only together,
    as its loader wants them; not with averaged weights (EMA), to which no optimizer state belongs.
    """
    payload = _checkpoint(source, dtype)
    with write_atomically(path, "wb", option="--out") as file:
        torch.save(payload, file)
    return path


def write_folder(source: Source, path: Path, dtype: torch.dtype) -> Path:
    """The same as a sharded checkpoint, of one part.

    Raises:
        CheckpointError: there is no training to resume, or ``path`` cannot become such a folder.
    """
    payload = _checkpoint(source, dtype)
    if "optimizer_state" not in payload:
        raise CheckpointError(
            f"{source.spec.path} holds no training to resume (epoch, optimizer_state), "
            "which is what a sharded checkpoint is for; write published or safetensors"
        )
    if path.exists() and not is_sharded(path):
        raise CheckpointError(
            f"--out is {path}, which is not a sharded checkpoint; give a new name"
        )
    write_sharded(path, payload)
    return path


def write_safetensors(source: Source, path: Path, dtype: torch.dtype) -> Path:
    """The weights alone, for inference; all that is known of them in the file's metadata."""
    _save(_cast(source.spec.weights.state, dtype), path, source.about)
    return path


def write_huggingface(source: Source, folder: Path, dtype: torch.dtype) -> Path:
    """A folder for transformers: weights, config.json, preprocessor_config.json, README.md.

    Raises:
        CheckpointError: transformers has no such model, or the file no classifier.
    """
    spec = source.spec
    config = build_huggingface_config(spec, dtype)
    _save(
        _cast(to_huggingface(spec.weights.state), dtype),
        folder / WEIGHTS,
        source.about,
    )
    _write_json(folder / "config.json", config)
    _write_json(folder / "preprocessor_config.json", _preprocessor(source.about["preprocessing"]))
    card = model_card(folder.name, config, source.about)
    with write_atomically(folder / "README.md", option="--out") as file:
        file.write(card)
    return folder


WRITERS = {
    "published": write_published,
    "sharded": write_folder,
    "hf": write_huggingface,
    "safetensors": write_safetensors,
}


def refuse_overwriting(source: str, out: Path, *, to: str) -> None:
    """Raise CheckpointError if ``out`` is what is read from, or a folder of something else."""
    if out.exists() and Path(source).exists():
        given = Path(source), weights_path(source)
        if any(
            path.samefile(each) for path in given for each in (out, out / WEIGHTS) if each.exists()
        ):
            raise CheckpointError(f"--out is the input, {out}; write to another file or folder")
    if to == "sharded":
        return  # its folder is replaced, and no other one: see write_folder
    if out.is_dir() and to != "hf":
        raise CheckpointError(f"--out is the folder {out}; name a file to write")
    if out.is_dir() and any(out.iterdir()) and not (out / "config.json").is_file():
        raise CheckpointError(
            f"--out is {out}, where other files are, and its README.md would be overwritten; name a "
            "folder of its own"
        )


def check(written: Path, spec: ModelSpec) -> str:
    """Read what was written into the described model; the report, in words.

    Raises:
        CheckpointError: it does not come back whole.
    """
    with torch.device("meta"):
        model = build_model(spec.cfg)
    report = load_weights(model, written, strict=spec.has_classifier)
    if (
        set(report.newly_initialized) - set(classifier_parameters(model))
        or report.unused
        or report.resized
    ):
        raise CheckpointError(f"{written} does not give back what was written: {report}")
    return str(report)


def build_huggingface_config(spec: ModelSpec, dtype: torch.dtype) -> dict[str, Any]:
    """The config.json of the model in transformers."""
    cfg = spec.cfg
    sizes = cfg.TIMESFORMER
    _check_for_huggingface(
        spec, name=cfg.MODEL.MODEL_NAME, scheme=sizes.ATTENTION_TYPE, pre_norm=sizes.PRE_NORM
    )
    names = spec.class_names or [f"LABEL_{k}" for k in range(cfg.MODEL.NUM_CLASSES)]
    return {
        "architectures": ["TimesformerForVideoClassification"],
        "model_type": "timesformer",
        "attention_type": sizes.ATTENTION_TYPE,
        "image_size": cfg.DATA.TRAIN_CROP_SIZE,
        "patch_size": sizes.PATCH_SIZE,
        "num_channels": 3,
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
        "id2label": {str(k): name for k, name in enumerate(names)},
        "label2id": {name: k for k, name in enumerate(names)},
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def _checkpoint(source: Source, dtype: torch.dtype) -> dict[str, Any]:
    """Entries of a checkpoint; those that a resume needs, if the file has them and its own weights."""
    payload = read_file(source.spec.path, mmap=True)
    state = _cast(source.spec.weights.state, dtype)
    entries = {key: value for key, value in source.about.items() if key != "epoch"}
    trained = {"epoch", "optimizer_state"}
    if isinstance(payload, Mapping) and trained <= payload.keys() and "ema_state" not in payload:
        check_entries(payload, source.spec.path)
        plain = {key: value for key, value in payload.items() if not unknown_classes({key: value})}
        entries = {**plain, **entries}
    return entries | {"model_state": {f"model.{name}": value for name, value in state.items()}}


def _check_for_huggingface(spec: ModelSpec, *, name: str, scheme: str, pre_norm: bool) -> None:
    if name not in TIMESFORMERS:
        raise CheckpointError(
            f"the model is {name}, not a TimeSformer; write published or safetensors"
        )
    if scheme not in SCHEMES:
        raise CheckpointError(
            f"transformers has no {scheme} attention, only "
            f"{', '.join(SCHEMES)}; write published or safetensors"
        )
    if pre_norm:
        raise CheckpointError(
            f"{spec.path} has a norm before its blocks (TIMESFORMER.PRE_NORM), which a "
            "TimeSformer of transformers has not; write published or safetensors"
        )
    if not spec.has_classifier:
        raise CheckpointError(
            f"{spec.path} has no classifier, and the model of transformers wants one; "
            "fine-tune it first"
        )


def _preprocessor(said: Mapping[str, Any]) -> dict[str, Any]:
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


def _cast(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Real numbers as ``dtype``; counts, as those of batch norms, stay whole."""
    return {
        name: value.to(dtype if value.is_floating_point() else value.dtype).contiguous().clone()
        for name, value in state.items()
    }


def _save(state: dict[str, Tensor], path: str | PathLike[str], about: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    with atomic_path(path, option="--out") as temporary:
        save_file(state, temporary, metadata={"format": "pt", ABOUT: json.dumps(about)})


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with write_atomically(path, option="--out") as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
