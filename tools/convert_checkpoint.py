"""Weights of any format into another: python tools/convert_checkpoint.py IN --to hf --out FOLDER."""

import argparse
from pathlib import Path

from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.io.terminal import verbosity
from timesformer.runtime.command import command, leave


@command("convert_checkpoint.py")
def main() -> int:
    """Convert, read back, report; status 2 for input that cannot be converted."""
    arguments = _parse()
    from timesformer.checkpoint.convert import DTYPES, WRITERS, Source, check, refuse_overwriting
    from timesformer.checkpoint.model_spec import read_model_spec

    refuse_overwriting(arguments.source, arguments.out, to=arguments.to)
    found = read_model_spec(
        arguments.source,
        cfg_file=arguments.cfg,
        overrides=arguments.opts,
        classes=arguments.classes,
    )
    for note in found.notes if verbosity() >= 0 else ():
        print(f"note: {note}")
    dtype = DTYPES[arguments.dtype]
    source = Source.of(found, corrected=bool(arguments.opts or arguments.cfg))
    written = WRITERS[arguments.to](source, arguments.out, dtype)
    print(f"wrote {written}")
    print(f"read back: {check(written, found)}")
    return 0


def _parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, keys=True)
    parser.add_argument(
        "source",
        metavar="IN",
        help="file, sharded checkpoint, folder of Hugging Face, or timm/NAME",
    )
    parser.add_argument(
        "--to",
        required=True,
        choices=("published", "sharded", "hf", "safetensors"),
        help="layout of the published code; the same as a folder of torch.distributed.checkpoint; "
        "folder for transformers; weights for inference alone",
    )
    parser.add_argument(
        *SPELLINGS["out"],
        dest="out",
        required=True,
        type=Path,
        help="file to write; for sharded and hf a folder",
    )
    parser.add_argument("--dtype", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument(
        "--classes", help="kinetics400, ...: names of the classes; or a file of them"
    )
    parser.add_argument(
        "--cfg", metavar="FILE", help="a YAML file of configs/, for a checkpoint that says nothing"
    )
    return parser.parse_args()


if __name__ == "__main__":
    leave(main())
