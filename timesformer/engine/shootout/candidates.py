"""The models of a shootout: a name of MODELS or a checkpoint, and the configuration it trains with."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.start import IMAGENET, RANDOM, build_start, described
from timesformer.config import CfgNode, ConfigError, changed, config_of, portable
from timesformer.datasets.durations import build_clip_shape, fitting_rate
from timesformer.engine.compare_finetuning import FROM_SCRATCH, LAST, ONE_VIEW
from timesformer.engine.presets import RATE, head_pairs, preset_values, start_values
from timesformer.io.terminal import printable
from timesformer.models import MODELS, TIMESFORMERS, build_model, find_spec
from timesformer.models.flops import multiply_adds
from timesformer.models.trial import refusal

SOURCE = "timesformer shootout"
RECIPES = {"probe": "probe", "finetune": "gentle"}  # method -> recipe
NAME = "MODEL.MODEL_NAME"
WARMUP_SHARE = 0.1  # of the epochs, at most: 3 of the 30 of the recipe


@dataclass(frozen=True)
class Candidate:
    """A model, and how large it is."""

    name: str  # as the user wrote it
    folder: str  # its name as that of a folder
    cfg: CfgNode  # of its runs, but for their folders and epochs
    most_epochs: int
    num_frames: int
    rate: int  # of the frames
    side: int  # of a crop, in pixels
    parameters: int
    multiply_adds: int | None  # of one clip; None: it does not take these clips
    start: str  # which weights it starts from


def folder_name(name: str) -> str:
    """``timm/resnet18+lstm`` -> ``timm-resnet18+lstm``: what stands for a model in paths."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"


def distinct(names: Sequence[str]) -> list[str]:
    """``names``, if their folders differ.

    Raises:
        ConfigError: two would share a folder.
    """
    known: dict[str, str] = {}
    for name in names:
        folder = folder_name(name).lower()
        if folder in known:
            raise ConfigError(
                f"--models: {printable(known[folder])} and {printable(name)} would share the folder "
                f"{folder_name(name)}; name each model once, or rename a file"
            )
        known[folder] = name
    return list(names)


def build_candidate(
    name: str,
    *,
    method: str,
    num_classes: int,
    num_train: int,
    seconds: Callable[[CfgNode], Any],
    opts: Sequence[str],
) -> Candidate:
    """The model ``name`` with its own clips, one view a video, and the recipe of ``method``.

    Args:
        name: of MODELS, or of a checkpoint file.
        method: a row of RECIPES.
        num_classes: of the list.
        num_train: videos that a fold trains on, at least.
        seconds: (N,) known durations of the videos, found by the configuration of a first model.
        opts: KEY VALUE words of the user, which count for every model.

    Raises:
        ConfigError: no such model, or values that do not fit together.
        CheckpointError: a file that cannot be used.
    """
    values = preset_values(RECIPES[method], num_train) | _start(name, opts) | ONE_VIEW | LAST
    values |= {
        "MODEL.NUM_CLASSES": num_classes,
        "NUM_GPUS": min(torch.cuda.device_count(), 1),
        "LOG_PERIOD": 1,
    }
    cfg = config_of(values, opts, source=SOURCE)
    if method == "finetune" and build_start(cfg)["how"] == RANDOM:
        cfg = config_of(values | FROM_SCRATCH, opts, source=SOURCE)
    shape = build_clip_shape(cfg)
    if shape is not None and RATE not in opts[::2] and len(known := seconds(cfg)):
        cfg = changed(cfg, {RATE: fitting_rate(known, shape)})
    with torch.device("meta"):
        model = build_model(cfg).eval()
    return Candidate(
        name=name,
        folder=folder_name(name),
        cfg=cfg,
        most_epochs=cfg.SOLVER.MAX_EPOCH,
        num_frames=cfg.DATA.NUM_FRAMES,
        rate=cfg.DATA.SAMPLING_RATE,
        side=cfg.DATA.TEST_CROP_SIZE,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=None if refusal(model, model.input_spec) else multiply_adds(model),
        start=build_start_text(cfg),
    )


def build_start_text(cfg: CfgNode) -> str:
    """Which weights a run starts from, in words."""
    said = build_start(cfg)
    if said["file"] == IMAGENET and cfg.MODEL.MODEL_NAME not in TIMESFORMERS:
        return "published weights"
    return described(said)


def _start(name: str, opts: Sequence[str]) -> Mapping[str, Any]:
    """The keys of the model and its clips, and the weights to start from."""
    path = portable(name)
    if path.exists():
        spec = read_model_spec(path, overrides=head_pairs(opts))
        weights = {"TRAIN.FINETUNE": True, "TRAIN.CHECKPOINT_FILE_PATH": str(Path(path).absolute())}
        return start_values(spec) | weights
    try:
        found = find_spec(MODELS, name)
        config_of({NAME: name, "TRAIN.ENABLE": False, "TEST.ENABLE": False}, source=SOURCE)
        return {NAME: name, **found.defaults(name)}
    except ConfigError as error:
        raise ConfigError(
            f"--models {printable(name)} is neither a file nor a model: {error}"
        ) from error


def build_trial(candidate_cfg: CfgNode, folder: Path, batches: int) -> CfgNode:
    """A few batches of training, whose time says what an epoch takes; no test."""
    return changed(
        candidate_cfg,
        {
            **_folders(folder),
            "SOLVER.MAX_EPOCH": 1,
            "SOLVER.WARMUP_EPOCHS": 0.0,
            "DATA.LIMIT_TRAIN_BATCHES": float(batches),
            "TEST.ENABLE": False,
        },
    )


def build_fold(candidate_cfg: CfgNode, folder: Path, epochs: int | None) -> CfgNode:
    """Training and test of one fold; ``epochs`` None: those of the recipe."""
    solver = candidate_cfg.SOLVER
    num_epochs = solver.MAX_EPOCH if epochs is None else min(epochs, solver.MAX_EPOCH)
    warmup = min(solver.WARMUP_EPOCHS, WARMUP_SHARE * num_epochs)
    values = {"SOLVER.MAX_EPOCH": num_epochs, "SOLVER.WARMUP_EPOCHS": warmup}
    return changed(candidate_cfg, values | _folders(folder))


def _folders(folder: Path) -> dict[str, Any]:
    return {"DATA.PATH_TO_DATA_DIR": str(folder / "lists"), "OUTPUT_DIR": str(folder)}
