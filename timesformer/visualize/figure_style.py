"""How figures look, and their two forms: PNG, and SVG that takes its colours from the page.

A figure is drawn in the colours of a light page. In its SVG they are CSS variables of ``base.html``,
so that one drawing is right on light and on dark screens.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from timesformer.io.terminal import printable

# Names of the variables in style.css, and their values there on a light page.
COLOURS = {
    "ink": "#1d2126",
    "soft": "#5a626b",
    "line": "#dfe3e7",
    "accent": "#2462a6",
    "pale": "#b3cbe6",
    "paper": "#ffffff",
}
INK, SOFT, LINE, ACCENT, PALE, PAPER = COLOURS.values()

WIDTH = 5.0  # inches: 360 points, which a phone shows one to one
PNG_DPI = 160
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
}


def new_axes(height: float = 3.4, *, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure of ``width`` x ``height`` inches with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, style_axes(figure.add_subplot())


def style_axes(axes: Axes, *, grid: str = "y") -> Axes:
    """``axes`` with quiet lines: a pale grid along ``grid``, no box."""
    axes.set_facecolor("none")
    axes.grid(axis=grid, color=LINE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set(visible=True, color=SOFT, linewidth=0.8)
    axes.tick_params(colors=SOFT, labelsize=10, length=0, pad=5)
    axes.xaxis.label.set(color=SOFT, size=10.5)
    axes.yaxis.label.set(color=SOFT, size=10.5)
    return axes


def note(axes: Axes, text: str, at: tuple[float, float], **style: Any) -> None:
    """``text`` beside the point ``at`` of the data."""
    look: dict[str, Any] = {"color": SOFT, "size": 10, "xytext": (5, 0), "va": "center"}
    axes.annotate(text, at, textcoords="offset points", **(look | style))


def plain(name: str, most: int = 40) -> str:
    """A name that matplotlib draws as it is, cut if it is longer than ``most``."""
    text = printable(name)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.replace("$", r"\$")  # else it would begin a formula


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file, on white; the same bytes every time."""
    file = io.BytesIO()
    figure.patch.set_facecolor(PAPER)
    with rc_context(_STYLE), _without_warnings():
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return file.getvalue()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Of names that the font has no glyphs for, or that leave the axes little room."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from font|constrained_layout not"
        )
        yield


def svg_text(figure: Figure, name: str) -> str:
    """The figure as an SVG element to be put into a page: no background, colours of the page.

    The identifiers of figures of different ``name`` differ.

    A figure is drawn once: its layout is not the same to the last digit when it is drawn again.
    """
    file = io.StringIO()
    figure.patch.set_facecolor("none")
    with rc_context(_STYLE | {"svg.hashsalt": name}), _without_warnings():
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)  # type: ignore[no-untyped-call]
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for pattern, replacement in _UNUSED.items():
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text.strip()


_UNUSED = {  # of a file, where the SVG is part of a page, which has a font and several figures
    r"<metadata>.*?</metadata>": "",
    r"<defs>\s*<style.*?</style>\s*</defs>": "",
    r"<!--.*?-->": "",
    r"<svg .*?(viewBox=\"[^\"]*\").*?>": r"<svg \1>",
    r' id="[A-Za-z][A-Za-z\d.]*_\d+"': "",
    r"xlink:href": "href",
    r" ?font-family: [^;\"]*;?": "",
    r' transform="rotate\(-0 [^)]*\)"': "",
    r"\s*\n\s*": "\n",
    r"(\d\.\d\d)\d+": r"\1",
}
