"""Features of videos for other programs: extract_features.py LIST_OR_FOLDER --weights FILE --out NPZ.

The file holds, in the order of the list, ``features`` (videos, D) float32, or (videos, frames, D)
with --tokens frames, ``paths``, ``labels`` (-1: none), ``class_names``, and ``made``, a JSON text that
says how. Videos that cannot be read are named and left out, and the exit status is 1 then. An image
ViT will do as weights: its tokens are averaged over the frames.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from timesformer.cli import predict_options
from timesformer.cli.arguments import SPELLINGS, Parser
from timesformer.files import write_atomically
from timesformer.io.terminal import printable
from timesformer.runtime.command import command, leave

if TYPE_CHECKING:  # imported where they are used, so that wrong options are told at once
    from timesformer.datasets.lists import VideoList
    from timesformer.inference.predictor import Features, Predictor


@command("extract_features.py")
def main() -> int:
    """Write the file; status 1 if a video cannot be read, 2 for input that cannot be used."""
    arguments = parse_arguments()
    from timesformer.inference.videos import find_labelled

    videos = find_labelled(arguments.source)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    predictor = predict_options.open_predictor(arguments)
    found = extract(predictor, videos, arguments.tokens)
    readable = [i for i, each in enumerate(found) if not each.error]
    if readable:
        write(arguments, predictor, videos, [(i, found[i].values.numpy()) for i in readable])
    unreadable = len(found) - len(readable)
    if readable:
        shape = " x ".join(map(str, (len(readable), *found[readable[0]].values.shape)))
        print(f"{printable(arguments.out)}: {shape} features, {arguments.tokens} tokens")
    if unreadable:
        print(f"{unreadable} of {len(found)} videos could not be read", file=sys.stderr)
    return 1 if unreadable else 0


def parse_arguments() -> argparse.Namespace:
    """The options."""
    parser = Parser(description=__doc__.splitlines()[0], keys=True)
    parser.add_argument(
        "source",
        metavar="LIST_OR_FOLDER",
        help="a list of `path label` lines, a folder of videos or of class folders, or a video",
    )
    predict_options.add_model_options(parser)
    parser.add_argument(
        *SPELLINGS["out"], dest="out", type=Path, required=True, metavar="NPZ", help="file to write"
    )
    parser.add_argument(
        "--tokens",
        choices=("cls", "pooled", "frames"),
        default="cls",
        help="class token, mean of the patch tokens, or that of each frame (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.out.suffix != ".npz":
        parser.error(f"--out is {arguments.out}, but numpy writes .npz; end the name with it")
    return arguments


def extract(predictor: "Predictor", videos: "VideoList", tokens: str) -> "list[Features]":
    """Features of every video; those that cannot be read are named."""
    found = []
    stream = predictor.stream_features(videos, tokens=tokens)
    for each in predict_options.with_progress(stream, total=len(videos.labels)):
        predict_options.tell_remarks(each)
        if each.error:
            predict_options.tell(f"left out: {printable(each.error)}")
        found.append(each)
    return found


def write(
    arguments: argparse.Namespace,
    predictor: "Predictor",
    videos: "VideoList",
    rows: list[tuple[int, np.ndarray]],
) -> None:
    """The file, whole under a temporary name, then renamed; rows are (index of the video, features)."""
    from timesformer.checkpoint.metadata import preprocessing_of, versions

    made = {
        "command": shlex.join(sys.argv),
        "weights": str(Path(arguments.weights).resolve()),
        "tokens": arguments.tokens,
        "precision": arguments.precision,
        "preprocessing": preprocessing_of(predictor.cfg),
        "notes": predictor.description.notes,
        "versions": versions(),
    }
    indices = [index for index, _ in rows]
    with write_atomically(arguments.out, "wb", option="--out") as file:
        np.savez(
            file,
            features=np.stack([values for _, values in rows]),
            paths=np.array([videos.name(index) for index in indices]),
            labels=videos.labels[indices],
            class_names=np.array(videos.class_names, dtype=np.str_),
            made=json.dumps(made, indent=2),
        )


if __name__ == "__main__":
    leave(main())
