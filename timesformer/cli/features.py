"""Write features of videos into a file for other programs.

The file holds, in the order of the list, `features` (videos, D) float32, or (videos, frames, D) with
--tokens frames, `paths`, `labels` (-1: none), `class_names`, `spans`, the seconds that the clips show, and
`made`, a JSON text that says how.
Videos that cannot be read are named and left out. An image ViT will do as weights: its tokens are
averaged over the frames.

$ timesformer features train.csv --weights model.pyth --out train.npz
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.feature_options import feature_set, gather, how_made
from timesformer.cli.options import OUT
from timesformer.io.terminal import printable


@command(fails="a video cannot be read")
def main(
    source: Annotated[
        str,
        typer.Argument(
            metavar="LIST_OR_FOLDER",
            help="A list of `path label` lines, a folder of videos or of class folders, or a video.",
        ),
    ],
    use: model.ModelOptions,
    out: Annotated[Path, typer.Option(*OUT, metavar="NPZ", help="File to write.")],
    tokens: Annotated[
        Literal["cls", "pooled", "frames"],
        typer.Option(help="Class token, mean of the patch tokens, or that of each frame."),
    ] = "cls",
) -> int:
    """Write the file."""
    if out.suffix != ".npz":
        raise typer.BadParameter(f"--out is {out}, but numpy writes .npz; end the name with it")
    from timesformer.features.feature_set import write_features
    from timesformer.inference.videos import find_labelled

    videos = find_labelled(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    predictor = use.open_predictor()
    found = gather(predictor.stream_features(videos, tokens=tokens), len(videos.labels))
    unreadable = sum(bool(each.error) for each in found)
    if unreadable < len(found):
        made = how_made(use, predictor, tokens)
        readable = feature_set(found, videos, made)
        write_features(out, readable)
        shape = " x ".join(map(str, readable.values.shape))
        print(f"{printable(out)}: {shape} features, {tokens} tokens")
    if unreadable:
        print(f"{unreadable} of {len(found)} videos could not be read", file=sys.stderr)
    return 1 if unreadable else 0
