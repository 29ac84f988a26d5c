"""What commands that use a checkpoint share: its options, and lines beside a progress bar."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from timesformer.cli.options import WEIGHTS, WORKERS, Classes, Keys, OptionalCfg, option_pairs
from timesformer.io.terminal import hides_bars, printable, verbosity

if TYPE_CHECKING:
    from timesformer.detection.timeline import Timeline
    from timesformer.inference.predictor import Features, Prediction, Predictor

T = TypeVar("T")
VIEWS_HELP = "Temporal views x crops, as 10x3, 1x1 or 2000x1; default: those of its test."


@dataclass(frozen=True)
class ModelOptions:
    """Which checkpoint is used, and what is to be different from what it says."""

    weights: Annotated[str, typer.Option(*WEIGHTS, metavar="FILE", help="The checkpoint.")]
    keys: Keys
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto"
    precision: Annotated[Literal["fp32", "bf16"], typer.Option()] = "fp32"
    views: Annotated[str | None, typer.Option(metavar="TxS", help=VIEWS_HELP)] = None
    classes: Classes = None
    cfg: OptionalCfg = None
    workers: Annotated[str | None, typer.Option(*WORKERS, help="Processes that decode.")] = None

    def open_predictor(self) -> "Predictor":
        """The predictor that is asked for; what it had to assume goes to the error stream."""
        from timesformer.inference.predictor import Predictor

        predictor = Predictor.from_checkpoint(
            self.weights,
            self.device,
            precision=self.precision,
            views=self.views,
            classes=self.classes,
            cfg=self.cfg,
            overrides=[*option_pairs({"DATA_LOADER.NUM_WORKERS": self.workers}), *self.keys],
        )
        for note in predictor.description.notes:
            remark(f"note: {printable(note)}")
        return predictor


def with_progress(items: Iterable[T], *, total: int) -> Iterator[T]:
    """``items`` with a bar, rate and time left, if there are several and a terminal shows it."""
    from tqdm import tqdm

    hidden = total < 2 or hides_bars()
    yield from tqdm(items, total=total, unit="video", disable=hidden, leave=False)


def show(text: str) -> None:
    """A result on the output at once, above the progress bar."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def remark(message: str) -> None:
    """``tell``, unless -q asks for warnings, errors and results alone."""
    if verbosity() >= 0:
        tell(message)


def tell_remarks(found: "Prediction | Features | Timeline") -> None:
    """What is unusual about a video, a line each."""
    for each in found.remarks:
        remark(f"note: {printable(found.video)}: {each.kind}: {printable(each.detail)}")


def tell(message: str) -> None:
    """A line on the error stream, above the progress bar."""
    from tqdm import tqdm

    tqdm.write(message, file=sys.stderr)
