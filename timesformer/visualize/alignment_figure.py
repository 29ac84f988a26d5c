"""Two videos as strips of frames, and between them the path by which they are aligned."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from timesformer.visualize.figure_style import INK, SOFT, plain, style_axes

WIDTH = 12.0  # inches
MOST_FRAMES = 16  # of a strip; of more, evenly spaced ones
GAP = 1.5  # inches between the strips
COLOURS = colormaps["viridis_r"]  # of cosines: dark is alike


def draw_alignment(
    strips: Sequence[Sequence[np.ndarray]],
    names: Sequence[str],
    seconds: Sequence[np.ndarray],
    path: Sequence[tuple[int, int]],
    cosines: np.ndarray,
    *,
    title: str,
) -> Figure:
    """The first video above, the second below, and a line for each pair of the path.

    Args:
        strips: of both videos, their T frames (H, W, 3) uint8.
        names: of both.
        seconds: of both, (T,).
        path: pairs of frames.
        cosines: of each pair, (P,).
        title: above all.
    """
    shown = [shown_frames(len(strip)) for strip in strips]
    heights = [
        WIDTH / max(map(len, shown)) / max(strip[0].shape[1] / strip[0].shape[0], 0.1)
        for strip in strips
    ]
    figure = Figure(figsize=(WIDTH, sum(heights) + GAP + 1.5), layout="constrained")
    figure.suptitle(plain(title, 120), color=INK, size=12, x=0.01, ha="left")
    upper, lines, lower = figure.subplots(3, 1, height_ratios=[heights[0], GAP, heights[1]])
    for axes, side, top in ((upper, 0, True), (lower, 1, False)):
        images = [strips[side][i] for i in shown[side]]
        _draw_strip(axes, images, seconds[side][shown[side]])
        label = axes.set_title if top else axes.set_xlabel
        label(plain(names[side], 100), color=SOFT, size=10, loc="left")
    norm = Normalize(float(cosines.min()), float(max(cosines.max(), cosines.min() + 1e-6)))
    _draw_path(lines, path, COLOURS(norm(cosines)), counts=[len(strip) for strip in strips])
    bar = figure.colorbar(
        ScalarMappable(norm, COLOURS), ax=[upper, lines, lower], fraction=0.02, pad=0.01
    )
    bar.set_label("cosine of two frames", color=SOFT, size=9)
    bar.ax.tick_params(colors=SOFT, labelsize=8)
    bar.outline.set_visible(False)
    return figure


def shown_frames(count: int) -> np.ndarray:
    """The frames of a strip that are drawn: all, or MOST_FRAMES evenly spaced ones."""
    if count <= MOST_FRAMES:
        return np.arange(count)
    return np.linspace(0, count - 1, MOST_FRAMES).round().astype(int)


def _draw_strip(axes: Axes, images: Sequence[np.ndarray], seconds: np.ndarray) -> None:
    """Frames side by side over 0 .. 1, their times at their middles."""
    style_axes(axes, grid="x").grid(visible=False)
    width = 1 / len(images)
    for place, image in enumerate(images):
        left = place * width
        axes.imshow(image, extent=(left, left + 0.97 * width, 0, 1), aspect="auto")
    middles = (np.arange(len(images)) + 0.485) * width
    axes.set_xticks(middles, [f"{each:.1f} s" for each in seconds], size=8)
    axes.set(xlim=(0, 1), ylim=(0, 1), yticks=[])
    axes.spines[:].set_visible(False)


def _draw_path(
    axes: Axes, path: Sequence[tuple[int, int]], colours: np.ndarray, *, counts: Sequence[int]
) -> None:
    """A line from each frame above to each that it is aligned with below."""
    for (i, j), colour in zip(path, colours, strict=True):
        ends = [(i + 0.485) / counts[0], (j + 0.485) / counts[1]]
        axes.plot(ends, [1, 0], color=colour, linewidth=2, solid_capstyle="round")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
