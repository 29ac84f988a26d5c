"""Fine-tune on your own videos: a folder of class folders or of lists, and weights to start from.

Splits the videos by class and film (or takes train, val and test folders of class folders, or the
train.csv, val.csv, test.csv and classes.txt of the folder, as `prepare` writes them), reads the sizes
from the weights, picks a recipe by the number of videos and the length of clips by theirs, trains,
tests, and says how to predict. It runs `timesformer train --cfg OUT/finetune.yaml`; the same command
again resumes. KEY VALUE pairs override the recipe.

$ timesformer finetune clips --from TimeSformer_divST_8x32_224_K400.pyth
$ timesformer finetune clips --from vit.safetensors --out output/mine NUM_GPUS 0 SOLVER.MAX_EPOCH 5
"""

import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, WEIGHTS, Keys, Seed

if TYPE_CHECKING:
    from timesformer.config import CfgNode
    from timesformer.datasets.class_folders import ClassFolders

SETTINGS = "finetune.yaml"


@command(fails="the test has scores that are not finite", interrupted="the same command resumes")
def main(
    folder: Annotated[Path, typer.Argument(help="Of class folders, or of lists.")],
    weights: Annotated[
        str, typer.Option(*reversed(WEIGHTS), metavar="WEIGHTS", help="To start from.")
    ],
    keys: Keys,
    out: Annotated[Path | None, typer.Option(*OUT, help="Default: output/finetune/FOLDER.")] = None,
    recipe: Annotated[
        Literal["probe", "gentle", "full"] | None,
        typer.Option(help="Default: by the number of videos."),
    ] = None,
    classes: Annotated[
        str, typer.Option(metavar="NAMES", help="Class names: a file; sets their order.")
    ] = "",
    seed: Seed = 0,
    override: Annotated[
        bool, typer.Option("--override", help="Resume although settings differ.")
    ] = False,
) -> None:
    """Split, choose, train, test, report."""
    import torch

    from timesformer.checkpoint.model_spec import read_model_spec
    from timesformer.checkpoint.start import located
    from timesformer.datasets.class_folders import keep_lists
    from timesformer.datasets.own_videos import own_videos
    from timesformer.engine import presets
    from timesformer.engine.preflight import preflight
    from timesformer.engine.run import launch_run
    from timesformer.files import write_atomically
    from timesformer.runtime.run_lock import owned

    model = read_model_spec(located(weights), overrides=presets.head_pairs(keys))
    videos = own_videos(folder, classes, seed=seed)
    parts, names = videos.parts, videos.class_names
    out = out or Path("output/finetune") / folder.resolve().name
    keep_lists(out / "lists", parts, names)
    num_train = len(parts["train"])
    recipe_name = recipe or presets.preset_for(num_train, len(names))
    opts = [*keys, *(["TRAIN.RESUME_ANYWAY", "True"] if override else [])]
    values = presets.start_values(model) | presets.preset_values(recipe_name, num_train)
    values |= {
        "MODEL.NUM_CLASSES": len(names),
        "TRAIN.FINETUNE": True,
        "TRAIN.CHECKPOINT_FILE_PATH": str(weights),
        "NUM_GPUS": min(torch.cuda.device_count(), 1),
    }
    settings = out / SETTINGS
    print_choice(videos, recipe_name, out)
    print(f"the same as: timesformer train --cfg {shlex.join([str(settings), *opts])}")
    values |= clip_length(settings, values, opts)
    cfg = draft(out, values, opts)  # a start that is refused leaves the file as it is
    run = build_run(cfg)
    with owned(run.folder) if run.writes else nullcontext():
        preflight(cfg)
        if run.writes:
            with write_atomically(settings, option="--out") as file:
                file.write(presets.settings_text(out, values))
    launch_run(cfg)
    if run.tests:
        report(Path(run.folder), run.split)


class Run(NamedTuple):
    """Where a run writes, whether this process is the one that does, whether it tests, and on what."""

    folder: str
    writes: bool
    tests: bool
    split: str


def build_run(cfg: "CfgNode") -> Run:
    """The run of a configuration."""
    from timesformer.runtime.local_rank import is_main

    return Run(cfg.OUTPUT_DIR, is_main(cfg.SHARD_ID), cfg.TEST.ENABLE, cfg.TEST.SPLIT)


def print_choice(videos: "ClassFolders", recipe: str, out: Path) -> None:
    """What was found, and the recipe that was chosen for it."""
    from timesformer.engine.presets import PRESETS

    parts, names = videos.parts, videos.class_names
    for line in videos.remarks:
        print(line)
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    print(f"{len(names)} classes: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}")
    print(f"videos: {counts}; lists in {out / 'lists'}")
    if parts["val"] == parts["test"]:
        print("val and test are the same videos, there are too few: the test will look too good")
    print(f"recipe: {recipe} ({PRESETS[recipe].why})")


def clip_length(settings: Path, values: Mapping[str, Any], opts: Sequence[str]) -> dict[str, int]:
    """The key of the clip length: as before, or one that suits the training videos; and a line on it."""
    from timesformer.datasets import read_list
    from timesformer.datasets.durations import build_fitting_rate
    from timesformer.engine.presets import RATE, clips_before
    from timesformer.runtime.log import progress

    if before := clips_before(settings, values):
        print(f"clips as before (SAMPLING_RATE {before[RATE]} in {settings})")
        return before
    cfg = draft(settings.parent, values, opts)
    is_given = RATE in opts[::2]
    fitting = build_fitting_rate(
        cfg,
        read_list(cfg, "train"),
        is_given=is_given,
        progress=lambda results, total: progress(results, total=total, title="durations"),
    )
    if fitting is None:
        return {}
    rate, line = fitting
    print(line)
    return {} if is_given else {RATE: rate}


def draft(out: Path, values: Mapping[str, Any], opts: Sequence[str]) -> "CfgNode":
    """The configuration of these settings, without OUT/finetune.yaml."""
    from timesformer.config import load_config
    from timesformer.engine.presets import settings_text

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, SETTINGS)
        path.write_text(settings_text(out, values), encoding="utf-8")
        return load_config(path, opts)


def report(folder: Path, split: str) -> None:
    """The result of the test on the list of ``split``, and what to do next."""
    from timesformer.files import result_files

    found = json.loads((folder / result_files(split).results).read_text(encoding="utf-8"))
    print(
        f"\ntop-1 accuracy {found['top1_acc']:.2f} % on {found['scored']} of {found['videos']} {split} "
        f"videos (chance: {found['chance_acc']:.2f} %, always the commonest class: "
        f"{found['majority_acc']:.2f} %), with {found['weights']}"
    )
    print(f"predict: timesformer predict VIDEO --weights {shlex.quote(found['weights'])}")
