"""All that is known of a weights file, of any format, and what would load from it."""

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from timesformer.checkpoint.architecture import infer
from timesformer.checkpoint.files import num_bytes, read_safetensors_metadata
from timesformer.checkpoint.formats.image_vit import is_video
from timesformer.checkpoint.formats.libraries import family_of
from timesformer.checkpoint.load import (
    CheckpointError,
    LoadReport,
    Weights,
    load_state,
    read_weights,
)
from timesformer.checkpoint.other_models import build_name, build_other, folder_name, shadow
from timesformer.config import flat_values
from timesformer.io.terminal import printable
from timesformer.models import is_other
from timesformer.models.classifier import Classifier
from timesformer.models.timesformer import TimeSformer

_NAMES_OF_THE_FILE = ("set_aside", "other_entries")

SHOWN = 12  # class names printed; the JSON has all


def summarize(path: str | PathLike[str], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The facts, by their names; those that the file does not tell are left out.

    ``overrides`` are KEY VALUE KEY VALUE ..., which say what model a file is of that does not say it.

    Raises:
        CheckpointError: the file cannot be read.
        ConfigError: there is no such key or model.
    """
    named = build_name(None, overrides) or folder_name(path)
    is_named = is_other(named)
    weights = read_weights(path, mmap=True, converted=not is_named)
    model = None
    if is_named:
        overrides = ("MODEL.MODEL_NAME", named, *overrides)
        other = build_other(str(path), weights, {}, overrides=overrides)
        weights, model = other.weights, shadow(other.cfg)
    state = weights.state
    types = Counter(str(value.dtype).removeprefix("torch.") for value in state.values())
    facts: dict[str, Any] = {
        "file": str(path),
        "bytes": num_bytes(Path(path)) if Path(path).exists() else None,
        "metadata": read_safetensors_metadata(path),
        "format": weights.format,
        "kind": model.kind if model else _kind(weights),
        "architecture": _architecture(weights),
        "tensors": len(state),
        "parameters": sum(value.numel() for value in state.values()),
        "types": ", ".join(f"{name} x {count}" for name, count in types.items()),
        "class_names": list(weights.class_names),
        "taken_from": weights.place,
        "dropped": weights.dropped,
        "set_aside": {name: f"{count} times" for name, count in weights.aside.items()},
        "other_entries": weights.entries,
        "notes": weights.notes,
        **weights.about,
        "loads": _report(weights, str(path), model),
    }
    return {key: value for key, value in facts.items() if value not in (None, "", [], {})}


def as_text(facts: dict[str, Any]) -> str:
    """A line for each fact, those of sections indented below it; no text of a file steers the terminal."""
    lines = []
    for key, value in facts.items():
        name = key.replace("_", " ")
        if key == "cfg":
            lines.append(f"{name:14}{len(value.splitlines())} lines (whole in --json)")
        elif key == "class_names":
            more = f", ... {len(value)} in all" if len(value) > SHOWN else ""
            lines.append(f"{name:14}{printable(', '.join(value[:SHOWN]))}{more}")
        elif isinstance(value, dict):
            lines.append(name)
            given = key in _NAMES_OF_THE_FILE
            names = [printable(n) if given else n.replace("_", " ") for n in value]
            texts = map(printable, value.values())
            lines += [f"  {n:21} {text}" for n, text in zip(names, texts, strict=True)]
        else:
            text = "; ".join(map(str, value)) if isinstance(value, list) else value
            shown = f"{text:,}" if isinstance(text, int) else printable(text)
            lines.append(f"{name:14}{shown}")
    return "\n".join(lines)


def _kind(weights: Weights) -> str:
    if family := _other_family(weights):
        return f"weights of {family}"
    is_video_model = is_video(weights.state) or is_other(weights.format)
    return "video model" if is_video_model else "image model or space-only video model"


def _other_family(weights: Weights) -> str:
    """What a file that does not name its model seems to be of, if that is not a TimeSformer."""
    if is_other(weights.format) or "cls_token" in weights.state:
        return ""
    return family_of(weights.state)


def _architecture(weights: Weights) -> dict[str, Any]:
    """Sizes by their names; the heads only if something but the shapes tells them."""
    try:
        sizes = infer(weights.state)._asdict()
    except ValueError:
        return {}
    sizes["num_heads"] = weights.num_heads or "not in the file"
    sizes["pre_norm"] = "norm_pre.weight" in weights.state
    if weights.norm_eps is not None:
        sizes["norm_eps"] = weights.norm_eps
    return {key: value for key, value in sizes.items() if value is not None}


def _report(weights: Weights, source: str, model: Classifier | None) -> str:
    """What ``model`` would get, or one of the file's own sizes."""
    if model is None and (family := _other_family(weights)):
        return f"once its model is named: it looks like {family}; add MODEL.MODEL_NAME and that"
    try:
        model = model or _model(weights, source)
    except ValueError as error:
        return f"nothing: {error}"
    try:
        report: LoadReport = load_state(model, weights.state, source=source)
    except CheckpointError as error:
        return f"nothing: {error}"
    return str(report)


def _model(weights: Weights, source: str) -> Classifier:
    """Of the sizes of the weights, without values.

    Raises:
        ValueError: the weights are of no such model.
    """
    try:
        sizes = infer(weights.state)
    except ValueError:
        text = weights.about.get("cfg", "")
        own = flat_values(text, source=source) if text else {}
        if not is_other(own.get("MODEL.MODEL_NAME", "")):
            raise
        return shadow(build_other(source, weights, own).cfg)
    with torch.device("meta"):
        return TimeSformer(
            img_size=sizes.img_size,
            patch_size=sizes.patch_size,
            num_classes=sizes.num_classes or 1,
            num_frames=sizes.num_frames or 8,
            attention_type=sizes.attention_type,
            embed_dim=sizes.embed_dim,
            depth=sizes.depth,
            num_heads=weights.num_heads or sizes.num_heads,
            mlp_ratio=sizes.mlp_ratio,
            pre_norm="norm_pre.weight" in weights.state,
            in_channels=weights.state["patch_embed.proj.weight"].shape[1],
        )
