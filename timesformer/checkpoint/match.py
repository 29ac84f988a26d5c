"""Weights by our names into the parameters of a model, with a report of what happened."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from timesformer.checkpoint import resize
from timesformer.checkpoint.architecture import infer
from timesformer.checkpoint.files import CheckpointError
from timesformer.checkpoint.formats import Weights
from timesformer.checkpoint.formats.image_vit import is_video
from timesformer.checkpoint.formats.libraries import family_of
from timesformer.io.terminal import printable
from timesformer.models import is_model_name
from timesformer.models.classifier import RGB, Classifier, classifier_parameters
from timesformer.models.library import over_channels

_KEYS = {  # of what distinguishes architectures
    "attention_type": "TIMESFORMER.ATTENTION_TYPE",
    "patch_size": "TIMESFORMER.PATCH_SIZE",
    "embed_dim": "TIMESFORMER.EMBED_DIM",
    "depth": "TIMESFORMER.DEPTH",
    "num_heads": "TIMESFORMER.NUM_HEADS",
    "mlp_ratio": "TIMESFORMER.MLP_RATIO",
    "pre_norm": "TIMESFORMER.PRE_NORM",
}


@dataclass(frozen=True)
class LoadReport:
    """What ``load_weights`` did, by parameter name of the model (``unused``: of the file).

    ``loaded`` holds every parameter that got values from the file; among them are the ``inflated``
    ones, copied from the image step, and the ``resized`` ones. ``newly_initialized`` parameters kept
    their values, and ``unused`` tensors have no parameter. ``notes`` say what changed on the way, and
    what the file asks of the model beyond its weights.
    """

    path: str
    format: str = ""
    loaded: list[str] = field(default_factory=list)
    inflated: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    newly_initialized: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """The file holds this very model, name for name and shape for shape."""
        return not (self.inflated or self.resized or self.newly_initialized or self.unused)

    def __str__(self) -> str:
        kind = f" ({self.format})" if self.format else ""
        parts = [f"{len(self.loaded)} tensors loaded from {self.path}{kind}"]
        for name in ("inflated", "resized", "newly_initialized", "unused"):
            if keys := getattr(self, name):
                parts.append(f"{len(keys)} {name.replace('_', ' ')} ({_some(keys)})")
        return "; ".join([*parts, *self.notes])


def match(
    model: nn.Module,
    weights: Weights,
    *,
    source: str,
    strict: bool,
    time_resize: str = "nearest",
    assign: bool = False,
) -> LoadReport:
    """Give ``model`` what fits of ``weights``; see ``checkpoint.load_weights``, ``load_state``.

    Raises:
        CheckpointError: another architecture, nothing that fits, values that are not finite, or, if
            ``strict``, anything left over on either side without a reason in the kind of file.
    """
    bare = unwrap(model)
    target = bare.state_dict()
    inflated = resize.inflate(weights.state, target)
    report = LoadReport(
        source, weights.format, inflated=sorted(inflated), unused=weights.dropped[:]
    )
    report.notes.extend(weights.notes)
    fitted, wrong = _sort(bare, weights.state | inflated, report, time_resize)
    _refuse_foreign(bare, weights, wrong, source)
    real = {name: value for name, value in fitted.items() if target[name].is_floating_point()}
    if whole := [name for name, value in real.items() if not value.is_floating_point()]:
        raise CheckpointError(
            f"{source} holds {fitted[whole[0]].dtype} where weights are real numbers "
            f"({_some(whole)}): it is quantized; give the file that it was made from"
        )
    refuse_nonfinite(fitted, source)
    if len(fitted) < len(target) / 4:
        raise CheckpointError(
            f"{'almost nothing' if fitted else 'nothing'} in {source} fits the model: it has "
            f"{_some(sorted(weights.state))}, the model wants {_some(list(target))}"
            f"{_family(bare, weights)}"
        )
    head = classifier_parameters(bare)
    if not fitted.keys() >= set(head):  # never a classifier that is half the file's
        fitted = {key: value for key, value in fitted.items() if key not in head}
        report.notes.append(_new_classifier(weights.state, target, head[0]))
    report.loaded.extend(fitted)
    report.newly_initialized.extend(key for key in target if key not in fitted)
    if mismatches := _mismatches(bare, weights, report):
        if strict:
            raise CheckpointError(
                f"{source} does not fit this model: {mismatches}; correct that, or take what fits: "
                "TRAIN.CHECKPOINT_STRICT False (strict=False)"
            )
        report.notes.append(mismatches)
    asks_only = next(iter(target.values())).is_meta and not assign  # what would fit
    if not asks_only:
        bare.load_state_dict(fitted, strict=False, assign=assign)
    return report


def _sort(
    model: Classifier,
    state: Mapping[str, Tensor],
    report: LoadReport,
    time_resize: str,
) -> tuple[dict[str, Tensor], list[str]]:
    """What fits, resized if need be, and the shapes that do not; the rest goes to ``report``."""
    target, head = model.state_dict(), classifier_parameters(model)
    fitted: dict[str, Tensor] = {}
    wrong = []
    for key, value in state.items():
        if key not in target:
            report.unused.append(key)
        elif value.shape == target[key].shape:
            fitted[key] = value
        elif key in head:
            continue
        elif (resized := _resize(key, value, target[key], time_resize)) is not None:
            fitted[key] = resized
            report.resized.append(key)
        else:
            wrong.append(f"{key}: file {tuple(value.shape)}, model {tuple(target[key].shape)}")
    return fitted, wrong


def load_state(
    model: nn.Module, state: dict[str, Tensor], *, source: str, assign: bool = False
) -> LoadReport:
    """``load_weights`` for a state dict with our names, not strict.

    With ``assign`` the tensors of the file become the parameters, for a model on the meta device.
    """
    return match(model, Weights(dict(state)), source=source, strict=False, assign=assign)


def refuse_nonfinite(state: Mapping[str, Tensor], source: str) -> None:
    """Raise CheckpointError if tensors hold NaN or infinity, of the file ``source``."""
    bad = [name for name, value in state.items() if not (value.is_meta or _is_finite(value))]
    if bad:
        raise CheckpointError(
            f"{source} holds NaN or infinity in {len(bad)} of {len(state)} tensors ({_some(bad)}), and "
            "weights must be finite: the training that wrote it has diverged, or the file is corrupted. "
            "Use an earlier checkpoint (to resume from the one before, delete this one), or copy it again"
        )


def unwrap(model: nn.Module) -> Classifier:
    """The model inside a DDP wrapper, or itself."""
    return getattr(model, "module", model)


def _is_finite(value: Tensor) -> bool:
    """Of all values; 15 times as fast as ``isfinite().all()``, for NaN is both least and largest."""
    return not value.numel() or all(map(math.isfinite, torch.aminmax(value.detach().float())))


def _refuse_foreign(model: Classifier, weights: Weights, wrong: list[str], source: str) -> None:
    """Raise if shapes differ that say which architecture it is, or heads that shapes do not say."""
    heads = getattr(model, "num_heads", None)
    if not wrong and (heads is None or weights.num_heads in (None, heads)):
        return
    count = "1 tensor differs" if len(wrong) == 1 else f"{len(wrong)} tensors differ"
    shapes = f"{count} in shape: {'; '.join(wrong[:4])}" if wrong else ""
    differing = _differences(model, weights)
    remedy = "set TIMESFORMER.* to the sizes of the file"
    if heads is None:
        remedy = "set MODEL.MODEL_NAME to the model that the file is of"
    if len(wrong) == 1 and (fields := _fields(model.state_dict(), weights.state)):
        remedy = f"it sees optical flow: set DATA.MODALITY flow and DATA.FLOW.STACK {fields}"
    raise CheckpointError(
        f"{source} is of another architecture, "
        + "; ".join(filter(None, [differing, shapes, remedy]))
        + _family(model, weights)
    )


def _fields(target: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> int:
    """Of how many fields of flow a file's first layer is, if it differs in its channels alone; else 0."""
    for name, value in state.items():
        ours = target.get(name, value)
        if ours.shape == value.shape or not ours.ndim == value.ndim > 3:
            continue
        if ours[:, 0].shape == value[:, 0].shape:
            return 0 if value.shape[1] % 2 else value.shape[1] // 2
    return 0


