"""What weights are worth on a small data set: nearest neighbour, ridge, linear probe, fine-tuning.

Every method learns from the same folds (each video is tested once a seed) and counts the same videos.
Features are those of the frozen backbone, of the middle clip and its centre crop; probe and fine-tuning
are whole runs of the engine, tested at their last epoch, so nothing is selected on the tested fold.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from timesformer.checkpoint.load import load_weights
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.config import CfgNode, config_of
from timesformer.datasets import build_dataset
from timesformer.datasets.list_lines import parse_row
from timesformer.datasets.list_text import numbered_lines
from timesformer.engine.presets import preset_values, start_values
from timesformer.engine.run import launch_run
from timesformer.evaluation.features import build_features
from timesformer.evaluation.probe import build_probe_clips
from timesformer.files import RESULTS, checkpoint_folder
from timesformer.models import build_model

Line = tuple[str, int]  # absolute path and label of a video

TRAINED = {"probe": "probe", "full": "gentle"}  # method -> recipe
FROM_SCRATCH = {"SOLVER.LAYER_DECAY": 1.0, "SOLVER.HEAD_LR_RATIO": 1.0, "SOLVER.BASE_LR": 3e-4}
ONE_VIEW = {
    "TEST.NUM_ENSEMBLE_VIEWS": 1,
    "TEST.NUM_SPATIAL_CROPS": 1,
    "TEST.VIEW_PLACEMENT": "paper",
}
LAST = {  # validated, kept and tested: the last epoch alone
    "TRAIN.EVAL_PERIOD": 10**6,
    "TRAIN.CHECKPOINT_PERIOD": 10**6,
    "TEST.CHECKPOINT_FILE_PATH": "",
}


@dataclass(frozen=True)
class Comparison:
    """Which weights and methods are compared, on what, and where the runs are kept."""

    lines: Sequence[Line]
    weights: Sequence[str]  # files, or "none"
    methods: Sequence[str]
    num_folds: int  # 0: leave one out
    num_seeds: int
    num_gpus: int
    opts: Sequence[str]  # KEY VALUE words of every run
    out: Path

    def run(self, progress: Callable[..., object]) -> str:
        """Run what is not there yet; write OUT/results.csv and return the table.

        ``progress`` gets weights, method, seed, right and all videos of each result.
        """
        rows, shared = [], self._shared_values()
        for seed in range(self.num_seeds):
            folds = deal(self.lines, folds=self.num_folds or len(self.lines), seed=seed)
            for weights in self.weights:
                values = shared | _first_weights(weights) | {"RNG_SEED": seed}
                folder = self.out / f"{Path(weights).stem}-{seed}"
                for method in self.methods:
                    right = self._score(method, values, folds, folder)
                    rows.append({"weights": Path(weights).stem, "method": method, "seed": seed,
                                 "right": right, "videos": len(self.lines)})  # fmt: skip
                    progress(*rows[-1].values())
        table = pd.DataFrame(rows)
        table.to_csv(self.out / "results.csv", index=False)
        groups = table.groupby(["weights", "method"], sort=False)["right"]
        summary = groups.agg(["mean", "std", "min", "max"]).round(1)
        summary["percent"] = (100 * summary["mean"] / len(self.lines)).round(1)
        return f"{len(self.lines)} videos, {self.num_seeds} seed(s)\n{summary.to_string()}"

    def _score(
        self, method: str, values: Mapping[str, Any], folds: np.ndarray, folder: Path
    ) -> int:
        """Videos that ``method`` gets right when their fold is held out."""
        lines, opts = self.lines, self.opts
        if method not in TRAINED:
            return fit(
                method, build_backbone_features(values, lines, folder / "all", opts), lines, folds
            )
        return sum(
            _trained(method, values, lines, folds == fold, folder / f"{method}-{fold}", opts)
            for fold in sorted(set(folds.tolist()))
        )

    def _shared_values(self) -> dict[str, Any]:
        """Model and clips of every run: those of the first file among the weights."""
        known = next((name for name in self.weights if name != "none"), None)
        values = start_values(read_model_spec(known)) if known else {}
        values |= {"MODEL.NUM_CLASSES": max(label for _, label in self.lines) + 1}
        return values | {"NUM_GPUS": self.num_gpus, **ONE_VIEW}


def _first_weights(weights: str) -> dict[str, Any]:
    if weights == "none":
        return {"TIMESFORMER.PRETRAINED_MODEL": "none"}
    return {"TRAIN.FINETUNE": True, "TRAIN.CHECKPOINT_FILE_PATH": weights}


def deal(lines: Sequence[Line], *, folds: int, seed: int) -> np.ndarray:
    """Fold of each video: the videos of a class go to different folds."""
    rng = np.random.default_rng(seed)
    labels = np.array([label for _, label in lines])
    order = rng.permutation(len(lines))
    order = order[np.argsort(labels[order], kind="stable")]
    of_video = np.empty(len(lines), dtype=int)
    of_video[order] = np.arange(len(lines)) % folds
    return of_video


def _trained(
    method: str,
    values: Mapping[str, Any],
    lines: Sequence[Line],
    held_out: np.ndarray,
    folder: Path,
    opts: Sequence[str],
) -> int:
    """Train on all but the ``held_out`` videos, test on these; returns how many are right."""
    results = folder / RESULTS
    if not results.is_file():
        parts = {"train": ~held_out, "val": held_out, "test": held_out}
        values = preset_values(TRAINED[method], int(parts["train"].sum())) | LAST | dict(values)
        if method == "full" and values.get("TIMESFORMER.PRETRAINED_MODEL") == "none":
            values |= FROM_SCRATCH
        cfg = _configuration(values, lines, parts, folder, opts)
        launch_run(cfg)
        shutil.rmtree(checkpoint_folder(folder))  # 90 MB each, and needed no more
    found = json.loads(results.read_text())
    return round(found["top1_acc"] * found["scored"] / 100)


def build_backbone_features(
    values: Mapping[str, Any], lines: Sequence[Line], folder: Path, opts: Sequence[str]
) -> np.ndarray:
    """Features (videos, D) of the frozen backbone."""
    cfg = _configuration(values, lines, {"train": np.ones(len(lines), dtype=bool)}, folder, opts)
    torch.manual_seed(cfg.RNG_SEED)
    model = build_model(cfg)
    if cfg.TRAIN.CHECKPOINT_FILE_PATH:
        load_weights(model, cfg.TRAIN.CHECKPOINT_FILE_PATH)
    device = torch.device("cuda" if cfg.NUM_GPUS else "cpu")
    clips = build_probe_clips(cfg, build_dataset(cfg, "train"))
    (found,) = build_features(cfg, model.to(device), clips, device, split="train")
    return found.values.numpy()


def fit(method: str, found: np.ndarray, lines: Sequence[Line], folds: np.ndarray) -> int:
    """Videos that a classifier by scikit-learn gets right, each from the other folds."""
    classifiers = {
        "nearest": KNeighborsClassifier(1, metric="cosine"),
        "ridge": RidgeClassifier(alpha=1.0),
    }
    labels = np.array([label for _, label in lines])
    predicted = cross_val_predict(classifiers[method], found, labels, cv=PredefinedSplit(folds))
    return int((predicted == labels).sum())


def _configuration(
    values: Mapping[str, Any],
    lines: Sequence[Line],
    parts: dict[str, np.ndarray],
    folder: Path,
    opts: Sequence[str],
) -> CfgNode:
    """Write a list a split, of masks of ``lines``, into ``folder``; returns the run's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, mask in parts.items():
        chosen = [
            f"{path} {label}" for (path, label), is_in in zip(lines, mask, strict=True) if is_in
        ]
        (folder / f"{split}.csv").write_text("\n".join(chosen) + "\n")
    values = {**values, "DATA.PATH_TO_DATA_DIR": str(folder), "OUTPUT_DIR": str(folder)}
    return config_of(values, opts, source="timesformer compare-finetuning")


def read_lines(path: Path) -> list[Line]:
    """Absolute paths and labels of a list."""
    rows = [parse_row(line, " ", where=f"{path}:{i}") for i, line in numbered_lines(path)]
    return [(str((path.parent / row.path).absolute()), row.labels[0]) for row in rows]
