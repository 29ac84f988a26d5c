"""Find out which model suits your videos on your machine: one table of accuracy, speed, memory and time.

The list is divided into folds with equal shares of the classes; videos of one group, as clips of one
film, stay together. Each model is fine-tuned (or its head alone, --probe) on all folds but one and tested
on that one, so that every video is tested once, with one view. A model is a name of `timesformer models`,
or a checkpoint. With --budget the models share that time equally: a short trial says how many epochs fit.

Every run is a process of its own. A model that fails is a row with its reason. The same command resumes.

$ timesformer shootout train.csv --models timm/resnet18+mean,r3d_18 --budget 20min --out output/shootout
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesformer.cli.app import command
from timesformer.cli.model import remark
from timesformer.cli.options import OUT, Keys
from timesformer.cli.report import Group
from timesformer.io.terminal import hides_bars, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timesformer.config import CfgNode
    from timesformer.datasets.lists import VideoList
    from timesformer.engine.shootout.candidates import Candidate

SECONDS_OF = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
_AMOUNT = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(SECONDS_OF)})")


def seconds_of(text: str) -> float:
    """``20min`` -> 1200."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is not a time; write 90s, 20min or 1.5h")
    return float(found[1]) * SECONDS_OF[found[2]]


def names_of(words: list[str]) -> list[str]:
    """The callback of --models: names with commas or blanks between."""
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter("no model is named; `timesformer models` lists them")
    return names


@command(fails="a model failed", interrupted="the same command resumes")
def main(
    source: Annotated[
        str,
        typer.Argument(
            metavar="LIST", help="A list of `path label` lines, or a folder of class folders."
        ),
    ],
    models: Annotated[
        list[str],
        typer.Option(
            metavar="NAME,...",
            callback=names_of,
            help="Models and checkpoints, with commas between.",
        ),
    ],
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder to write.")],
    keys: Keys,
    budget: Annotated[
        float | None,
        typer.Option(
            parser=seconds_of,
            metavar="TIME",
            help="Of all models together, as 90s, 20min or 2h; default: all epochs of the recipe.",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the list.")] = 3,
    group: Group = "auto",
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--finetune",
            show_default=False,
            help="Train the head alone, or everything; default: by the number of videos.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds.")] = 0,
) -> int:
    """Run everything, print the table, write the page."""
    from timesformer.engine.presets import preset_for
    from timesformer.engine.shootout.candidates import distinct
    from timesformer.engine.shootout.fold_run import line_of
    from timesformer.engine.shootout.folds import class_names_of, fold_videos
    from timesformer.engine.shootout.output import shootout_lines, write_shootout
    from timesformer.engine.shootout.own_process import preload, run_alone
    from timesformer.engine.shootout.report import shootout_report
    from timesformer.engine.shootout.settings import digest_of, keep_settings
    from timesformer.engine.shootout.shootout import Shootout
    from timesformer.inference.videos import find_labelled
    from timesformer.runtime.run_lock import owned

    preload()
    videos = find_labelled(source)
    dealt = fold_videos(videos, num_folds=folds, group=group, seed=seed)
    num_classes, num_train = len(class_names_of(videos)), dealt.smallest_training()
    if probe is None:
        probe = preset_for(num_train, num_classes) == "probe"
    method = "probe" if probe else "finetune"
    candidates = find_candidates(
        distinct(models), videos, method, num_classes=num_classes, num_train=num_train, keys=keys
    )
    with owned(out):
        lines = [line_of(videos, i) for i in range(len(videos.labels))]
        keep_settings(
            out,
            {"list": digest_of(lines), "folds": folds, "group": group, "seed": seed, "method": method,
             "budget": budget, "keys": list(keys)},
        )  # fmt: skip
        trials = len(models) if budget else 0
        with progress_bar(total=trials + len(models) * folds) as tell:
            shootout = Shootout(videos, dealt, method, budget, out, tell, start=run_alone)
            entries = shootout.run(candidates)
        report = shootout_report(shootout, entries)
        page = write_shootout(out, report)
    print("\n".join(shootout_lines(report)))
    print(f"\nshootout: {printable(page)}")
    return 1 if any(entry.reason for entry in entries) else 0


def find_candidates(
    names: "Sequence[str]",
    videos: "VideoList",
    method: str,
    *,
    num_classes: int,
    num_train: int,
    keys: "Sequence[str]",
) -> "list[Candidate]":
    """The models, each with clips that suit the lengths of the videos, which are found once."""
    import numpy as np

    from timesformer.datasets.durations import build_durations
    from timesformer.engine.shootout.candidates import build_candidate
    from timesformer.runtime.log import progress

    known: list[Any] = []

    def seconds(cfg: "CfgNode") -> Any:
        if not known:
            found = build_durations(
                cfg, videos, lambda results, n: progress(results, total=n, title="durations")
            )
            known.append(found[~np.isnan(found)])
        return known[0]

    return [
        build_candidate(
            name,
            method=method,
            num_classes=num_classes,
            num_train=num_train,
            seconds=seconds,
            opts=keys,
        )
        for name in names
    ]


@contextmanager
def progress_bar(total: int) -> "Iterator[Callable[[str], None]]":
    """A function that shows a line and moves the bar by one run."""
    from tqdm import tqdm

    with tqdm(total=total, unit="run", disable=hides_bars(), leave=False, file=sys.stderr) as bar:

        def tell(line: str) -> None:
            remark(printable(line))
            bar.update()

        yield tell
