"""What commands that use a checkpoint share: the predictor, and lines beside a progress bar."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from timesformer.io.terminal import hides_bars, printable, verbosity

if TYPE_CHECKING:
    from timesformer.inference.predictor import Features, Prediction, Predictor

T = TypeVar("T")


def open_predictor(
    weights: str,
    device: str,
    *,
    precision: str,
    views: str | None,
    classes: str | None,
    cfg: str | None,
    workers: str | None,
    keys: Sequence[str],
) -> "Predictor":
    """The predictor that the options ask for; what it had to assume goes to the error stream."""
    from timesformer.inference.predictor import Predictor

    predictor = Predictor.from_checkpoint(
        weights,
        device,
        precision=precision,
        views=views,
        classes=classes,
        cfg=cfg,
        overrides=[*(["DATA_LOADER.NUM_WORKERS", workers] if workers else []), *keys],
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


def tell_remarks(found: "Prediction | Features") -> None:
    """What is unusual about a video, a line each."""
    for each in found.remarks:
        remark(f"note: {printable(found.video)}: {each.kind}: {printable(each.detail)}")


def tell(message: str) -> None:
    """A line on the error stream, above the progress bar."""
    from tqdm import tqdm

    tqdm.write(message, file=sys.stderr)
