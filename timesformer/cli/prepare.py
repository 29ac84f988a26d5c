"""Write lists for training from other annotation formats: train.csv, val.csv, test.csv, classes.txt.

The format `list` mends lists of lines `path label`: names for labels, labels from 1 (--first-label 1),
or another encoding (--encoding gbk). --resize 256 also writes every video again with that short side,
under OUT/videos-256; after an interruption, the same command resumes.

$ timesformer prepare folders   --videos clips --out data/mine
$ timesformer prepare kinetics  --videos k400 --annotations train.csv validate.csv --out data/k400
$ timesformer prepare mmaction2 --videos k400_tiny --train train.txt --val val.txt --out data/tiny
$ timesformer prepare ucf101    --videos UCF-101 --annotations ucfTrainTestlist --out data/ucf
$ timesformer prepare hmdb51    --videos hmdb51 --annotations testTrainMulti_7030_splits --out data/hmdb
$ timesformer prepare ssv2      --videos 20bn-something-something-v2 --annotations labels --out data/ssv2
$ timesformer prepare csv       --videos frames --annotations list.csv --out data/mine
$ timesformer prepare list      --videos clips --train train.csv --val val.csv --out data/mine

Long films with annotated seconds become lists of segments (`path label start end`) with segments of
background from the gaps, as the last class:

$ timesformer prepare activitynet --videos films --annotations activity_net.v1-3.json --out data/anet
$ timesformer prepare thumos14    --videos films --annotations TH14_Temporal_annotations --out data/thumos
$ timesformer prepare epic --label noun --videos films --train train.csv --val val.csv --out data/epic
$ timesformer prepare via         --videos films --annotations via_project.json --out data/mine
"""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, Processes, Seed, positive_seconds

Format = Literal[
    "kinetics", "mmaction2", "ucf101", "hmdb51", "ssv2", "folders", "csv", "list",
    "activitynet", "thumos14", "epic", "via",
]  # fmt: skip
ListFile = Annotated[Path | None, typer.Option(help="The list (mmaction2, csv, list, epic, via).")]
SHARE_HELP = (
    "Part of each class (of films: of the films) for this split, where the format has none."
)


def share(value: float) -> float:
    """The callback of an option that is a part of a class."""
    if not 0 <= value < 1:
        raise typer.BadParameter(f"{value} must be in [0, 1): a part of each class")
    return value


def ratio(value: float) -> float:
    """The callback of --background."""
    if not 0 <= value <= 100:
        raise typer.BadParameter(
            f"{value:g} must be in [0, 100]: background segments for each action"
        )
    return value


def seconds_from_0(value: float) -> float:
    """The callback of --context."""
    if not 0 <= value < float("inf"):
        raise typer.BadParameter(f"{value:g} must be 0 seconds or more")
    return value


def subset_splits(text: str) -> dict[str, str]:
    """``NAME=SPLIT,...`` of --subsets as a table."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    for name, _, split in pairs:
        if not name.strip() or split.strip() not in ("train", "val", "test"):
            raise typer.BadParameter(
                f"{text!r} must be NAME=SPLIT,... with train, val or test for each subset"
            )
    return {name.strip(): split.strip() for name, _, split in pairs}


def checked_subsets(text: str) -> str:
    """The callback of --subsets."""
    subset_splits(text)
    return text


Share = Annotated[float, typer.Option(callback=share, help=SHARE_HELP)]


@command(fails="a video could not be re-encoded", interrupted="the same command resumes")
def main(
    form: Annotated[
        Format,
        typer.Argument(metavar="FORMAT", help="Format of the annotations: one of those above."),
    ],
    videos: Annotated[Path, typer.Option(metavar="DIR", help="Of the videos.")],
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder to write.")],
    annotations: Annotated[
        list[Path],
        typer.Option(
            metavar="PATH...", default_factory=list, show_default=False, help="Files or a folder."
        ),
    ],
    train: ListFile = None,
    val: ListFile = None,
    test: ListFile = None,
    classes: Annotated[
        str, typer.Option(metavar="NAMES", help="Class names: a file, or as kinetics400.")
    ] = "",
    encoding: Annotated[str, typer.Option(help="Of text files.")] = "utf-8",
    first_label: Annotated[int, typer.Option(help="The label that labels count from.")] = 0,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Write the lists there are, also without train or val."),
    ] = False,
    fold: Annotated[int, typer.Option(min=1, help="Official split.")] = 1,
    seed: Seed = 0,
    val_share: Share = 0.1,
    test_share: Share = 0.1,
    resize: Annotated[
        int | None, typer.Option(min=1, metavar="SIDE", help="Re-encode to this short side.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(callback=positive_seconds, help="Of --resize: seconds for one video.")
    ] = 3600.0,
    background: Annotated[
        float,
        typer.Option(
            callback=ratio, metavar="RATIO", help="Films: background segments for each action."
        ),
    ] = 1.0,
    shortest: Annotated[
        float, typer.Option(callback=positive_seconds, help="Films: seconds of a segment.")
    ] = 0.1,
    context: Annotated[
        float,
        typer.Option(
            callback=seconds_from_0,
            metavar="SECONDS",
            help="Films: rows reach so far beyond their segment on both sides; with half a clip, a "
            "clip has the class of its middle, as in detect.",
        ),
    ] = 0.0,
    label: Annotated[
        str,
        typer.Option(metavar="NAME", help="The class: verb or noun (epic), an attribute (via)."),
    ] = "",
    subsets: Annotated[
        str,
        typer.Option(
            callback=checked_subsets,
            metavar="NAME=SPLIT,...",
            help="Films: what a subset is for, as Validation=train,Test=val.",
        ),
    ] = "",
    workers: Processes = None,
) -> int:
    """Write the lists and print a table of them."""
    from timesformer.datasets.annotations import Source
    from timesformer.datasets.class_names import class_names
    from timesformer.datasets.film_rows import FilmChoices
    from timesformer.datasets.folders import VideoFolder
    from timesformer.datasets.list_text import ListError
    from timesformer.datasets.prepare import Resize, prepare

    if not videos.is_dir():
        raise ListError(f"--videos {videos} is not a folder; pass the folder of the videos")
    found = VideoFolder(videos)
    if not found.paths and form not in ("list", "csv"):  # their paths may be absolute
        raise ListError(f"{videos} holds no video file and no frame folder; check --videos")
    given = {"train": train, "val": val, "test": test}
    source = Source(
        found,
        tuple(annotations),
        {split: path for split, path in given.items() if path},
        class_names(classes) if classes else (),
        fold,
        encoding,
        first_label,
        label,
        subset_splits(subsets),
    )
    processes = workers or os.cpu_count() or 1
    prepared = prepare(
        source,
        form,
        out,
        shares={"val": val_share, "test": test_share},
        seed=seed,
        allow_missing=partial,
        resize=Resize(resize, processes, timeout) if resize else None,
        films=FilmChoices(background, shortest, context, num_processes=processes),
    )
    for line in prepared.lines:
        print(line)
    return 1 if prepared.num_failures else 0
