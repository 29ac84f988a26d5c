"""A checkpoint of any format into another: published, sharded, Hugging Face, or bare safetensors."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesformer.checkpoint.files import ABOUT, weights_path
from timesformer.checkpoint.formats.sharded import is_sharded
from timesformer.checkpoint.huggingface_folder import (
    build_huggingface_config,
    build_huggingface_state,
    preprocessor_config,
)
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
from timesformer.models import build_model, is_other
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
    _save(_cast(build_huggingface_state(spec), dtype), folder / WEIGHTS, source.about)
    _write_json(folder / "config.json", config)
    _write_json(
        folder / "preprocessor_config.json", preprocessor_config(source.about["preprocessing"])
    )
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
