"""Make the motion data set: the class of a video is the order of its frames.

Writes DIR/{train,val,test}/*.mp4 (H.264, yuv420p), DIR/{train,val,test}.csv with lines `path label`
(paths relative to DIR, labels from 0) and DIR/classes.txt. With --untrimmed N also N long films of
actions with background between them, DIR/untrimmed/film_0000.mp4 ..., and DIR/untrimmed.json with their
starts and ends in the layout of ActivityNet (subsets validation and training, in turns).

$ timesformer make-motion-dataset data/motion
$ timesformer make-motion-dataset data/motion --untrimmed 16
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from timesformer.cli.app import command
from timesformer.cli.options import WORKERS, positive_seconds


def whole(meaning: str, *names: str, at_least: int, why: str, step: int = 1) -> Any:
    """An option that is a whole number, ``at_least`` or more, which ``step`` divides."""

    def check(value: int) -> int:
        nearest = max(round(value / step) * step, at_least)
        if value != nearest:
            rule = f"at least {at_least}" + (f" and a multiple of {step}" if step > 1 else "")
            raise typer.BadParameter(f"{value} must be {rule}: {why}; try {nearest}")
        return value

    return typer.Option(*names, callback=check, metavar="N", help=meaning)


def number_of(kind: str) -> Any:
    """An option that counts videos."""
    why = "the four classes are equally frequent"
    return whole(f"{kind} videos.", at_least=4, step=4, why=why)


@command(interrupted="the same command makes the set anew")
def main(
    out: Annotated[Path, typer.Argument(help="Folder to write.")] = Path("data/motion"),
    train: Annotated[int, number_of("Training")] = 2000,
    val: Annotated[int, number_of("Validation")] = 200,
    test: Annotated[int, number_of("Test")] = 400,
    size: Annotated[
        int, whole("Side of a frame, pixels.", at_least=32, step=2, why="yuv420p halves both sides")
    ] = 64,
    frames: Annotated[
        int,
        whole("Frames of a video, 30 a second.", at_least=2, why="a single frame shows no motion"),
    ] = 36,
    untrimmed: Annotated[int, whole("Long films.", at_least=0, why="0 writes none")] = 0,
    film_seconds: Annotated[
        float, typer.Option(callback=positive_seconds, help="Of --untrimmed: length of a film.")
    ] = 60.0,
    seed: Annotated[
        int, whole("Decides the content.", at_least=0, why="numpy takes no negative seed")
    ] = 0,
    workers: Annotated[
        int,
        whole(
            "Processes; no effect on the content.",
            *WORKERS,
            at_least=1,
            why="a process must write the videos",
        ),
    ] = os.cpu_count() or 1,
) -> None:
    """Write the videos and lists."""
    from timesformer.datasets.motion import Recipe, make_dataset
    from timesformer.datasets.motion_films import FilmRecipe, check_length, make_films

    recipe = Recipe(train, val, test, size, frames, seed)
    films = FilmRecipe(recipe, untrimmed, film_seconds)
    if untrimmed:
        check_length(films)
    made = make_dataset(out, recipe, num_workers=workers)
    if untrimmed:
        made = make_films(out, films, num_workers=workers) or made
    if not made:
        print(f"{out}: complete already, nothing to do")
