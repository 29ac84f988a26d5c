"""Pretrained ViTs by the name that timm gives them, through its cache or from its hub."""

import difflib
from pathlib import Path

from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats import FormatError, Weights
from timesformer.checkpoint.formats import convert as convert_format
from timesformer.checkpoint.hub import offline_if_unreachable
from timesformer.io.terminal import first_line

PREFIX = "timm/"


def is_name(path: str | Path) -> bool:
    """Whether ``path`` is ``timm/NAME`` rather than a file of that name."""
    return Path(path).as_posix().startswith(PREFIX) and not Path(path).exists()


def fetch(path: str | Path, *, converted: bool = True) -> Weights:
    """The weights that timm calls ``NAME``, for ``timm/NAME``; downloaded once, then from the cache.

    Args:
        path: ``timm/NAME``; a step over time behind it, ``+lstm``, does not count.
        converted: to the names of a TimeSformer; else they keep timm's.

    Raises:
        CheckpointError: timm has no such model, it cannot be fetched, or it is not a plain ViT.
    """
    import timm

    name = Path(path).as_posix().removeprefix(PREFIX).partition("+")[0]
    try:
        with offline_if_unreachable():
            model = timm.create_model(name, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:  # what hubs raise, offline or not
        raise CheckpointError(_cannot_fetch(name, error)) from error
    if not converted:
        return Weights(model.state_dict(), format="timm")
    try:
        weights = convert_format(model.state_dict())
    except FormatError as error:
        raise CheckpointError(f"{path} cannot become a TimeSformer: {error}") from error
    weights.format = f"timm {weights.format}"
    norm, blocks = getattr(model, "norm", None), getattr(model, "blocks", None)
    weights.norm_eps = getattr(norm, "eps", weights.norm_eps)
    if blocks is not None:
        if type(blocks[0]).__name__ != "Block":  # the names of a post-norm block are the same
            raise CheckpointError(
                f"{path} cannot become a TimeSformer: its blocks are {type(blocks[0]).__name__}s, not "
                "the plain ones of a ViT"
            )
        weights.num_heads = blocks[0].attn.num_heads
        _note_activation(weights, type(blocks[0].mlp.act).__name__)
    if pixels := getattr(model, "pretrained_cfg", None):
        weights.about["preprocessing"] = {key: list(pixels[key]) for key in ("mean", "std")}
    return weights


def _note_activation(weights: Weights, name: str) -> None:
    if name != "GELU":
        weights.notes.append(f"its activation is {name}, and ours GELU")


def _cannot_fetch(name: str, error: Exception) -> str:
    import timm
    from huggingface_hub import constants

    known = timm.list_pretrained()
    if name not in known and not timm.is_model(name):
        close = difflib.get_close_matches(name, known, n=3)
        return f"timm has no pretrained {name!r}; it has {', '.join(close) or 'timm.list_pretrained()'}"
    hub = timm.get_pretrained_cfg(name).hf_hub_id or f"timm/{name}"
    return (
        f"the ImageNet weights {name} could not be fetched ({type(error).__name__}: "
        f"{first_line(error)}); connect to the network once (they are kept in "
        f"{constants.HF_HUB_CACHE}), or copy model.safetensors of {constants.ENDPOINT}/{hub} to this "
        "machine and name that file instead"
    )
