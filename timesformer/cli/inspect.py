"""Show all that is known of a weights file of any format.

$ timesformer inspect TimeSformer_divST_8x32_224_K400.pyth
$ timesformer inspect timm/vit_base_patch16_224 --json
$ timesformer inspect SLOWFAST_8x8_R50.pyth MODEL.MODEL_NAME pytorchvideo/slowfast_r50
"""

from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import SOURCE_HELP, Keys


@command()
def main(
    file: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    keys: Keys,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Print the facts."""
    from timesformer.checkpoint.inspect import as_text, summarize
    from timesformer.io.json_text import json_text

    facts = summarize(file, keys)
    print(json_text(facts, default=str) if as_json else as_text(facts))
