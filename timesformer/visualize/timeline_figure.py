"""What happens when in a long video: curves of the classes, segments below them, gaps hatched."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timesformer.io.terminal import printable
from timesformer.visualize.figure_style import LINE, SOFT, style_axes

MOST_CLASSES = 8  # that have a curve: those of segments first, then the likeliest
Span = tuple[float, float]


def draw_timeline(
    times: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    segments: Sequence[tuple[str, float, float]],
    *,
    duration: float,
    gaps: Sequence[Span] = (),
    onset: float | None = None,
) -> Figure:
    """Curves over seconds, and a lane of segments for each class.

    Args:
        times: (W,) middles of the windows.
        probabilities: (W, K); nan is left out.
        names: K.
        segments: class, start and end in seconds.
        duration: of the video.
        gaps: parts that cannot be seen.
        onset: drawn as a line.
    """
    shown = shown_classes(probabilities, names, [label for label, _, _ in segments])
    height = 2.6 + 0.28 * max(len(shown), 1)
    figure = Figure(figsize=(10, height), layout="constrained")
    curves, lanes = figure.subplots(
        2, 1, sharex=True, height_ratios=[2.2, 0.28 * max(len(shown), 1)]
    )
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    for axes in (style_axes(curves), style_axes(lanes, grid="x")):
        axes.set_xlim(0, duration)
        for start, end in gaps:
            axes.axvspan(start, end, facecolor="none", edgecolor=LINE, hatch="////", linewidth=0)
    for lane, k in enumerate(shown):
        curves.plot(times, probabilities[:, k], color=colours[lane], linewidth=1.4)
        spans = [(start, end - start) for label, start, end in segments if label == names[k]]
        lanes.broken_barh(spans, (lane - 0.36, 0.72), facecolors=[colours[lane]])
    if onset is not None:
        curves.axhline(onset, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    curves.set(ylim=(0, 1.02), ylabel="probability")
    _label_lanes(lanes, [names[k] for k in shown])
    return figure


def _label_lanes(axes: Axes, names: Sequence[str]) -> None:
    texts = [name if len(name) < 24 else f"{name[:22]}…" for name in map(printable, names)]
    axes.set_yticks(range(len(names)), [text.replace("$", r"\$") for text in texts])
    axes.set(ylim=(max(len(names), 1) - 0.5, -0.5), xlabel="seconds")


def shown_classes(
    probabilities: np.ndarray, names: Sequence[str], found: Sequence[str]
) -> list[int]:
    """The classes to show, at most MOST_CLASSES: those with segments, then the likeliest at some time.

    Args:
        probabilities: (W, K); nan is left out.
        names: K.
        found: the classes of segments.
    """
    seen = probabilities[np.isfinite(probabilities).all(axis=1)]
    peaks = seen.max(axis=0) if len(seen) else np.zeros(len(names))
    order = sorted(range(len(names)), key=lambda k: (names[k] not in found, -peaks[k], k))
    return sorted(order[:MOST_CLASSES])
