"""Find which actions happen in long videos, and when.

Every window of a video is scored as timesformer predict scores that part of it, and the scores become
segments. OUT gets NAME.json (ActivityNet's results), NAME.csv, subtitles (NAME.srt, NAME.vtt),
NAME.scores.npz and a picture NAME.png of each video.

$ timesformer detect film.mp4 --weights output/mine/checkpoints/checkpoint_best.pyth --out detections
$ timesformer detect films/ --weights model.pyth --stride 0.5 --background idle --out detections
$ timesformer detect val.csv --weights model.pyth --tune annotations.json --out tuned
$ timesformer detect test/ --weights model.pyth --rules tuned/rules.yaml --out detections
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.detect_rules import RuleOptions, WindowOptions, tell_background
from timesformer.cli.detect_work import Work
from timesformer.cli.options import OUT
from timesformer.errors import InputError
from timesformer.io.terminal import printable

if TYPE_CHECKING:
    from timesformer.detection.annotations import Annotations
    from timesformer.detection.rules import SegmentRules
    from timesformer.detection.timeline import Timeline


@command(
    fails="a video, or a part of one, could not be read",
    interrupted="the same command resumes",
)
def main(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|FOLDER|LIST",
            help="Videos, frame folders, folders of either, URLs, patterns as 'films/*.mp4', or lists of "
            "rows `path label`, .csv or .txt: every video of a list once, and whole.",
        ),
    ],
    use: model.ModelOptions,
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder of the results.")],
    segments: RuleOptions,
    windows: WindowOptions,
    scales: Annotated[
        str,
        typer.Option(
            metavar="1,2",
            help="Windows as long as a clip, twice as long ...; their scores become one.",
        ),
    ] = "1",
    page: Annotated[
        bool, typer.Option("--page", help="Write NAME.html, on which the video plays, too.")
    ] = False,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Write NAME.mp4, the video with its classes on it, too."),
    ] = False,
    tune: Annotated[
        Path | None,
        typer.Option(
            metavar="TRUTH",
            help="Annotations of these videos, which should be validation videos: choose onset, offset "
            "and min-on by average mAP, and write OUT/rules.yaml.",
        ),
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Of TRUTH; default: validation, or the only one.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Windows that are scored at once; changes no score.")
    ] = 8,
) -> int:
    """Score, find segments, write."""
    rules = segments.segment_rules()
    from timesformer.detection.annotations import read_annotations
    from timesformer.detection.background import NO_BACKGROUND
    from timesformer.detection.detector import Detector
    from timesformer.detection.scales import parse_scales
    from timesformer.inference.report import file_names
    from timesformer.inference.videos import find_videos

    found = find_videos(videos, lists=True)
    predictor = use.open_predictor()
    detector = Detector(predictor, **windows.__dict__, scales=parse_scales(scales), batch=batch)
    tell_background(rules, predictor.class_names)
    out.mkdir(parents=True, exist_ok=True)
    work = Work(detector, out, use.weights, page, annotate)
    names = dict(zip(file_names(found), found, strict=True))
    if tune:
        off = NO_BACKGROUND if rules.background == NO_BACKGROUND else None
        truth = read_annotations(
            tune, subset=subset, class_names=predictor.class_names, background=off
        )
        require_common(truth, list(names), tune)
        kept = {
            name: timeline for name, video in names.items() if (timeline := work.score(video, name))
        }
        rules = tuned_rules(truth, kept, rules, out)
        for name, timeline in kept.items():
            work.write(timeline, name, rules)
        return int(len(kept) < len(names) or any(timeline.gaps for timeline in kept.values()))
    is_whole = [work.detect(video, name, rules) for name, video in names.items()]
    return int(not all(is_whole))


def require_common(truth: "Annotations", names: Sequence[str], tune: Path) -> None:
    """Raise an InputError, before anything is scored, if no video has annotations."""
    if not set(names) & set(truth.videos):
        of_subset = f" in the subset {printable(truth.subset)}" if truth.subset else ""
        raise InputError(
            f"--tune {printable(tune)} has no annotations of {printable(names[0])}{of_subset}; name "
            f"videos that it has, as {printable(next(iter(truth.videos)))}, or another --subset"
        )


def tuned_rules(
    truth: "Annotations", timelines: "Mapping[str, Timeline]", rules: "SegmentRules", out: Path
) -> "SegmentRules":
    """The best rules, written and printed."""
    from timesformer.detection.rules_file import FILE, write_rules
    from timesformer.detection.tune import tune

    found = tune(truth, timelines, rules)
    write_rules(out / FILE, found.rules)
    best = found.rules
    model.show(
        f"{found.videos} video(s): average mAP {found.before:.4f} -> {found.average_map:.4f} with onset "
        f"{best.onset:g}, offset {best.offset:g}, min-on {best.min_on:g} s; {out / FILE} holds them for "
        "--rules of other videos\n"
    )
    return best
