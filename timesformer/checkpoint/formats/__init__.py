"""Weights of others to ours: pure functions from names and tensors to ``Weights``.

A format is a row of ``FORMATS``, tried in order; the first that recognises the names converts them.
"""

from collections.abc import Callable
from typing import NamedTuple

from timesformer.checkpoint.formats import huggingface, image_vit, mmaction2, paddle
from timesformer.checkpoint.formats.weights import FormatError, State, Weights

__all__ = ["FORMATS", "FormatError", "Weights", "convert", "is_known"]


class Format(NamedTuple):
    """How a family of files is recognised, by names and shapes alone, and read."""

    name: str
    recognise: Callable[[State], bool]
    convert: Callable[[State], Weights]


FORMATS = (
    Format("PaddleVideo and Paddle's ViTs", paddle.is_paddle, paddle.from_paddle),
    Format("mmaction2", mmaction2.is_mmaction2, mmaction2.from_mmaction2),
    Format("Hugging Face TimeSformer, ViT, DeiT, DINOv2", huggingface.is_vit, huggingface.from_vit),
    Format("Hugging Face CLIP, SigLIP", huggingface.is_clip, huggingface.from_clip),
    Format("CLIP of OpenAI and open_clip", image_vit.is_openai, image_vit.from_openai),
    Format("TimeSformer and timm's ViTs", image_vit.is_timm, image_vit.from_timm),
)


def is_known(state: State) -> bool:
    """Whether a format knows the names of ``state``."""
    return any(row.recognise(state) for row in FORMATS)


def convert(state: State) -> Weights:
    """``state`` with our names, by whichever format knows its names; as it is if none does.

    Raises:
        FormatError: the format that does cannot become a TimeSformer.
    """
    row = next((row for row in FORMATS if row.recognise(state)), None)
    return row.convert(state) if row else Weights(dict(state), format="unknown")
