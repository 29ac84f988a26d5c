"""Weights out of any file into a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from timesformer.checkpoint import timm_hub
from timesformer.checkpoint.files import (
    CheckpointError,
    UnreadableError,
    read_config,
    read_file,
)
from timesformer.checkpoint.formats import FormatError, Weights, huggingface
from timesformer.checkpoint.formats import convert as convert_format
from timesformer.checkpoint.formats.libraries import for_model
from timesformer.checkpoint.match import LoadReport, load_state, match, unwrap
from timesformer.checkpoint.metadata import names_other_model, read_metadata
from timesformer.checkpoint.payload import (
    KNOWN_ENTRIES,
    other_entries,
    unknown_classes,
)
from timesformer.checkpoint.state_search import Found, find_weights
from timesformer.config.hf_config import PREPROCESSORS, is_video_model
from timesformer.io.terminal import first_line, printable
from timesformer.models.extra_head import split_extra_head
from timesformer.models.timesformer import TimeSformer

__all__ = [
    "CheckpointError",
    "LoadReport",
    "UnreadableError",
    "Weights",
    "convert_names",
    "load_state",
    "load_tested",
    "load_weights",
    "read_file",
    "read_weights",
    "refuse_unless_tested",
    "unwrap",
]


def load_weights(
    model: nn.Module,
    path: str | Path,
    *,
    cut_from_names: tuple[str, ...] = (),
    strict: bool = True,
    time_resize: str = "nearest",
) -> LoadReport:
    """Give ``model`` the weights of ``path`` and report what fitted.

    The content decides what a file is, never its name; see ``read_weights``. Position embeddings
    are resized as a 2-D grid, patch embeddings as timm does it, the extra steps of an image ViT start
    from its own attention, and a classifier of other classes is left as it is. Where the file
    knows the epsilon of its norms, the model takes it.

    Args:
        model: a model of the table, bare or wrapped in DDP. Weights of one that is not a TimeSformer
            have its library's names, or those of a row of ``formats.libraries``.
        path: a file, a folder of Hugging Face, or ``timm/NAME``.
        cut_from_names: substrings to remove from the names of the file first.
        strict: refuse a file that leaves parameters without values, or has tensors without a place,
            for which there is no reason in its kind; else they are only reported.
        time_resize: how embeddings of other frame counts are resized, ``nearest`` as published, or
            ``linear``.

    Raises:
        CheckpointError: no such file, truncated, not a checkpoint, another architecture, or nothing
            that fits.
    """
    bare = unwrap(model)
    is_ours = isinstance(bare, TimeSformer)
    weights = read_weights(path, cut_from_names=cut_from_names, converted=is_ours)
    if not is_ours:
        weights = for_model(weights, bare)
    report = match(model, weights, source=str(path), strict=strict, time_resize=time_resize)
    if is_ours:
        _take_epsilon(bare, weights, report)
    return report


def read_weights(
    path: str | Path,
    *,
    cut_from_names: tuple[str, ...] = (),
    mmap: bool = False,
    converted: bool = True,
) -> Weights:
    """The weights of a file by our names, with all that it says of them; ``mmap`` as ``read_file``.

    Reads what this code, the published code, timm, transformers, mmaction2, PaddleVideo, OpenAI and
    open_clip write; ``formats.FORMATS`` is the list. Weights of another model than a TimeSformer keep
    their names: those of a checkpoint that says so, or if not ``converted``.

    Raises:
        CheckpointError: see ``load_weights``; also class names that are not one for each class.
    """
    if timm_hub.is_name(path):
        return timm_hub.fetch(path, converted=converted)
    payload = read_file(path, mmap=mmap)
    converted = converted and not names_other_model(payload)
    try:
        found = find_weights(payload)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a model checkpoint: {error}") from error
    try:
        state, left_out = split_extra_head(convert_names(found.state, cut_from_names))
        weights = convert_format(state) if converted else Weights(dict(state), format="unknown")
        _note_the_rest(weights, found, payload)
        weights.notes += [left_out] * bool(left_out)
        read_metadata(weights, payload, path)
        if not converted or weights.format.startswith("Hugging Face"):
            _read_beside(weights, path)
    except FormatError as error:
        raise CheckpointError(f"{path} cannot become a TimeSformer: {error}") from error
    except CheckpointError:
        raise
    except (IndexError, RuntimeError, TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot become a TimeSformer: its tensors do not have the shapes of one "
            f"({first_line(error)})"
        ) from error
    _check_names(weights, path)
    return weights


def load_tested(model: nn.Module, path: str | Path) -> LoadReport:
    """``load_weights`` of weights to score: nothing may be newly initialized, unused or of other patches.

    Raises:
        CheckpointError: they are not of this very architecture and its classes.
    """
    report = load_weights(model, path, strict=False)
    refuse_unless_tested(report)
    return report


def refuse_unless_tested(report: LoadReport) -> None:
    """Raise CheckpointError unless the file is of this very architecture and its classes."""
    if report.newly_initialized or report.unused or any(map(_is_layer, report.resized)):
        raise CheckpointError(
            f"{report.path} is not a checkpoint of this model, so its score would mean nothing: "
            f"{report}; correct MODEL.NUM_CLASSES, DATA.MODALITY and TIMESFORMER.*, or fine-tune it first"
        )


def _is_layer(name: str) -> bool:
    """Whether a resized tensor is more than an embedding: it sees other patches or other channels."""
    return not name.endswith("_embed")


def convert_names(state: dict[str, Tensor], cut: tuple[str, ...]) -> dict[str, Tensor]:
    """Names without the substrings ``cut``."""
    for text in cut:
        state = {key.replace(text, ""): value for key, value in state.items()}
    return state


def _read_beside(weights: Weights, path: str | Path) -> None:
    """Add what files of transformers beside the weights say of them."""
    config = read_config(path, "config.json")
    if weights.format.startswith("Hugging Face"):
        huggingface.add_config(weights, config)
    elif is_video_model(config):
        huggingface.add_class_names(weights, config)
    else:
        return
    for name in PREPROCESSORS:
        huggingface.add_preprocessor(weights, read_config(path, name))


def _take_epsilon(model: nn.Module, weights: Weights, report: LoadReport) -> None:
    """The epsilon of the file's norms becomes that of the model's."""
    norms = [module for module in model.modules() if isinstance(module, nn.LayerNorm)]
    eps = weights.norm_eps
    if eps is None or all(norm.eps == eps for norm in norms):
        return
    report.notes.append(
        f"its norms have epsilon {eps:g}, and so has the model now, not {norms[0].eps:g}"
    )
    for norm in norms:
        norm.eps = eps


def _note_the_rest(weights: Weights, found: Found, payload: Any) -> None:
    """Say what of the file was taken, and what not."""
    weights.place = found.place
    weights.aside = dict(unknown_classes(payload))
    weights.entries = other_entries(payload, found.place)
    if found.alternatives:
        weights.notes.append(
            f"of several weights in the file those under {found.place or 'its top'} were taken, not "
            f"those under {', '.join(each or 'its top' for each in found.alternatives[:4])}"
        )
    if found.left_out:
        weights.dropped.extend(found.left_out)
        weights.notes.append(f"left out, for it is not of the model: {_some(found.left_out)}")
    if weights.aside:
        named = [f"{name} x {count}" for name, count in weights.aside.items()]
        weights.notes.append(f"set aside, and not run: {_some(named)}")
    foreign = [
        f"{name} ({kind})" for name, kind in weights.entries.items() if name not in KNOWN_ENTRIES
    ]
    if foreign:
        weights.notes.append(f"other entries of the file: {_some(foreign)}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name[:80]) for name in names[:6])
    return shown + (f", ... ({len(names)} in all)" if len(names) > 6 else "")


def _check_names(weights: Weights, path: str | Path) -> None:
    head, names = weights.state.get("head.weight"), weights.class_names
    if head is not None and names and len(names) != head.shape[0]:
        raise CheckpointError(
            f"{path} names {len(names)} classes, but its classifier has {head.shape[0]}; correct "
            "class_names (id2label) in it, or remove them"
        )
