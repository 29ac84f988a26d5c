"""How scores of windows become segments: the words and their bounds, of files and of streams.

onset    a class begins where its score rises above it
offset   a class ends where its score falls below it
pad      seconds that a segment is made longer on both sides; then
min_off  a gap between two segments of a class that is shorter is filled; then
min_on   a segment that is shorter is left out
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from timesformer.detection.background import choose_background
from timesformer.detection.smoothing import Smoothing, parse_smoothing
from timesformer.errors import InputError
from timesformer.io.terminal import printable


class RulesError(InputError, ValueError):
    """Rules that exclude each other or are out of range; the message names value and rule."""


@dataclass(frozen=True)
class SegmentRules:
    """The rules; a RulesError or SmoothingError names the first that cannot be."""

    onset: float = 0.5
    offset: float = 0.35
    min_on: float = 1.0  # seconds, as these two
    min_off: float = 1.0
    pad: float = 0.0
    smooth: str = "none"  # none, median:N, mean:N windows
    classes: Literal["all", "likeliest"] = "all"  # likeliest: of a window only the class of the
    # highest score can begin or continue
    background: str | None = None  # the class of which there are no segments; None: see
    # ``choose_background``

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not (math.isfinite(value) and value >= 0):
                raise RulesError(f"{field.name} is {value:g}; it must be 0 or more")
        for name in ("onset", "offset"):
            if getattr(self, name) > 1:
                raise RulesError(f"{name} is {getattr(self, name):g}; a probability is at most 1")
        if self.onset < self.offset:
            raise RulesError(
                f"onset {self.onset:g} is below offset {self.offset:g}; a class must not end before it "
                "can begin: raise onset or lower offset"
            )
        if self.classes not in ("all", "likeliest"):
            raise RulesError(f"classes is {self.classes!r}; write all or likeliest")
        parse_smoothing(self.smooth)

    @property
    def smoothing(self) -> Smoothing:
        """``smooth`` as kind and length."""
        return parse_smoothing(self.smooth)

    def background_place(self, class_names: Sequence[str]) -> int | None:
        """Which class is the background; a RulesError if the model has no class of this name."""
        background = choose_background(class_names, self.background)
        if background is None:
            return None
        if background not in class_names:
            shown = ", ".join(printable(name) for name in class_names[:3])
            raise RulesError(
                f"no class is called {printable(background)!r}, which is to be the background; "
                f"there are {len(class_names)} classes: {shown}{', ...' * (len(class_names) > 3)}"
            )
        return list(class_names).index(background)
