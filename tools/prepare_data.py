"""Lists for training from other annotation formats: train.csv, val.csv, test.csv and classes.txt.

    python tools/prepare_data.py folders   --videos clips --out data/mine
    python tools/prepare_data.py kinetics  --videos k400 --annotations train.csv validate.csv --out ...
    python tools/prepare_data.py mmaction2 --videos k400_tiny --train train.txt --val val.txt --out ...
    python tools/prepare_data.py ucf101    --videos UCF-101 --annotations ucfTrainTestlist --out ...
    python tools/prepare_data.py hmdb51    --videos hmdb51 --annotations testTrainMulti_7030_splits ...
    python tools/prepare_data.py ssv2      --videos 20bn-something-something-v2 --annotations labels ...
    python tools/prepare_data.py csv       --videos frames --annotations list.csv --out ...
    python tools/prepare_data.py list      --videos clips --train train.csv --val val.csv --out ...

``list`` mends lists of lines ``path label``: names for labels, labels from 1 (``--first-label 1``), or
another encoding (``--encoding gbk``).
``--resize 256`` also writes every video again with that short side, under OUT/videos-256; run the same
command again to go on after an interruption. The status is 1 if a video could not be re-encoded, and
2 for input that cannot be used.
"""

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.io.terminal import hides_bars, printable
from timesformer.runtime.command import command, leave, process_pool

if TYPE_CHECKING:  # imported where they are used, so that --help and wrong options are told at once
    from timesformer.datasets.annotations import Clip, Entry
    from timesformer.datasets.write_lists import Parts

FORMATS = ("kinetics", "mmaction2", "ucf101", "hmdb51", "ssv2", "folders", "csv", "list")
SPLITS = ("train", "val", "test")
TIMEOUT = 3600.0  # seconds for one video; long ones are re-encoded in many minutes


@command("prepare_data.py", interrupted="the same command goes on")
def main() -> int:
    """Command line."""
    return 1 if prepare(_arguments()) else 0


def prepare(args: argparse.Namespace) -> int:
    """Write the lists and print the table; returns the number of videos that failed."""
    from timesformer.datasets.annotation_formats import FORMATS
    from timesformer.datasets.annotations import Source, describe_unlisted, locate
    from timesformer.datasets.folders import VideoFolder
    from timesformer.datasets.list_text import ListError
    from timesformer.datasets.splits import assign_splits, complete_splits
    from timesformer.datasets.write_lists import write_lists

    if not args.videos.is_dir():
        raise ListError(f"--videos {args.videos} is not a folder; pass the folder of the videos")
    videos = VideoFolder(args.videos)
    if not videos.paths and args.format not in ("list", "csv"):  # their paths may be absolute
        raise ListError(f"{args.videos} holds no video file and no frame folder; check --videos")
    source = Source(
        videos,
        tuple(args.annotations),
        {split: path for split in SPLITS if (path := getattr(args, split))},
        _names(args.classes),
        args.fold,
        args.encoding,
        args.first_label,
    )
    annotations = FORMATS[args.format](source)
    entries, missing = locate(annotations.clips, videos)
    names = annotations.class_names
    entries = assign_splits(
        entries,
        seed=args.seed,
        shares={"val": args.val_share, "test": args.test_share},
        names=names,
    )
    parts = complete_splits(entries, partial=args.partial)
    failures: list[str] = []
    if args.resize:
        parts, failures = resize(
            parts, videos.root, args.out, args.resize, args.jobs, time_limit=args.timeout
        )
    _check_labels(parts, names)
    write_lists(args.out, parts, names)
    for line in (*videos.describe_unused(), *describe_unlisted(videos, entries)):
        print(printable(line))
    print(summary(parts, names, missing, len(failures)))
    _report(missing, failures, args.out)
    return len(failures)


def resize(
    parts: "Parts",
    root: Path,
    out: Path,
    short_side: int,
    jobs: int,
    *,
    time_limit: float = TIMEOUT,
) -> "tuple[Parts, list[str]]":
    """Re-encode every video of ``parts`` to OUT/videos-<short side>.

    ``time_limit``: seconds for one video. Returns the parts that point there, and why some videos
    are not among them.

    Raises:
        ListError: a frame folder, which has nothing to re-encode; ``out`` within ``root``; no video
            of a list could be re-encoded.
    """
    from tqdm import tqdm

    from timesformer.datasets.list_text import ListError
    from timesformer.video import VideoError
    from timesformer.video.reencode import reencode

    paths = sorted({entry.path for part in parts.values() for entry in part})
    if folder := next((path for path in paths if path.is_dir()), None):
        raise ListError(f"--resize works on video files, but {folder} is a folder of frames")
    if out.resolve().is_relative_to(root.resolve()):
        raise ListError(
            f"--out {out} lies in --videos {root}, so the next run would take its videos for yours; "
            "choose another folder"
        )
    targets = _targets(paths, root, out / f"videos-{short_side}")
    failures: dict[Path, str] = {}
    with process_pool(jobs) as pool:
        work = partial(reencode, short_side=short_side, time_limit=time_limit)
        waiting = {pool.submit(work, path, target): path for path, target in targets.items()}
        done = as_completed(waiting)
        bar = partial(tqdm, unit="video", desc=f"resize {short_side}", disable=hides_bars())
        for future in bar(done, total=len(waiting)):
            if isinstance(error := future.exception(), VideoError):
                failures[waiting[future]] = str(error)
            elif error:
                raise error
    kept = {
        split: [e._replace(path=targets[e.path]) for e in part if e.path not in failures]
        for split, part in parts.items()
    }
    if not all(kept.values()):
        raise ListError(
            f"re-encoding left a list empty; the first: {next(iter(failures.values()))}"
        )
    return kept, sorted(failures.values())


