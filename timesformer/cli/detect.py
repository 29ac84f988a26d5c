"""Find which actions happen in long videos, and when.

Every window of a video is scored as timesformer predict scores that part of it, and the scores become
segments. OUT gets NAME.json (ActivityNet's results), NAME.csv, subtitles (NAME.srt, NAME.vtt),
NAME.scores.npz and a picture NAME.png of each video.

$ timesformer detect film.mp4 --weights output/mine/checkpoints/checkpoint_best.pyth --out detections
$ timesformer detect films/ --weights model.pyth --stride 0.5 --background background --out detections
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.options import OUT, positive_seconds
from timesformer.errors import InputError
from timesformer.io.terminal import hides_bars, printable

if TYPE_CHECKING:
    from timesformer.detection.detector import Detector
    from timesformer.detection.results import Detection
    from timesformer.detection.rules import SegmentRules


@dataclass(frozen=True)
class RuleOptions:
    """How scores become segments."""

    onset: Annotated[float, typer.Option(min=0, max=1, help="A class begins above it.")] = 0.5
    offset: Annotated[float, typer.Option(min=0, max=1, help="A class ends below it.")] = 0.35
    min_on: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Shorter segments are left out.")
    ] = 1.0
    min_off: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Shorter gaps in a class are filled.")
    ] = 1.0
    pad: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Added on both sides of a segment.")
    ] = 0.0
    smooth: Annotated[str, typer.Option(help="none, median:N or mean:N windows.")] = "none"
    background: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class without an action.")
    ] = None
    classes_at_once: Annotated[
        Literal["all", "likeliest"],
        typer.Option(help="likeliest: of a window, only its likeliest class can be a segment."),
    ] = "all"

    def rules(self) -> "SegmentRules":
        """The rules; a RulesError if they exclude each other."""
        from timesformer.detection.rules import SegmentRules

        return SegmentRules(
            onset=self.onset,
            offset=self.offset,
            min_on=self.min_on,
            min_off=self.min_off,
            pad=self.pad,
            smooth=self.smooth,
            classes=self.classes_at_once,
            background=self.background,
        )


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
        float | None,
        typer.Option(
            callback=lambda value: None if value is None else positive_seconds(value),
            metavar="SECONDS",
            help="Between windows; default: half a window.",
        ),
    ] = None,
    span: Annotated[
        float | None,
        typer.Option(
            callback=lambda value: None if value is None else positive_seconds(value),
            metavar="SECONDS",
            help="Of a window, for models that take frames of a whole video (SSv2).",
        ),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Write NAME.html, on which the video plays, too.")
    ] = False,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Write NAME.mp4, the video with its classes on it, too."),
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, help="Windows that are scored at once; changes no score.")
    ] = 8,
) -> int:
    """Score, find segments, write."""
    rules = segments.rules()
    from timesformer.detection.detector import Detector
    from timesformer.inference.report import file_names
    from timesformer.inference.videos import find_videos

    found = find_videos(videos)
    predictor = use.open_predictor()
    detector = Detector(predictor, stride=stride, span=span, batch=batch)
    rules.background_place(predictor.class_names or ())
    out.mkdir(parents=True, exist_ok=True)
    work = Work(detector, rules, out, use.weights, page, annotate)
    failed = [
        not work.detect(video, name) for video, name in zip(found, file_names(found), strict=True)
    ]
    return int(any(failed))


@dataclass(frozen=True)
class Work:
    """What is the same for all videos."""

    detector: "Detector"
    rules: "SegmentRules"
    out: Path
    weights: str
    with_page: bool
    with_copy: bool

    def detect(self, video: str, name: str) -> bool:
        """Write the files of one video; False if it, or a part of it, cannot be read."""
        from timesformer.config import portable
        from timesformer.detection.files import segments_of, write_files, write_page
        from timesformer.detection.unfinished import Unfinished, file_identity

        grid, facts = self.detector.grid, self._facts(video)
        identity = {**facts, "video": file_identity(portable(video))}
        identity |= {"weights": file_identity(portable(self.weights))}
        unfinished = Unfinished(self.out / name, identity)
        try:
            with Bar(printable(video)) as bar:
                timeline = self.detector.run(
                    video, done=unfinished.rows, after=unfinished.add, progress=bar.show
                )
        except InputError as error:
            model.tell(f"cannot be read: {printable(error)}")
            return False
        finally:
            unfinished.write()
        segments = segments_of(timeline, self.rules)
        facts |= {"rules": self.rules.__dict__, "span": grid.span, "stride": grid.stride}
        write_files(self.out, name, timeline, segments, self.rules, facts)
        if self.with_page:
            shown = {key: facts[key] for key in ("weights", "model", "span", "stride")}
            write_page(self.out, name, timeline, segments, shown | self.rules.__dict__)
        if self.with_copy:
            self._write_copy(video, name, segments)
        unfinished.remove()
        for gap in timeline.gaps:
            model.tell(
                f"{printable(video)}: {gap.start:.2f} .. {gap.end:.2f} s cannot be read: {gap.reason}"
            )
        model.show("\n".join(lines(name, timeline.duration, segments)))
        return not timeline.gaps

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
