"""A model as one program of PyTorch, a ``.pt2`` file that needs nothing of this package: torch.export.

clips   (B, C, T, S, S)  uint8 as read, any B: R, G, B (or B, G, R where the model wants it), or flow
logits  (B, K)           float32

Pixels are normalised by the program. Beside it the file holds a text, ``about.json``: the names of the
classes, and how a video becomes clips and logits become scores.

    program = torch.export.load("model.pt2").module()
    logits = program(clips)
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timesformer.checkpoint.metadata import build_preprocessing, versions
from timesformer.checkpoint.model_spec import NO_CLASSIFIER
from timesformer.config import CfgNode
from timesformer.config.modality import num_channels
from timesformer.errors import InputError
from timesformer.files import write_atomically
from timesformer.inference.predictor import Predictor
from timesformer.io.terminal import first_line
from timesformer.models.classifier import Classifier
from timesformer.models.rewrite import plain

ABOUT = "about.json"
TOLERANCE = 1e-4  # of the largest logit; kernels round differently in a program


class ExportError(InputError, RuntimeError):
    """A model that cannot become a program, or one that computes something else as a program."""


class Program(nn.Module):
    """Clips (B, C, T, S, S) uint8 -> logits (B, K)."""

    def __init__(self, model: Classifier, normalize: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.normalize = model, normalize

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.model(self.normalize(clips)).float()
        return logits


def export(predictor: Predictor, path: Path) -> float:
    """Write the program of ``predictor``, whose model becomes plain, and read it back.

    Returns the largest difference of its logits from those of the model, for two sizes of batches.

    Raises:
        ExportError: it cannot be written, or does not give the logits of the model.
    """
    if not predictor.description.has_classifier:
        raise ExportError(f"{predictor.description.path} {NO_CLASSIFIER}")
    program = Program(plain(predictor.model).cpu().eval(), predictor.scoring.normalize)
    shape = build_clip_shape(predictor.cfg)
    generator = torch.Generator().manual_seed(0)
    batches = [
        torch.randint(256, (size, *shape), dtype=torch.uint8, generator=generator)
        for size in (2, 3)
    ]
    about = json.dumps(build_about(predictor.cfg, predictor), indent=1)
    kind = predictor.model.kind
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about caches of recurrent layers
            written = torch.export.export(
                program, (batches[0],), dynamic_shapes=({0: torch.export.Dim("batch")},)
            )
    except Exception as error:  # of any library's forward
        raise ExportError(
            f"{kind} cannot become a program of torch.export: {first_line(error)}; write its weights "
            "instead (timesformer convert --to safetensors)"
        ) from error
    with write_atomically(path, "wb", option="--out") as file:
        torch.export.save(written, file, extra_files={ABOUT: about})
    again = torch.export.load(path).module()
    with torch.no_grad():
        pairs = [(program(clips), again(clips)) for clips in batches]
    difference = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    if not difference <= TOLERANCE * max(float(ours.abs().max()) for ours, _ in pairs):
        path.unlink()
        raise ExportError(
            f"the program of {kind} differs from the model by {difference:.2g}, and was not kept; report "
            "this with the version of PyTorch"
        )
    return difference


def build_clip_shape(cfg: CfgNode) -> tuple[int, int, int, int]:
    """Of a test view, (C, T, S, S)."""
    side = cfg.DATA.TEST_CROP_SIZE
    return num_channels(cfg), cfg.DATA.NUM_FRAMES, side, side


def build_about(cfg: CfgNode, predictor: Predictor) -> dict[str, Any]:
    """What the program does not say itself."""
    temperature = predictor.temperature.value if predictor.temperature else None
    return {
        "model": predictor.model.kind,
        "input": ["batch", *build_clip_shape(cfg)],
        "modality": cfg.DATA.MODALITY,
        "class_names": list(predictor.class_names),
        "preprocessing": build_preprocessing(cfg),
        "temperature": temperature,
        "versions": versions(),
    }
