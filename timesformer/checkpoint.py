"""Weights out of any file into a model, with a report of what happened."""

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timesformer import convert

_REFUSED = re.compile(r"(?:Unsupported global: GLOBAL|[Uu]nsupported class) ([\w.]+)")
_HEAD = ("head.weight", "head.bias")


class CheckpointError(ValueError):
    """A file that cannot give a model its weights; the message names file, reason and remedy."""


@dataclass(frozen=True)
class LoadReport:
    """What ``load_weights`` did, by parameter name of the model (``unexpected``: of the file).

    ``loaded`` holds every parameter that got values from the file, ``inflated`` (copied from the
    image step) and ``resized`` those among them that were adapted; ``missing`` the parameters that
    kept their values, ``fresh`` the classifier among them if the file's has other classes.
    """

    path: str
    loaded: list[str] = field(default_factory=list)
    inflated: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """The file holds this very model, name for name and shape for shape."""
        return not (self.inflated or self.resized or self.missing or self.unexpected)

    def __str__(self) -> str:
        parts = [f"{len(self.loaded)} tensors loaded from {self.path}"]
        for name in ("inflated", "resized", "missing", "unexpected"):
            keys = getattr(self, name)
            if keys:
                more = ", ..." if len(keys) > 4 else ""
                parts.append(f"{len(keys)} {name} ({', '.join(keys[:4])}{more})")
        if self.fresh:
            parts.append("the classifier starts afresh, its classes differ")
        return "; ".join(parts)


def load_weights(
    model: nn.Module, path: str | Path, *, cut_from_names: tuple[str, ...] = ()
) -> LoadReport:
    """Give ``model`` the weights of the file ``path`` and report what fitted.

    Reads published, DDP-prefixed, bare, timm ViT and safetensors files. Position embeddings are
    resized as a 2-D grid, time embeddings to the nearest frame, the extra steps of an image ViT
    start from its own attention, and a classifier of other classes is left as it is.

    Args:
        model: a TimeSformer, bare or wrapped in DDP.
        path: the file.
        cut_from_names: substrings to remove from the names of the file first.

    Raises:
        CheckpointError: no such file, truncated, not a checkpoint, a tensor whose shape belongs to
            another architecture, or nothing that fits.
    """
    state = convert_names(read_state(path), cut_from_names)
    return load_state(model, state, source=str(path))


def refuse_unless_tested(report: LoadReport) -> None:
    """Raise CheckpointError unless the file is of this very architecture and its classes."""
    if report.missing or report.unexpected:
        raise CheckpointError(
            f"{report.path} is not a checkpoint of this model, so its score would mean nothing: "
            f"{report}; correct MODEL.NUM_CLASSES and TIMESFORMER.*, or fine-tune it first"
        )


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU, without the prefixes of wrappers."""
    try:
        return convert.find_state(read_file(path))
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not a model checkpoint: {error}") from error


def read_file(path: str | Path, *, mmap: bool = False) -> Any:
    """The content of a checkpoint file, on the CPU; code in a pickle is refused, never run.

    With ``mmap`` the tensors stay in the file until they are used; the file must not change.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; check the path")
    try:
        if _is_safetensors(path):
            from safetensors.torch import load_file

            return load_file(path)
        mmap = mmap and zipfile.is_zipfile(path)  # files of PyTorch before 1.6 are none
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # torch.load raises whatever its parsers raise
        if refused := _REFUSED.search(str(error)):
            raise CheckpointError(
                f"checkpoint {path} cannot be read: it holds {refused[1]}, and code in a file is never "
                "run; where you trust it, save its weights alone: torch.save(model.state_dict(), FILE)"
            ) from error
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({path.stat().st_size} bytes, "
            f"{type(error).__name__}: {first_line(error)}); it is truncated or no PyTorch file: "
            "copy it again"
        ) from error


def convert_names(state: dict[str, Tensor], cut: tuple[str, ...]) -> dict[str, Tensor]:
    """Names without the substrings ``cut``."""
    for text in cut:
        state = {key.replace(text, ""): value for key, value in state.items()}
    return state


def load_state(
    model: nn.Module, state: dict[str, Tensor], *, source: str, assign: bool = False
) -> LoadReport:
    """``load_weights`` for a state dict with our names.

    With ``assign`` the tensors of the file become the parameters, for a model on the meta device.
    """
    target = unwrap(model).state_dict()
    inflated = convert.inflate(state, target)
    fitted: dict[str, Tensor] = {}
    report = LoadReport(source, inflated=sorted(inflated))
    wrong = []
    for key, value in (state | inflated).items():
        if key not in target:
            report.unexpected.append(key)
        elif value.shape == target[key].shape:
            fitted[key] = value
        elif key in _HEAD:
            report.fresh.append(key)
        elif (resized := _resize(key, value, target[key])) is not None:
            fitted[key] = resized
            report.resized.append(key)
        else:
            wrong.append(f"{key}: file {tuple(value.shape)}, model {tuple(target[key].shape)}")
    if wrong:
        raise CheckpointError(
            f"{source} is of another architecture, {len(wrong)} tensors differ in shape: "
            f"{'; '.join(wrong[:4])}; set TIMESFORMER.* to the sizes of the file"
        )
    if len(fitted) < len(target) / 4:
        raise CheckpointError(
            f"{_amount(len(fitted))} in {source} fits the model: it has "
            f"{', '.join(sorted(state)[:4])}, the model wants {', '.join(list(target)[:4])}"
        )
    if report.fresh:  # never a classifier that is half the file's
        fitted = {key: value for key, value in fitted.items() if key not in _HEAD}
    unwrap(model).load_state_dict(fitted, strict=False, assign=assign)
    report.loaded.extend(fitted)
    report.missing.extend(key for key in target if key not in fitted)
    return report


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside a DDP wrapper, or itself."""
    return getattr(model, "module", model)


def _resize(key: str, value: Tensor, target: Tensor) -> Tensor | None:
    """``value`` in the shape of ``target`` if only frames or resolution differ, else None."""
    if key not in ("pos_embed", "time_embed") or value.ndim != 3:
        return None
    if value.shape[2] != target.shape[2]:
        return None
    if key == "time_embed":
        return convert.resize_time(value, target.shape[1])
    try:
        return convert.resize_position(value, target.shape[1])
    except ValueError:  # not a square grid: a class token too many, or none
        return None


def _amount(count: int) -> str:
    return "almost nothing" if count else "nothing"


def first_line(error: Exception) -> str:
    """The beginning of a message that may be long."""
    return str(error).strip().partition("\n")[0][:160]


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27
