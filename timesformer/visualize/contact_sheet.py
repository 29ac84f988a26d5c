"""A contact sheet: which frames and crops of a video become clips, for a person to check.

At the top the whole video as a timeline with the frames of every clip; below it a row for each clip:
where its crop lies in a frame, and the clip as the model gets it.
"""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from timesformer.datasets.transforms import Crop
from timesformer.video import Frames

MOST_SHOWN = 8  # frames of a clip; the timeline and the table have all of them
INCH = {"thumbnail": 1.3, "text": 0.48, "line": 0.13, "lane": 0.17, "head": 1.0}
COLORS = [f"C{i}" for i in range(10)]
CROP_NAMES = {True: ("left", "centre", "right"), False: ("top", "centre", "bottom")}  # wide?


class ClipRow(NamedTuple):
    """One clip of the sheet."""

    name: str
    caption: str
    view: int  # temporal view: clips of one view share its frames
    indices: np.ndarray  # (T,) frame numbers
    frame: np.ndarray  # (H, W, 3) uint8, the middle frame as decoded
    box: tuple[float, float, float]  # left, top and side of the crop in that frame
    clip: np.ndarray  # (T, S, S, 3) uint8


class ContactSheet(NamedTuple):
    """Everything that is drawn and printed."""

    title: str
    seconds: np.ndarray  # (N,) of every frame of the video
    rows: list[ClipRow]


def clip_rows(
    frames: Frames,
    crops: Sequence[Sequence[Crop]],
    clips: Tensor,
    *,
    captions: Sequence[str],
    crop_names: Sequence[int] | None,
) -> list[ClipRow]:
    """The rows of ``clips`` (views * crops, 3, T, S, S) uint8.

    Args:
        frames: what was read of the video.
        crops: of each temporal view.
        clips: cut from both, in RGB.
        captions: text for each clip besides its crop.
        crop_names: 0, 1 or 2 for each crop of a view, start, centre or end; None: random clips.
    """
    names = CROP_NAMES[frames.images.shape[2] >= frames.images.shape[1]]
    rows: list[ClipRow] = []
    for view, numbers in enumerate(frames.indices):
        middle = frames.images[frames.index[view][len(numbers) // 2]]
        for i, crop in enumerate(crops[view]):
            name = f"clip {view + 1}"
            if crop_names is not None:
                name = f"view {view + 1}, {names[crop_names[i]]} crop"
            rows.append(
                ClipRow(
                    name,
                    caption=_describe_crop(crop, captions[len(rows)]),
                    view=view,
                    indices=numbers,
                    frame=middle,
                    box=_box_in_frame(crop, middle),
                    clip=clips[len(rows)].permute(1, 2, 3, 0).numpy(),
                )
            )
    return rows


def _describe_crop(crop: Crop, caption: str) -> str:
    """Scale, place and flip of a clip, and its caption."""
    flip = ", then flipped" * crop.flip
    text = f"short side scaled to {crop.short_side}, cut at ({crop.top}, {crop.left}){flip}"
    return f"{text}; {caption}" if caption else text


def _box_in_frame(crop: Crop, frame: np.ndarray) -> tuple[float, float, float]:
    """(left, top, side) of the crop in the frame (H, W, 3) before it was scaled."""
    scale = min(frame.shape[:2]) / crop.short_side
    return crop.left * scale, crop.top * scale, crop.size * scale


def draw_contact_sheet(sheet: ContactSheet) -> Figure:
    """The sheet: a timeline, and below it a row for each clip."""
    num_views = sheet.rows[-1].view + 1
    num_shown = min(len(sheet.rows[0].indices), MOST_SHOWN)
    height, width = sheet.rows[0].frame.shape[:2]
    frame_width = min(max(width / height, 1.25), 2.5) * INCH["thumbnail"]
    strip_width = max(num_shown * (INCH["thumbnail"] + 0.06), 6.0)
    total_width = frame_width + strip_width + 0.6
    captions = [_wrap(row.caption, strip_width) for row in sheet.rows]
    text = INCH["text"] + INCH["line"] * max(caption.count("\n") for caption in captions)
    top = INCH["head"] + INCH["lane"] * (num_views + 1) + 0.3
    row_height = INCH["thumbnail"] + text
    total_height = top + row_height * len(sheet.rows) + 0.1
    figure = Figure(figsize=(total_width, total_height), dpi=100, facecolor="white")

    def axes(left: float, above: float, wide: float, high: float) -> Axes:
        """Axes by inches from the top left corner."""
        bottom = total_height - above - high
        box = (left / total_width, bottom / total_height, wide / total_width, high / total_height)
        return figure.add_axes(box)

    corner = (0.2 / total_width, 1 - 0.12 / total_height)
    figure.text(*corner, sheet.title, size=11, weight="bold", va="top")
    lanes = INCH["lane"] * (num_views + 1)
    _draw_timeline(axes(0.8, INCH["head"] - 0.25, total_width - 1.0, lanes), sheet, num_views)
    for i, (row, caption) in enumerate(zip(sheet.rows, captions, strict=True)):
        above = top + i * row_height + text
        _draw_frame(axes(0.2, above, frame_width, INCH["thumbnail"]), row)
        strip = axes(0.4 + frame_width, above, strip_width, INCH["thumbnail"])
        _draw_clip(strip, row, sheet.seconds)
        _head(strip, caption, color="0.3", size=8)
    return figure


def _draw_timeline(axes: Axes, sheet: ContactSheet, num_views: int) -> None:
    """The whole video as a grey bar, above it a lane of marks for each temporal view."""
    end = max(float(sheet.seconds[-1]), 1e-3)
    axes.barh(0, end, left=0, height=0.9, color="0.85")
    axes.text(end / 2, 0, f"{len(sheet.seconds)} frames", ha="center", va="center", size=7)
    for row in {row.view: row for row in sheet.rows}.values():
        lane, color = row.view + 1, COLORS[row.view % len(COLORS)]
        times = sheet.seconds[row.indices]
        axes.plot(times, [lane] * len(times), "-", color=color, linewidth=1)
        axes.plot(times, [lane] * len(times), "|", color=color, markersize=9, markeredgewidth=1.6)
    names = ["video", *(f"{sheet.rows[0].name.split()[0]} {v + 1}" for v in range(num_views))]
    axes.set_yticks(range(num_views + 1), names, size=7)
    axes.set(xlim=(-0.01 * end, 1.01 * end), ylim=(num_views + 0.6, -0.6))
    axes.set_xlabel("seconds", size=8, labelpad=1)
    axes.tick_params(axis="x", labelsize=8, pad=2)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw_frame(axes: Axes, row: ClipRow) -> None:
    """The middle frame as decoded, the crop bright in it."""
    color = COLORS[row.view % len(COLORS)]
    left, top, side = row.box
    height, width = row.frame.shape[:2]
    axes.imshow(row.frame, extent=(0, width, height, 0), aspect="equal")
    axes.imshow(np.zeros((1, 1, 3)), extent=(0, width, height, 0), alpha=0.45)
    inside = axes.imshow(row.frame, extent=(0, width, height, 0), aspect="equal")
    inside.set_clip_path(Rectangle((left, top), side, side, transform=axes.transData))
    axes.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=color, linewidth=2))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_anchor("W")
    axes.axis("off")
    _head(axes, row.name, color=color, size=9, weight="bold")


