"""Convert weights of any format into another.

$ timesformer convert checkpoint_best.pyth --to hf --out exported
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, SOURCE_HELP, Classes, Keys, OptionalCfg
from timesformer.io.terminal import verbosity


@command()
def main(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    to: Annotated[
        Literal["published", "sharded", "hf", "safetensors"],
        typer.Option(
            help="published: the layout of the published code; sharded: the same, a folder of "
            "torch.distributed.checkpoint; hf: a folder for transformers; safetensors: weights for "
            "inference alone.",
        ),
    ],
    out: Annotated[Path, typer.Option(*OUT, help="File to write; for sharded and hf a folder.")],
    keys: Keys,
    dtype: Annotated[Literal["fp32", "bf16", "fp16"], typer.Option()] = "fp32",
    classes: Classes = None,
    cfg: OptionalCfg = None,
) -> None:
    """Convert, read back, report."""
    from timesformer.checkpoint.convert import DTYPES, WRITERS, Source, check, refuse_overwriting
    from timesformer.checkpoint.model_spec import read_model_spec

    refuse_overwriting(source, out, to=to)
    found = read_model_spec(source, cfg_file=cfg, overrides=keys, classes=classes)
    for note in found.notes if verbosity() >= 0 else ():
        print(f"note: {note}")
    content = Source.of(found, corrected=bool(keys or cfg))
    written = WRITERS[to](content, out, DTYPES[dtype])
    print(f"wrote {written}")
    print(f"read back: {check(written, found)}")
