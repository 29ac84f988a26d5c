"""Command-line options of the tools that use a checkpoint; nothing heavy is imported to parse them."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from timesformer.inference.predictor import Features, Prediction, Predictor

from timesformer.cli.arguments import SPELLINGS
from timesformer.io.terminal import hides_bars, printable, verbosity

T = TypeVar("T")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--weights, and what is to be different from what the checkpoint says."""
    parser.add_argument(
        *SPELLINGS["weights"], dest="weights", required=True, metavar="FILE", help="the checkpoint"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.add_argument(
        "--precision", default="fp32", choices=("fp32", "bf16"), help="default: %(default)s"
    )
    parser.add_argument(
        "--views",
        metavar="TxS",
        help="temporal views x spatial crops, as 10x3 or 1x1, at most 1000x3; default: those of its "
        "test",
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="class names: a data set, as kinetics400, or a file with a name a line",
    )
    parser.add_argument(
        "--cfg", metavar="FILE", help="a YAML file of configs/, for a checkpoint that says nothing"
    )
    parser.add_argument(
        *SPELLINGS["workers"], dest="workers", metavar="N", help="processes that decode"
    )


def open_predictor(arguments: argparse.Namespace) -> "Predictor":
    """The predictor that the options ask for; what it had to assume goes to the error stream."""
    from timesformer.inference.predictor import Predictor

    workers = ["DATA_LOADER.NUM_WORKERS", arguments.workers] if arguments.workers else []
    predictor = Predictor.from_checkpoint(
        arguments.weights,
        arguments.device,
        precision=arguments.precision,
        views=arguments.views,
        classes=arguments.classes,
        cfg=arguments.cfg,
        overrides=[*workers, *arguments.opts],
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
