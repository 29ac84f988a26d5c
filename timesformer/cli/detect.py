"""Find which actions happen in long videos, and when.

Every window of a video is scored as timesformer predict scores that part of it, and the scores become
segments. OUT gets NAME.json (ActivityNet's results), NAME.csv, subtitles (NAME.srt, NAME.vtt),
NAME.scores.npz and a picture NAME.png of each video.

$ timesformer detect film.mp4 --weights output/mine/checkpoints/checkpoint_best.pyth --out detections
$ timesformer detect films/ --weights model.pyth --stride 0.5 --background background --out detections
$ timesformer detect val/ --weights model.pyth --tune annotations.json --out tuned
$ timesformer detect test/ --weights model.pyth --rules tuned/rules.yaml --out detections
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.options import OUT, seconds_or_default
from timesformer.errors import InputError
from timesformer.io.terminal import hides_bars, printable

if TYPE_CHECKING:
    from timesformer.detection.annotations import Annotations
    from timesformer.detection.detector import Detector
    from timesformer.detection.results import Detection
    from timesformer.detection.rules import SegmentRules
    from timesformer.detection.timeline import Timeline
    from timesformer.detection.unfinished import Unfinished


@dataclass(frozen=True)
class RuleOptions:
    """How scores become segments; None: as in the file of --rules, else the default."""

    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rules that --tune has written.")
    ] = None
    onset: Annotated[
        float | None, typer.Option(min=0, max=1, help="A class begins above it (0.5).")
    ] = None
    offset: Annotated[
        float | None, typer.Option(min=0, max=1, help="A class ends below it (0.35).")
    ] = None
    min_on: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Shorter segments are left out (1)."),
    ] = None
    min_off: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Shorter gaps in a class are filled (1)."),
    ] = None
    pad: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Added on both sides of a segment (0)."),
    ] = None
    smooth: Annotated[str | None, typer.Option(help="none, median:N or mean:N windows (none).")] = (
        None
    )
    background: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class without an action.")
    ] = None
    classes_at_once: Annotated[
        Literal["all", "likeliest"] | None,
        typer.Option(help="likeliest: of a window, only its likeliest class can be a segment."),
    ] = None

    def segment_rules(self) -> "SegmentRules":
        """The rules; a RulesError if they exclude each other."""
        from timesformer.detection.rules import SegmentRules
        from timesformer.detection.rules_file import read_rules

        given = {**self.__dict__, "classes": self.classes_at_once}
        given = {
            name: value
            for name, value in given.items()
            if value is not None and name not in ("rules", "classes_at_once")
        }
        return replace(read_rules(self.rules) if self.rules else SegmentRules(), **given)


@command(
    fails="a video, or a part of one, could not be read",
    interrupted="the same command resumes",
)
def main(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE_OR_FOLDER",
            help="Videos, frame folders, folders of either, URLs, or patterns as 'films/*.mp4'.",
        ),
    ],
    use: model.ModelOptions,
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder of the results.")],
    segments: RuleOptions,
    stride: Annotated[
        float | None, seconds_or_default("Between windows; default: half a window.")
    ] = None,
    span: Annotated[
        float | None,
        seconds_or_default("Of a window, for models that take frames of a whole video (SSv2)."),
    ] = None,
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
    from timesformer.detection.detector import Detector
    from timesformer.inference.report import file_names
    from timesformer.inference.videos import find_videos

    found = find_videos(videos)
    predictor = use.open_predictor()
    detector = Detector(predictor, stride=stride, span=span, batch=batch)
    rules.background_place(predictor.class_names or ())
    out.mkdir(parents=True, exist_ok=True)
    work = Work(detector, out, use.weights, page, annotate)
    names = dict(zip(file_names(found), found, strict=True))
    if tune:
        truth = read_annotations(tune, subset=subset, class_names=predictor.class_names or ())
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


@dataclass(frozen=True)
class Work:
    """What is the same for all videos."""

    detector: "Detector"
    out: Path
    weights: str
    with_page: bool
    with_copy: bool

    def detect(self, video: str, name: str, rules: "SegmentRules") -> bool:
        """Write the files of one video; False if it, or a part of it, cannot be read."""
        timeline = self.score(video, name)
        if timeline is None:
            return False
        self.write(timeline, name, rules)
        return not timeline.gaps

    def score(self, video: str, name: str) -> "Timeline | None":
        """The timeline of a video; None if it cannot be read."""
        unfinished = self._unfinished(video, name)
        try:
            with Bar(printable(video)) as bar:
                timeline = self.detector.run(
                    video, done=unfinished.done, after=unfinished.add, progress=bar.show
                )
        except InputError as error:
            model.tell(f"cannot be read: {printable(error)}")
            return None
        finally:
            unfinished.write()
        for gap in timeline.gaps:
            model.tell(
                f"{printable(video)}: {gap.start:.2f} .. {gap.end:.2f} s cannot be read: {gap.reason}"
            )
        return timeline

    def write(self, timeline: "Timeline", name: str, rules: "SegmentRules") -> None:
        """Write the files of a video, and print its segments."""
        from timesformer.detection.files import segments_of, write_files, write_page

        segments, facts = segments_of(timeline, rules), self._facts(timeline.video)
        facts |= {"rules": rules.__dict__}
        write_files(self.out, name, timeline, segments, rules, facts)
        if self.with_page:
            shown = {key: facts[key] for key in ("weights", "model", "span", "stride")}
            write_page(self.out, name, timeline, segments, shown | rules.__dict__)
        if self.with_copy:
            self._write_copy(timeline.video, name, segments)
        self._unfinished(timeline.video, name).remove()
        model.show("\n".join(lines(name, timeline.duration, segments)))

    def _unfinished(self, video: str, name: str) -> "Unfinished":
        from timesformer.config import portable
        from timesformer.detection.unfinished import Unfinished, file_identity

        identity = {**self._facts(video), "video": file_identity(portable(video))}
        identity |= {"weights": file_identity(portable(self.weights))}
        return Unfinished(self.out / name, identity)

    def _write_copy(self, video: str, name: str, segments: "Sequence[Detection]") -> None:
        from timesformer.config import portable
        from timesformer.inference.annotate import write_copy

        path = self.out / f"{name}.mp4"
        if path.resolve() == portable(video).resolve():
            raise InputError(f"--annotate would overwrite {printable(video)}; name another --out")

        def text_at(seconds: float) -> str:
            return ", ".join(row.label for row in segments if row.start <= seconds < row.end)

        write_copy(video, text_at, path)

    def _facts(self, video: str) -> dict[str, Any]:
        predictor = self.detector.predictor
        return {
            "video": video,
            "weights": self.weights,
            "model": predictor.model.kind,
            "span": self.detector.grid.span,
            "stride": self.detector.grid.stride,
            "keys": predictor.cfg.dump(),
        }


class Bar:
    """A progress bar of the windows of one video."""

    def __init__(self, title: str) -> None:
        self.title = title

    def __enter__(self) -> "Bar":
        from tqdm import tqdm

        self.bar = tqdm(desc=self.title, unit="window", leave=False, disable=hides_bars())
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, done: int, total: int) -> None:
        """Advance to ``done`` of ``total``."""
        self.bar.total = total
        self.bar.update(done - self.bar.n)


def lines(name: str, duration: float, segments: Sequence[Any]) -> list[str]:
    """The segments of a video as a table."""
    from timesformer.tables import format_table

    head = f"{printable(name)}: {len(segments)} segment(s) in {duration:.1f} s"
    if not segments:
        return [head, ""]
    rows = [("start", "end", "score", "class")]
    rows += [(f"{s.start:.2f}", f"{s.end:.2f}", f"{s.score:.3f}", s.label) for s in segments]
    return [head, format_table(rows, right={0, 1, 2}), ""]
