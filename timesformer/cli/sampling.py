"""Draw which frames and crops of a video become clips.

Writes a contact sheet (PNG) and prints a table of the frame numbers. The sheet has the whole video as
a timeline with the frames of every clip, and below it a row for each clip: where the crop lies, and
the clip as the model gets it.

$ timesformer sampling film.mp4 --cfg Kinetics/TimeSformer_divST_8x32_224
$ timesformer sampling film.mp4 --cfg my.yaml --augment --clips 3
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesformer.cli.app import command
from timesformer.cli.options import OUT, Cfg, Keys


@command()
def main(
    video: Annotated[Path, typer.Argument(help="A video file or frame folder.")],
    cfg: Cfg,
    keys: Keys,
    split: Annotated[
        Literal["test", "train", "val"] | None, typer.Option(help="Default: test.")
    ] = None,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Training clips with what the AUG section asks for."),
    ] = False,
    clips: Annotated[int, typer.Option(min=1, help="Training clips to draw.")] = 6,
    out: Annotated[Path, typer.Option(*OUT, help="PNG file.")] = Path("sheet.png"),
) -> None:
    """Write the sheet and print the table."""
    if augment and split not in (None, "train"):
        raise typer.BadParameter(f"--augment is of training clips, not of --split {split}")
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"--out is {out}, but the sheet is a PNG; end the name with .png")
    from timesformer.config import load_config
    from timesformer.inference.sheets import build_sampling_sheet, write_sheet
    from timesformer.video import VideoError
    from timesformer.visualize.contact_sheet import frame_table

    config = load_config(cfg, keys)
    if not video.exists():
        raise VideoError(f"{video}: no such video or folder; check the path")
    split = split or ("train" if augment else "test")
    sheet = build_sampling_sheet(config, video, split=split, num_clips=clips, augment=augment)
    write_sheet(sheet, out, option="--out")
    print(frame_table(sheet))
    print(f"\n{out}: {len(sheet.rows)} clips")
