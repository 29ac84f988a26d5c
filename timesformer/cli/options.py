"""Options that several commands have: one spelling and one meaning for one thing."""

from typing import Annotated, Any, Literal

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
Seed = Annotated[int, typer.Option(help="Of the random split.")]
Processes = Annotated[
    int | None, typer.Option(*WORKERS, min=1, help="Processes; default: one a core.")
]


def positive_seconds(value: float) -> float:
    """The callback of an option that is a time."""
    if not value > 0:
        raise typer.BadParameter(f"{value:g} must be more than 0 seconds")
    return value


# of a model for prediction
Model = Annotated[str, typer.Option(*WEIGHTS, metavar="FILE", help="The checkpoint.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Precision = Annotated[Literal["fp32", "bf16"], typer.Option()]
Views = Annotated[
    str | None,
    typer.Option(
        metavar="TxS",
        help="Temporal views x spatial crops, as 10x3 or 1x1, at most 1000x3; default: those of its test.",
    ),
]
Decoders = Annotated[str | None, typer.Option(*WORKERS, metavar="N", help="Processes that decode.")]

# of a run; each is a key of the configuration
_KEY_OF = {
    "out": "OUTPUT_DIR",
    "workers": "DATA_LOADER.NUM_WORKERS",
    "seed": "RNG_SEED",
    "gpus": "NUM_GPUS",
    "num_shards": "NUM_SHARDS",
    "shard_id": "SHARD_ID",
    "max_time": "TRAIN.MAX_MINUTES",
    "override": "TRAIN.RESUME_ANYWAY",
    "limit_train_batches": "DATA.LIMIT_TRAIN_BATCHES",
    "limit_val_batches": "DATA.LIMIT_VAL_BATCHES",
    "weights": "TEST.CHECKPOINT_FILE_PATH",
}


def _key_option(name: str, *spellings: str) -> Any:
    key = _KEY_OF[name]
    return typer.Option(*spellings, metavar="VALUE", help=f"The key {key}.")


RunOut = Annotated[str | None, _key_option("out", *OUT)]
RunWorkers = Annotated[str | None, _key_option("workers", *WORKERS)]
RunSeed = Annotated[str | None, _key_option("seed", "--seed")]
RunGpus = Annotated[str | None, _key_option("gpus", *GPUS)]
NumShards = Annotated[int | None, typer.Option("--num_shards", help="Machines that run together.")]
ShardId = Annotated[int | None, typer.Option("--shard_id", help="Which of them this is, from 0.")]
InitMethod = Annotated[
    str, typer.Option("--init_method", metavar="URL", help="tcp://host:port of the first machine.")
]
LOCAL_INIT = "tcp://localhost:9999"
LimitVal = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Batches of a validation and of the test: a number, or a share below 1."
    ),
]


def key_pairs(**given: object) -> list[str]:
    """KEY VALUE words of options of a run; an option that is None changes nothing."""
    pairs = ((_KEY_OF[name], value) for name, value in given.items() if value is not None)
    return [str(word) for pair in pairs for word in pair]