def _draw_clip(axes: Axes, row: ClipRow, seconds: np.ndarray) -> None:
    """The frames of a clip side by side, each below its number and time."""
    count = len(row.indices)
    shown = np.linspace(0, count - 1, min(count, MOST_SHOWN)).round().astype(int)
    side = row.clip.shape[1]
    step = side * (1 + 0.06 / INCH["thumbnail"])
    for place, t in enumerate(shown):
        left = place * step
        axes.imshow(row.clip[t], extent=(left, left + side, side, 0), interpolation="antialiased")
        index = row.indices[t]
        again = t > 0 and row.indices[t - 1] == index
        label = f"#{index}  " + ("again" if again else f"{seconds[index]:.2f} s")
        color = "tab:red" if again else "black"
        middle = left + side / 2
        axes.text(middle, -0.02 * side, label, ha="center", va="bottom", size=8, color=color)
    width, height = axes.get_window_extent().size
    axes.set(xlim=(0, side * width / height), ylim=(side, 0), aspect="equal", anchor="W")
    axes.axis("off")


def _wrap(caption: str, inches: float) -> str:
    """Lines of 8-point text; the last clause begins a new one."""
    lines = [textwrap.wrap(part, int(15 * inches)) for part in caption.split("; ")]
    return "\n".join(line for part in lines for line in part)


def _head(axes: Axes, text: str, *, color: str, size: int, weight: str = "normal") -> None:
    """Text above the axes, clear of the labels of the frames."""
    axes.annotate(
        text,
        (0, 1),
        (0, 16),
        xycoords="axes fraction",
        textcoords="offset points",
        va="bottom",
        color=color,
        size=size,
        weight=weight,
    )


def frame_table(sheet: ContactSheet) -> str:
    """Frame numbers and times of each temporal view."""
    lines = [sheet.title, ""]
    first_of_view = {row.view: row for row in reversed(sheet.rows)}
    for view, row in sorted(first_of_view.items()):
        times = sheet.seconds[row.indices]
        numbers = " ".join(f"{index:4d}" for index in row.indices)
        name = row.name.split(",")[0]
        lines.append(f"{name:<8}  {times[0]:7.2f} .. {times[-1]:7.2f} s  frames {numbers}")
        lines += [f"          {r.name}: {r.caption}" for r in sheet.rows if r.view == view]
    return "\n".join(lines)
