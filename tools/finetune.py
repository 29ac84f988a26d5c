"""Fine-tune on your own videos: a folder of class folders, and weights to start from.

    python tools/finetune.py clips --from TimeSformer_divST_8x32_224_K400.pyth
    python tools/finetune.py clips --from vit.safetensors --out output/mine NUM_GPUS 0 SOLVER.MAX_EPOCH 5

Splits the videos by class and film (or takes train, val and test folders of class folders), reads sizes
off the weights, picks a recipe by the number of videos and the length of clips by theirs, trains, tests,
and says how to predict. What it runs is `run_net.py --cfg OUT/finetune.yaml`; the same command again goes
on where it stopped. KEY VALUE pairs override the recipe. The status is 2 for input that cannot be used,
and 1 if the test has scores that are not finite.
"""

import argparse
import json
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.files import write_atomically
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:
    from timesformer.config import CfgNode
    from timesformer.datasets.write_lists import Parts

SETTINGS = "finetune.yaml"
RATE = "DATA.SAMPLING_RATE"


@command("finetune.py", interrupted="the same command goes on")
def main() -> int:
    """Command line."""
    finetune(parse_arguments())
    return 0


def finetune(args: argparse.Namespace) -> None:
    """Split, choose, train, test, report."""
    from timesformer.checkpoint.model_spec import read_model_spec
    from timesformer.checkpoint.start import located
    from timesformer.engine.preflight import preflight
    from timesformer.engine.presets import PRESETS, preset_for
    from timesformer.engine.run import launch_run
    from timesformer.runtime.local_rank import is_main
    from timesformer.runtime.run_lock import owned

    weights = read_model_spec(located(args.weights), overrides=heads(args.opts))
    parts, names = split(args.folder, args.classes, seed=args.seed)
    out = args.out or Path("output/finetune") / args.folder.resolve().name
    keep_lists(out / "lists", parts, names)
    num_train = len(parts["train"])
    recipe = args.recipe or preset_for(num_train, len(names))
    opts = [*args.opts, *(["TRAIN.RESUME_ANYWAY", "True"] if args.override else [])]
    values = settings_for(args.weights, weights, recipe, parts, names)
    settings = out / SETTINGS
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    print(f"{len(names)} classes: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}")
    print(f"videos: {counts}; lists in {out / 'lists'}")
    if parts["val"] == parts["test"]:
        print("val and test are the same videos, there are too few: the test will look too good")
    print(f"recipe: {recipe} ({PRESETS[recipe].why})")
    print(f"the same as: python tools/run_net.py --cfg {shlex.join([str(settings), *opts])}")
    given = RATE in keys_of(opts)
    values |= clips_before(settings, values) or fitting_clips(draft(out, values, opts), given=given)
    cfg = draft(out, values, opts)  # a start that is refused leaves the file as it is
    writes = is_main(cfg.SHARD_ID)
    with owned(cfg.OUTPUT_DIR) if writes else nullcontext():
        preflight(cfg)
        if writes:
            with write_atomically(settings, option="--out") as file:
                file.write(settings_text(out, values))
    launch_run(cfg)
    if cfg.TEST.ENABLE:
        report(Path(cfg.OUTPUT_DIR))


def draft(out: Path, values: dict[str, Any], opts: Sequence[str]) -> "CfgNode":
    """The configuration of these settings, without OUT/finetune.yaml."""
    from timesformer.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, SETTINGS)
        path.write_text(settings_text(out, values), encoding="utf-8")
        return load_config(path, opts)


def clips_before(settings: Path, values: dict[str, Any]) -> dict[str, int]:
    """The key of the clip length of an earlier run of the same weights and videos, which resumes."""
    from timesformer.config import flat_values

    text = settings.read_text(encoding="utf-8") if settings.is_file() else "{}"
    before = flat_values(text, source=str(settings))
    start = "TRAIN.CHECKPOINT_FILE_PATH"
    if before.get(start) != values[start] or RATE not in before:
        return {}
    print(f"clips as before (SAMPLING_RATE {before[RATE]} in {settings})")
    return {RATE: before[RATE]}


def fitting_clips(cfg: "CfgNode", *, given: bool) -> dict[str, int]:
    """The key of the clip length that suits the training videos, and a line on it.

    ``given``: it was chosen by the user, and is only measured. Otherwise that of ``cfg``, the weights'
    own, is the longest.
    """
    import numpy as np

    from timesformer.datasets import read_list
    from timesformer.datasets.durations import (
        build_clip_shape,
        build_durations,
        fit_clips,
        fitting_rate,
    )
    from timesformer.runtime.log import progress

    shape = build_clip_shape(cfg)
    if shape is None:
        return {}
    seconds = build_durations(
        cfg,
        read_list(cfg, "train"),
        lambda loader: progress(loader, total=len(loader), title="durations"),
    )
    known = seconds[~np.isnan(seconds)]
    if not len(known):
        return {}
    rate = shape.rate if given else fitting_rate(known, shape)
    own = ", as given" if given else f", the longest of the weights is {shape.rate}"
    unread = len(seconds) - len(known)
    print(
        f"{fit_clips(known, shape._replace(rate=rate))}{own if given or rate < shape.rate else ''}"
        f"{f'; {unread} could not be read' if unread else ''}"
    )
    return {} if given else {RATE: rate}


def keys_of(opts: Sequence[str]) -> set[str]:
    """The keys of ``KEY VALUE`` and ``KEY=VALUE``; values may be among them."""
    return {text.partition("=")[0] for text in opts}


