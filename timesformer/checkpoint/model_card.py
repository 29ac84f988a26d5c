"""The README.md of a model on a hub: what it is, what it wants, how to use it, how it was made."""

from collections.abc import Mapping
from typing import Any

_HEAD = """\
---
library_name: transformers
pipeline_tag: video-classification
tags:
- video-classification
- {kind}
---

# {name}

{model}; {classes} classes.

## Input

{sampling}.
The shorter side of a frame becomes {short_side} pixels, of which the middle {crop} x {crop} are taken;
{channels} in 0 .. 1, less the mean {mean}, divided by the standard deviation {std}.
In testing, {views} temporal views of {crops} crops each were combined by `{ensemble}`.

## Use

```python
import torch
from transformers import AutoImageProcessor, {architecture}

processor = AutoImageProcessor.from_pretrained("{name}")
model = {architecture}.from_pretrained("{name}").eval()
inputs = processor(frames, return_tensors="pt")  # a list of {frames} pictures, RGB
with torch.no_grad():
    logits = model(inputs["pixel_values"]).logits
print(model.config.id2label[logits[0].argmax().item()])
```
{notes}
## Origin

{origin}
"""
_TIMESFORMER = """\
A [TimeSformer](https://arxiv.org/abs/2102.05095): {scheme} attention over {frames} frames of
{size} x {size} pixels in patches of {patch}; width {width}, {depth} blocks, {heads} heads"""
_OTHER = "`{architecture}` of transformers, for {frames} frames of {size} x {size} pixels"
_PER_FRAME = """
transformers does not average a space-only model over frames: `logits` has a row for each frame.
"""
_BGR = """
The model was trained on BGR: reverse the channels, `frame[..., ::-1]`, before the processor.
"""


def model_card(name: str, config: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Markdown of the model called ``name`` with the given config.json and description."""
    said = about["preprocessing"]
    kind, architecture = config["model_type"], config["architectures"][0]
    notes = [_PER_FRAME] if _scheme(config) == "space_only" else []
    notes += [_BGR] if said["reverse_input_channel"] else []
    return _HEAD.format(
        name=name,
        kind=kind,
        architecture=architecture,
        model=_model(config, said),
        frames=said["num_frames"],
        classes=len(config["id2label"]),
        sampling=_sampling(said),
        short_side=said["short_side"],
        crop=said["crop_size"],
        channels="BGR" if said["reverse_input_channel"] else "RGB",
        mean=said["mean"],
        std=said["std"],
        views=said["num_temporal_views"],
        crops=said["num_spatial_crops"],
        ensemble=said["ensemble_method"],
        notes="".join(notes),
        origin=_origin(about),
    )


def _scheme(config: Mapping[str, Any]) -> str:
    """The attention of a TimeSformer; empty: another model."""
    is_timesformer = config["model_type"] == "timesformer"
    return str(config["attention_type"]) if is_timesformer else ""


def _model(config: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What it is, in a sentence without its end."""
    if not (scheme := _scheme(config)):
        return _OTHER.format(
            architecture=config["architectures"][0],
            frames=said["num_frames"],
            size=said["crop_size"],
        )
    return _TIMESFORMER.format(
        scheme=scheme.replace("_", " "),
        frames=config["num_frames"],
        size=config["image_size"],
        patch=config["patch_size"],
        width=config["hidden_size"],
        depth=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
    )


def _sampling(said: Mapping[str, Any]) -> str:
    if said["sampling"] == "segments":
        return f"One frame from each of {said['num_frames']} equal parts of the video"
    return (
        f"{said['num_frames']} frames, every {said['sampling_rate']}th of a video of "
        f"{said['target_fps']} frames a second"
    )


def _origin(about: Mapping[str, Any]) -> str:
    """What is known of how the weights came about, a line each."""
    lines = [f"Made by `{about['command']}`."] if about.get("command") else []
    for split, facts in about.get("data", {}).items():
        lines.append(f"{split}: {facts['videos']} videos, SHA-256 of the list {facts['sha256']}.")
    made = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return "\n".join([*lines, f"Written by {made}."])
