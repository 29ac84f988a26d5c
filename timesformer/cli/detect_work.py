"""What ``timesformer detect`` does with each video: score it, find its segments, write its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timesformer.cli import model
from timesformer.errors import InputError
from timesformer.io.terminal import hides_bars, printable

if TYPE_CHECKING:
    from timesformer.detection.detector import Detector
    from timesformer.detection.results import Detection
    from timesformer.detection.rules import SegmentRules
    from timesformer.detection.timeline import Timeline
    from timesformer.detection.unfinished import Unfinished


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
        model.tell_remarks(timeline)
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
            "crops": self.detector.crops,
            "scales": [scale.factor for scale in self.detector.scales],
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
