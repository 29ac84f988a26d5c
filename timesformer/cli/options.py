"""Options that several commands have: one spelling and one meaning for one thing."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from timesformer.cli.words import SET

WEIGHTS = ("--weights", "--checkpoint", "--from")
WORKERS = ("--workers", "--jobs", "--num-workers")
GPUS = ("--gpus", "--num-gpus")
OUT = ("--out", "--output-dir")

CFG_HELP = "A recipe by its name, as Kinetics/TimeSformer_divST_8x32_224, or a YAML file."
SOURCE_HELP = "A file, a sharded checkpoint, a folder of Hugging Face, or timm/NAME."

Keys = Annotated[
    list[str],
    typer.Option(
        SET,
        metavar="KEY VALUE",
        default_factory=list,
        show_default=False,
        help="A configuration key and its value; anywhere, also as KEY VALUE or KEY=VALUE. "
        "`timesformer keys` lists them.",
    ),
]
Cfg = Annotated[str, typer.Option("--cfg", metavar="RECIPE", help=CFG_HELP)]
OptionalCfg = Annotated[
    str | None,
    typer.Option(
        "--cfg",
        metavar="RECIPE",
        help=f"For a checkpoint without one: {CFG_HELP[0].lower()}{CFG_HELP[1:]}",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="Class names: a data set, as kinetics400, or a file, one a line."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the random split.")]
Processes = Annotated[
    int | None, typer.Option(*WORKERS, min=1, help="Processes; default: one a core.")
]


def positive_seconds(value: float) -> float:
    """The callback of an option that is a time."""
    if not value > 0:
        raise typer.BadParameter(f"{value:g} must be more than 0 seconds")
    return value


def seconds_or_default(meaning: str, *, unit: str = "SECONDS") -> Any:
    """An option that is a time, or another amount above 0; None if it is not given."""

    def check(value: float | None) -> float | None:
        return None if value is None else positive_seconds(value)

    return typer.Option(callback=check, metavar=unit, help=meaning)


def option_pairs(values: Mapping[str, object]) -> list[str]:
    """KEY VALUE words of options by their keys; an option that is None changes nothing."""
    pairs = (pair for pair in values.items() if pair[1] is not None)
    return [str(word) for pair in pairs for word in pair]