def heads(opts: Sequence[str]) -> list[str]:
    """The pair of ``opts`` that files without configuration may need: their shapes do not tell it."""
    pairs = zip(opts[::2], opts[1::2], strict=False)
    return [text for pair in pairs if pair[0] == "TIMESFORMER.NUM_HEADS" for text in pair]


def split(folder: Path, classes: str, *, seed: int) -> "tuple[Parts, tuple[str, ...]]":
    """The videos below ``folder`` by split, and the names of their classes.

    Raises:
        ListError: no folder, no videos, no class folders, a class that cannot be divided, or
            ``classes`` (a file or a known data set) that are not those of the folders.
    """
    from timesformer.datasets.annotation_formats import read_class_folders
    from timesformer.datasets.annotations import Source, describe_unlisted, locate
    from timesformer.datasets.folders import VideoFolder
    from timesformer.datasets.list_text import ListError
    from timesformer.datasets.splits import assign_splits, complete_splits, shares_for

    if not folder.is_dir():
        raise ListError(f"{folder} is not a folder; give the folder of your class folders")
    videos = VideoFolder(folder)
    if not videos.paths:
        raise ListError(f"{folder} holds no video file and no frame folder; check the path")
    annotations = read_class_folders(Source(videos))
    if classes:
        annotations = read_class_folders(
            Source(videos, class_names=known_names(classes, annotations))
        )
    entries, _ = locate(annotations.clips, videos)
    for line in (*videos.describe_unused(), *describe_unlisted(videos, entries)):
        print(line)
    shares = shares_for(entries, annotations.class_names)
    entries = assign_splits(entries, seed=seed, shares=shares, names=annotations.class_names)
    return complete_splits(entries), annotations.class_names


def known_names(classes: str, annotations: Any) -> tuple[str, ...]:
    """The given class names, in their order, if they are those of the folders."""
    from timesformer.datasets.class_names import class_names
    from timesformer.datasets.list_text import ListError

    names = class_names(classes)
    found = annotations.class_names
    if absent := sorted(set(names) ^ set(found)):
        raise ListError(
            f"{classes} names {len(names)} classes and there are {len(found)} class folders, which differ "
            f"in {', '.join(absent[:4])}{', ...' if len(absent) > 4 else ''}; rename, or leave out "
            "--classes"
        )
    return names


def keep_lists(folder: Path, parts: "Parts", names: Sequence[str]) -> None:
    """Write the lists; if they are there already, they must be these.

    Raises:
        ListError: they are others, so what was trained on could be tested on.
    """
    from timesformer.datasets.list_text import ListError
    from timesformer.datasets.write_lists import write_lists

    if not folder.is_dir():
        write_lists(folder, parts, names)
        return
    with tempfile.TemporaryDirectory() as other:
        write_lists(Path(other), parts, names)
        for path in Path(other).iterdir():
            old = folder / path.name
            if not old.is_file() or old.read_bytes() != path.read_bytes():
                raise ListError(
                    f"{old} was written for other videos or another --seed, and going on would mix "
                    "training with test videos; use another --out"
                )


def settings_for(
    path: str, weights: Any, recipe: str, parts: "Parts", names: Sequence[str]
) -> dict[str, Any]:
    """Keys and values of the run but for its folders."""
    import torch

    from timesformer.engine.presets import preset_values, start_values

    values = start_values(weights) | preset_values(recipe, len(parts["train"]))
    return values | {
        "MODEL.NUM_CLASSES": len(names),
        "TRAIN.FINETUNE": True,
        "TRAIN.CHECKPOINT_FILE_PATH": str(path),
        "NUM_GPUS": min(torch.cuda.device_count(), 1),
    }


def settings_text(out: Path, values: dict[str, Any]) -> str:
    """The YAML of OUT/finetune.yaml, a configuration file of its own."""
    import yaml

    values = values | {"DATA.PATH_TO_DATA_DIR": str(out / "lists"), "OUTPUT_DIR": str(out)}
    tree: dict[str, Any] = {}
    for key, value in sorted(values.items()):
        *section, name = key.split(".")
        (tree.setdefault(section[0], {}) if section else tree)[name] = value
    return yaml.safe_dump(tree)


def report(folder: Path) -> None:
    """The result of the test, and what to do next."""
    from timesformer.files import RESULTS

    found = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    print(
        f"\ntop-1 accuracy {found['top1_acc']:.2f} % on {found['scored']} of {found['videos']} test "
        f"videos (chance: {found['chance_acc']:.2f} %, always the commonest class: "
        f"{found['majority_acc']:.2f} %), with {found['weights']}"
    )
    print(f"predict: python tools/predict.py VIDEO --weights {shlex.quote(found['weights'])}")


def parse_arguments() -> argparse.Namespace:
    """Arguments and options."""
    parser = Parser(
        keys=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of class folders")
    parser.add_argument(
        *reversed(SPELLINGS["weights"]),
        dest="weights",
        required=True,
        metavar="WEIGHTS",
        help="a file",
    )
    parser.add_argument(
        *SPELLINGS["out"], dest="out", type=Path, metavar="DIR", help="(output/finetune/FOLDER)"
    )
    parser.add_argument(
        "--recipe", choices=("probe", "gentle", "full"), help="(by the number of videos)"
    )
    parser.add_argument("--classes", default="", metavar="NAMES", help="file; sets the order")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the split (0)")
    parser.add_argument("--override", action="store_true", help="go on though settings differ")
    return parser.parse_args()


if __name__ == "__main__":
    leave(main())