def _family(model: Classifier, weights: Weights) -> str:
    """What kind of model the file seems to be of, if that is another than ``model``."""
    named = is_model_name(weights.format) and weights.format != model.kind
    found = weights.format if named else family_of(weights.state.keys())
    if not found or found == family_of(model.state_dict().keys()):
        return ""
    return f"; it looks like weights of {found}: set MODEL.MODEL_NAME to that"


def _mismatches(model: Classifier, weights: Weights, report: LoadReport) -> str:
    """What has no counterpart without a reason in the kind of file, and the sizes that differ."""
    starts = not is_video(weights.state)
    added = tuple(name.rsplit("attn.", 1)[0] for name in report.inflated if "attn." in name)
    allowed = {*classifier_parameters(model), *weights.absent, *(["time_embed"] if starts else [])}
    missing = [
        key
        for key in report.newly_initialized
        if key not in allowed and not (key.startswith(added) and "_fc." in key)
    ]
    unused = [key for key in report.unused if key not in weights.dropped]
    if not missing and not unused:
        return ""
    parts = [f"{len(missing)} parameters are not in the file ({_some(missing)})"] if missing else []
    parts += [f"{len(unused)} of its tensors have no place ({_some(unused)})"] if unused else []
    differing = _differences(model, weights)
    return f"{', '.join(parts)}; {differing or 'names differ'}"