def _targets(paths: Sequence[Path], root: Path, folder: Path) -> dict[Path, Path]:
    """Where each video goes: a/b.avi to a/b.mp4, or a/b.avi.mp4 where there is an a/b.mkv too."""
    stems = Counter(path.with_suffix("") for path in paths)
    targets = {}
    for path in paths:
        stem = path.with_suffix("") if stems[path.with_suffix("")] == 1 else path
        relative = stem.relative_to(root)
        targets[path] = folder / relative.with_name(f"{relative.name}.mp4")
    return targets


def summary(parts: "Parts", names: Sequence[str], missing: "Sequence[Clip]", failed: int) -> str:
    """The table that a run prints."""
    import pandas as pd

    rows = {
        split: {
            "videos": len(part),
            "classes": len({label for entry in part for label in entry.labels}),
            "fewest": min(_per_class(part)),
            "most": max(_per_class(part)),
            "missing": sum(clip.split == split for clip in missing),
        }
        for split, part in parts.items()
    }
    labels = {label for part in parts.values() for entry in part for label in entry.labels}
    several = any(len(entry.labels) > 1 for part in parts.values() for entry in part)
    lines = [pd.DataFrame.from_dict(rows, orient="index").to_string()]
    lines.append(f"missing: {len(missing)}; not re-encoded: {failed}")
    lines.append(f"MODEL.NUM_CLASSES {len(names) or max(labels) + 1}")
    if several:
        lines.append("DATA.MULTI_LABEL True MODEL.LOSS_FUNC bce_logit")
    return "\n".join(lines)


def _per_class(part: "Sequence[Entry]") -> list[int]:
    """Videos of each class that occurs."""
    return list(Counter(label for entry in part for label in entry.labels).values())


def _report(missing: "Sequence[Clip]", failures: Sequence[str], out: Path) -> None:
    from timesformer.datasets.write_lists import write_lines

    for name, texts in (("missing", [clip.name for clip in missing]), ("failed", failures)):
        path = out / f"{name}.txt"
        path.unlink(missing_ok=True)
        if texts:
            texts = [printable(text) for text in texts]
            write_lines(path, texts)
            more = ", ..." if len(texts) > 3 else ""
            print(f"{name}: {', '.join(texts[:3])}{more}; all in {path}")
    print(f"lists: {out}; train with DATA.PATH_TO_DATA_DIR {out}")


def _check_labels(parts: "Parts", names: Sequence[str]) -> None:
    from timesformer.datasets.list_text import ListError

    largest = max(label for part in parts.values() for entry in part for label in entry.labels)
    if names and largest >= len(names):
        raise ListError(f"label {largest} has no name: --classes names {len(names)} classes")


def _names(given: str) -> tuple[str, ...]:
    """Class names of a file, or of a data set of the package."""
    from timesformer.datasets.class_names import class_names

    return class_names(given) if given else ()


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{value} must be in [0, 1): a part of each class")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} must be more than 0 seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} must be at least 1")
    return value


def _arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=FORMATS, help="format of the annotations")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="of the videos")
    parser.add_argument(
        *SPELLINGS["out"],
        dest="out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to write",
    )
    parser.add_argument("--annotations", type=Path, nargs="+", default=[], metavar="PATH")
    for split in SPLITS:
        parser.add_argument(
            f"--{split}", type=Path, metavar="FILE", help=f"{split} list (mmaction2, csv, list)"
        )
    parser.add_argument("--classes", default="", metavar="NAMES", help="file, or as kinetics400")
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="of text files (utf-8)")
    parser.add_argument(
        "--first-label", type=int, default=0, metavar="N", help="that labels count from (0)"
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="write the lists there are, also without train or val",
    )
    parser.add_argument("--fold", type=_count, default=1, metavar="N", help="official split")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of a split made here")
    for split in ("val", "test"):
        meaning = f"part of each class for {split}, where the format has no splits (0.1)"
        parser.add_argument(f"--{split}-share", type=_share, default=0.1, metavar="P", help=meaning)
    parser.add_argument(
        "--resize", type=_count, metavar="SIDE", help="re-encode to this short side"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="S",
        help=f"of --resize: for one video ({TIMEOUT:g})",
    )
    parser.add_argument(
        *SPELLINGS["workers"], dest="jobs", type=_count, default=os.cpu_count() or 1, metavar="N"
    )
    return parser.parse_args()


if __name__ == "__main__":
    leave(main())
