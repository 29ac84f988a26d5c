"""Compare what weights are worth on a small data set: nearest neighbour, ridge, probe, fine-tuning.

LIST is a file of lines `path label`; `none` among the weights is random weights. Every method learns
from the same folds and counts the same videos, so nothing is selected on the tested fold. The same
command again resumes where it stopped.

$ timesformer compare-finetuning train.csv --weights vit.safetensors none --out output/compared
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import GPUS, OUT, WEIGHTS, Keys

METHODS = ["nearest", "ridge", "probe", "full"]


def known_methods(names: list[str]) -> list[str]:
    """The callback of --methods."""
    if unknown := [name for name in names if name not in METHODS]:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(METHODS)}")
    return names


def distinct_weights(files: list[str]) -> list[str]:
    """The callback of --weights, whose rows and folders carry their names."""
    names = [Path(file).stem for file in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise typer.BadParameter(f"two of them are called {twice[0]!r}, as their results would be")
    return files


def several(value: int) -> int:
    """The callback of --folds."""
    if value < 0 or value == 1:
        raise typer.BadParameter(f"{value} must be 2 or more, or 0 to leave one out")
    return value


@command(interrupted="the same command resumes")
def main(
    videos: Annotated[Path, typer.Argument(metavar="LIST", help="Lines of `path label`.")],
    weights: Annotated[
        list[str],
        typer.Option(
            *WEIGHTS, metavar="FILE...", callback=distinct_weights, help="Weights files, or none."
        ),
    ],
    out: Annotated[Path, typer.Option(*OUT, metavar="DIR", help="Folder to write.")],
    keys: Keys,
    methods: Annotated[
        list[str],
        typer.Option(
            metavar="METHOD...",
            default_factory=METHODS.copy,
            show_default="all",
            callback=known_methods,
            help=f"Of {', '.join(METHODS)}.",
        ),
    ],
    folds: Annotated[int, typer.Option(callback=several, help="0: leave one out.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions.")] = 3,
    gpus: Annotated[int, typer.Option(*reversed(GPUS), min=0, max=1)] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of PyTorch; 0: its own choice.")] = 0,
) -> None:
    """Run everything and print the table."""
    import torch

    from timesformer.engine.compare_finetuning import Comparison, read_lines

    torch.set_num_threads(threads or torch.get_num_threads())
    with logged(out / "console.log"):
        lines = read_lines(videos)
        comparison = Comparison(lines, weights, methods, folds, seeds, gpus, keys, out)
        table = comparison.run(partial(print, file=sys.stderr, flush=True))
    print(table)


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """What the runs say goes to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    with path.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        yield
        for handler in [h for h in root.handlers if getattr(h, "stream", None) is file]:
            root.removeHandler(handler)