def _differences(model: Classifier, weights: Weights) -> str:
    """The sizes in which file and model differ: ``depth 3 in the file, 2 in the model (KEY)``."""
    try:
        theirs, ours = infer(weights.state)._asdict(), infer(model.state_dict())._asdict()
    except ValueError:
        return ""
    theirs["num_heads"], ours["num_heads"] = weights.num_heads, model.num_heads
    for sizes, names in ((theirs, weights.state), (ours, model.state_dict())):
        sizes["pre_norm"] = "norm_pre.weight" in names
    return ", ".join(
        f"{name} {theirs[name]} in the file, {ours[name]} in the model ({key})"
        for name, key in _KEYS.items()
        if theirs[name] is not None and theirs[name] != ours[name]
    )


def _resize(key: str, value: Tensor, target: Tensor, time_resize: str) -> Tensor | None:
    """``value`` in the shape of ``target`` if only frames, resolution or patch differ, else None."""
    if value.ndim != target.ndim or value.ndim < 2 or not value.numel():
        return None
    if key == "patch_embed.proj.weight" and value.shape[:2] == target.shape[:2]:
        return resize.resize_patch(value, target.shape[2])
    if value.shape[1] == RGB and value[:, 0].shape == target[:, 0].shape:
        return over_channels(value, target.shape[1])
    if key not in ("pos_embed", "time_embed") or value.shape[2] != target.shape[2]:
        return None
    if key == "time_embed":
        return resize.resize_time(value, target.shape[1], mode=time_resize)
    try:
        return resize.resize_position(value, target.shape[1])
    except ValueError:  # not a square grid: a class token too many, or none
        return None


def _new_classifier(state: Mapping[str, Tensor], target: Mapping[str, Tensor], weight: str) -> str:
    if weight not in state:
        return "the classifier is newly initialized, the file has none"
    theirs, ours = list(state[weight].shape[:1]), list(target[weight].shape[:1])
    return (
        "the classifier is newly initialized, its classes differ: file "
        f"{', '.join(map(str, theirs)) or 'none'}, model {ours[0]}"
    )


def _some(keys: list[str]) -> str:
    return ", ".join(printable(key[:80]) for key in keys[:4]) + (", ..." if len(keys) > 4 else "")
