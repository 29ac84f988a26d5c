"""What weights are worth on a small data set: nearest neighbour, ridge, linear probe, fine-tuning.

    python tools/compare_finetuning.py LIST --weights vit.safetensors none --out DIR [KEY VALUE ...]

LIST is a file of lines `path label`. Every method learns from the same folds (each video is tested once
a seed) and counts the same videos. Features are those of the frozen backbone, of the middle clip and its
centre crop; probe and fine-tuning are whole runs of the engine, tested at their last epoch, so nothing
is selected on the tested fold. `none` is random weights. The same command again goes on where it stopped.
"""

import argparse
import contextlib
import json
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:
    import numpy as np

    from timesformer.config import CfgNode

METHODS = ("nearest", "ridge", "probe", "full")
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


@command("compare_finetuning.py", interrupted="the same command goes on")
def main() -> int:
    """Command line; the status is 2 for input that cannot be used."""
    args = parse_arguments()
    with logged(args.out / "console.log"):
        table = compare(args)
    print(table)
    return 0


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """What the runs say goes to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    with path.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        yield
        for handler in [h for h in root.handlers if getattr(h, "stream", None) is file]:
            root.removeHandler(handler)


def compare(args: argparse.Namespace) -> str:
    """Run everything that is not there yet; returns the table."""
    import pandas as pd
    import torch

    torch.set_num_threads(args.threads or torch.get_num_threads())
    lines = read_lines(args.list)
    rows = []
    for seed in range(args.seeds):
        folds = deal(lines, folds=args.folds or len(lines), seed=seed)
        for weights in args.weights:
            folder = args.out / f"{Path(weights).stem}-{seed}"
            for method in args.methods:
                right = score(method, args, weights, lines, folds, seed, folder)
                rows.append({"weights": Path(weights).stem, "method": method, "seed": seed,
                             "right": right, "videos": len(lines)})  # fmt: skip
                print(*rows[-1].values(), file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(args.out / "results.csv", index=False)
    groups = table.groupby(["weights", "method"], sort=False)["right"]
    summary = groups.agg(["mean", "std", "min", "max"]).round(1)
    summary["percent"] = (100 * summary["mean"] / len(lines)).round(1)
    return f"{len(lines)} videos, {args.seeds} seed(s)\n{summary.to_string()}"


def deal(lines: list[tuple[str, int]], *, folds: int, seed: int) -> "np.ndarray":
    """Fold of each video: the videos of a class go to different folds."""
    import numpy as np

    rng = np.random.default_rng(seed)
    labels = np.array([label for _, label in lines])
    order = rng.permutation(len(lines))
    order = order[np.argsort(labels[order], kind="stable")]
    of_video = np.empty(len(lines), dtype=int)
    of_video[order] = np.arange(len(lines)) % folds
    return of_video


def score(
    method: str,
    args: argparse.Namespace,
    weights: str,
    lines: list[tuple[str, int]],
    folds: "np.ndarray",
    seed: int,
    folder: Path,
) -> int:
    """Videos that ``method`` gets right when their fold is held out."""
    values = settings(args, weights, lines, seed)
    if method not in TRAINED:
        return fit(method, features(values, lines, folder / "all", args.opts), lines, folds)
    return sum(
        trained(method, values, lines, folds == fold, folder / f"{method}-{fold}", args.opts)
        for fold in sorted(set(folds.tolist()))
    )


def settings(
    args: argparse.Namespace, weights: str, lines: list[tuple[str, int]], seed: int
) -> dict[str, Any]:
    """Model, clips and first weights of every run."""
    from timesformer.checkpoint.model_spec import read_model_spec
    from timesformer.engine.presets import start_values

    known = next((name for name in args.weights if name != "none"), None)
    values = start_values(read_model_spec(known)) if known else {}
    values |= {"MODEL.NUM_CLASSES": max(label for _, label in lines) + 1, "RNG_SEED": seed}
    values |= {"NUM_GPUS": args.num_gpus, **ONE_VIEW}
    if weights == "none":
        return values | {"TIMESFORMER.PRETRAINED_MODEL": "none"}
    return values | {"TRAIN.FINETUNE": True, "TRAIN.CHECKPOINT_FILE_PATH": weights}


def trained(
    method: str,
    values: dict[str, Any],
    lines: list[tuple[str, int]],
    held_out: "np.ndarray",
    folder: Path,
    opts: list[str],
) -> int:
    """Train on all but the ``held_out`` videos, test on these; returns how many are right."""
    from timesformer.engine.presets import preset_values
    from timesformer.engine.run import launch_run

    results = folder / "test_results.json"
    if not results.is_file():
        parts = {"train": ~held_out, "val": held_out, "test": held_out}
        values = preset_values(TRAINED[method], int(parts["train"].sum())) | LAST | values
        if method == "full" and values.get("TIMESFORMER.PRETRAINED_MODEL") == "none":
            values |= FROM_SCRATCH
        cfg = configuration(values, lines, parts, folder, opts)
        launch_run(cfg)
        shutil.rmtree(folder / "checkpoints")  # 90 MB each, and needed no more
    found = json.loads(results.read_text())
    return round(found["top1_acc"] * found["scored"] / 100)


def features(
    values: dict[str, Any], lines: list[tuple[str, int]], folder: Path, opts: list[str]
) -> "np.ndarray":
    """Features (videos, D) of the frozen backbone."""
    import numpy as np
    import torch

    from timesformer.checkpoint.load import load_weights
    from timesformer.datasets import build_dataset
    from timesformer.evaluation.features import build_features
    from timesformer.evaluation.probe import build_probe_clips
    from timesformer.models import build_model

    cfg = configuration(values, lines, {"train": np.ones(len(lines), dtype=bool)}, folder, [*opts])
    torch.manual_seed(cfg.RNG_SEED)
    model = build_model(cfg)
    if cfg.TRAIN.CHECKPOINT_FILE_PATH:
        load_weights(model, cfg.TRAIN.CHECKPOINT_FILE_PATH)
    device = torch.device("cuda" if cfg.NUM_GPUS else "cpu")
    clips = build_probe_clips(cfg, build_dataset(cfg, "train"))
    (found,) = build_features(cfg, model.to(device), clips, device, split="train")
    return found.values.numpy()


def fit(method: str, found: "np.ndarray", lines: list[tuple[str, int]], folds: "np.ndarray") -> int:
    """Videos that a classifier by scikit-learn gets right, each from the other folds."""
    import numpy as np
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    classifiers = {
        "nearest": KNeighborsClassifier(1, metric="cosine"),
        "ridge": RidgeClassifier(alpha=1.0),
    }
    labels = np.array([label for _, label in lines])
    predicted = cross_val_predict(classifiers[method], found, labels, cv=PredefinedSplit(folds))
    return int((predicted == labels).sum())


def configuration(
    values: dict[str, Any],
    lines: list[tuple[str, int]],
    parts: "dict[str, np.ndarray]",
    folder: Path,
    opts: list[str],
) -> "CfgNode":
    """Write a list a split, of masks of ``lines``, into ``folder``; returns the run's configuration."""
    from timesformer.config import config_of

    folder.mkdir(parents=True, exist_ok=True)
    for split, mask in parts.items():
        chosen = [
            f"{path} {label}" for (path, label), is_in in zip(lines, mask, strict=True) if is_in
        ]
        (folder / f"{split}.csv").write_text("\n".join(chosen) + "\n")
    values = values | {"DATA.PATH_TO_DATA_DIR": str(folder), "OUTPUT_DIR": str(folder)}
    return config_of(values, opts, source="compare_finetuning.py")


def read_lines(path: Path) -> list[tuple[str, int]]:
    """Absolute paths and labels of a list."""
    from timesformer.datasets.list_lines import parse_row
    from timesformer.datasets.list_text import numbered_lines

    rows = [parse_row(line, " ", where=f"{path}:{i}") for i, line in numbered_lines(path)]
    return [(str((path.parent / row.path).absolute()), row.labels[0]) for row in rows]


def parse_arguments() -> argparse.Namespace:
    """Arguments and options."""
    parser = Parser(
        keys=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("list", type=Path, metavar="LIST")
    parser.add_argument(
        *SPELLINGS["weights"],
        dest="weights",
        nargs="+",
        required=True,
        metavar="FILE",
        help="or none",
    )
    parser.add_argument(*SPELLINGS["out"], dest="out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="0: leave one out (5)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="repetitions (3)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        *reversed(SPELLINGS["gpus"]),
        dest="num_gpus",
        type=int,
        default=0,
        choices=(0, 1),
        help="(0)",
    )
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of PyTorch")
    return parser.parse_args()


if __name__ == "__main__":
    leave(main())
