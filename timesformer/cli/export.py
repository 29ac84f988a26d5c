"""Write a model as one program of PyTorch, a .pt2 file that runs without this package.

The program takes clips (batch, channels, frames, height, width) uint8, normalises them, and gives logits.
`about.json` in the file has the names of the classes and the preprocessing. The program is read back, and
its logits are compared with those of the model.

$ timesformer export checkpoint_best.pyth --out model.pt2
"""

from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, SOURCE_HELP, Classes, Keys, OptionalCfg


@command()
def main(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    out: Annotated[Path, typer.Option(*OUT, metavar="PT2", help="File to write.")],
    keys: Keys,
    classes: Classes = None,
    cfg: OptionalCfg = None,
) -> None:
    """Export, read back, report."""
    if out.suffix != ".pt2":
        raise typer.BadParameter(f"--out is {out}, but PyTorch reads programs from .pt2; end it so")
    from timesformer.inference.export import build_clip_shape, export
    from timesformer.inference.predictor import Predictor

    predictor = Predictor.from_checkpoint(source, "cpu", cfg=cfg, overrides=keys, classes=classes)
    out.parent.mkdir(parents=True, exist_ok=True)
    difference = export(predictor, out)
    shape = " x ".join(map(str, build_clip_shape(predictor.cfg)))
    print(f"wrote {out}: clips (batch x {shape}) uint8 to logits")
    print(f"read back: its logits differ by at most {difference:.2g} from those of the model")
