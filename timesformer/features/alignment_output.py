"""The files of an alignment: alignment.png, the two videos as strips with the path; alignment.csv."""

import csv
from pathlib import Path

from timesformer.features.distances import Alignment
from timesformer.features.frame_features import FrameFeatures
from timesformer.files import write_atomically

PICTURE, TABLE = "alignment.png", "alignment.csv"
HEAD = ("frame_a", "seconds_a", "frame_b", "seconds_b", "cosine")


def write_alignment(folder: Path, a: FrameFeatures, b: FrameFeatures, found: Alignment) -> Path:
    """Write both into ``folder``, which is made; returns the picture.

    Raises:
        WriteError: a file cannot be written.
    """
    from timesformer.visualize.alignment_figure import draw_alignment
    from timesformer.visualize.figure_style import png_bytes

    with write_atomically(folder / TABLE, newline="", option="--out") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for (i, j), cost in zip(found.path, found.costs.tolist(), strict=True):
            times = f"{a.seconds[i]:.3f}", f"{b.seconds[j]:.3f}"
            writer.writerow([i, times[0], j, times[1], f"{1 - cost:.6f}"])
    figure = draw_alignment(
        [a.images, b.images],
        [a.video, b.video],
        [a.seconds, b.seconds],
        found.path,
        1 - found.costs,
        title=f"Distance {found.distance:.4f}, mean cosine {1 - found.costs.mean():.4f}",
    )
    with write_atomically(folder / PICTURE, "wb", option="--out") as file:
        file.write(png_bytes(figure))
    return folder / PICTURE


def alignment_lines(a: FrameFeatures, b: FrameFeatures, found: Alignment, same: float) -> list[str]:
    """What the command prints; ``same``: the distance without warping."""
    from timesformer.io.terminal import printable

    videos = [
        f"{printable(each.video)}: {len(each.seconds)} frames, {each.seconds[0]:.1f} to "
        f"{each.seconds[-1]:.1f} of {each.duration_seconds:.1f} s"
        for each in (a, b)
    ]
    return [
        *videos,
        f"distance {found.distance:.4f}, {same:.4f} without warping (root of the sum of 2 - 2 cos)",
        f"mean cosine {1 - found.costs.mean():.4f} along a path of {len(found.path)} pairs",
    ]
