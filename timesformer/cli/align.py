"""Align two videos in time by dynamic time warping of their frame features, without training.

Frames are spread evenly over each whole video, as many as the model takes (more: DATA.NUM_FRAMES). The
path pairs frames that look alike, in order. It needs dtaidistance: pip install -e '.[dtw]'.

$ timesformer align a.mp4 b.mp4 --weights model.pyth --out aligned
$ timesformer align a.mp4 b.mp4 --weights model.pyth --band 4 DATA.NUM_FRAMES 32
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli import model
from timesformer.cli.app import command
from timesformer.cli.feature_options import Band
from timesformer.cli.options import OUT

VIDEO_HELP = "A file, a folder of frames, or a URL."


@command()
def main(
    first: Annotated[str, typer.Argument(metavar="A", help=VIDEO_HELP)],
    second: Annotated[str, typer.Argument(metavar="B", help=VIDEO_HELP)],
    use: model.ModelOptions,
    band: Band = None,
    out: Annotated[
        Path | None, typer.Option(*OUT, metavar="DIR", help="Folder for a picture and a CSV.")
    ] = None,
) -> None:
    """Print the distance; write the path."""
    if use.views:
        raise typer.BadParameter("align takes one view of each whole video; leave --views out")
    from timesformer.features.alignment_output import alignment_lines, write_alignment
    from timesformer.features.distances import align, load_dtw
    from timesformer.features.frame_features import build_frame_features
    from timesformer.inference.videos import find_videos
    from timesformer.io.terminal import printable

    load_dtw()
    videos = [name for each in (first, second) for name in find_videos([each])]
    if len(videos) != 2:
        raise typer.BadParameter(f"A and B are {len(videos)} videos; give two")
    predictor = use.open_predictor()
    a, b = (build_frame_features(predictor, video) for video in videos)
    found = align(a.vectors, b.vectors, band=band)
    same = align(a.vectors, b.vectors, band=0)
    picture = write_alignment(out, a, b, found) if out else None
    print("\n".join(alignment_lines(a, b, found, same.distance)))
    if picture:
        print(f"picture: {printable(picture)}", file=sys.stderr)
