"""Options of windows, and of the rules by which their scores become segments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesformer.cli import model
from timesformer.cli.options import seconds_or_default
from timesformer.io.terminal import printable

if TYPE_CHECKING:
    from timesformer.detection.rules import SegmentRules


@dataclass(frozen=True)
class WindowOptions:
    """Which windows of a video are scored, as ``Detector`` takes them."""

    stride: Annotated[
        float | None, seconds_or_default("Between windows; default: half a window.")
    ] = None
    span: Annotated[
        float | None,
        seconds_or_default("Of a window, for models that take frames of a whole video (SSv2)."),
    ] = None
    crops: Annotated[
        int, typer.Option(min=1, max=3, help="Of each window, as predict --views 1xN takes them.")
    ] = 1


@dataclass(frozen=True)
class RuleOptions:
    """How scores become segments; None: as in the file of --rules, else the default."""

    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rules that --tune has written.")
    ] = None
    onset: Annotated[
        float | None, typer.Option(min=0, max=1, help="A class begins above it (0.5).")
    ] = None
    offset: Annotated[
        float | None, typer.Option(min=0, max=1, help="A class ends below it (0.35).")
    ] = None
    min_on: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Shorter segments are left out (1)."),
    ] = None
    min_off: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Shorter gaps in a class are filled (1)."),
    ] = None
    pad: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Added on both sides of a segment (0)."),
    ] = None
    smooth: Annotated[str | None, typer.Option(help="none, median:N or mean:N windows (none).")] = (
        None
    )
    background: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="The class without an action, never a segment; none: no class (that called background).",
        ),
    ] = None
    classes_at_once: Annotated[
        Literal["all", "likeliest"] | None,
        typer.Option(help="likeliest: of a window, only its likeliest class can be a segment."),
    ] = None

    def segment_rules(self) -> "SegmentRules":
        """The rules; a RulesError if they exclude each other."""
        from timesformer.detection.rules import SegmentRules
        from timesformer.detection.rules_file import read_rules

        given = {**self.__dict__, "classes": self.classes_at_once}
        given = {
            name: value
            for name, value in given.items()
            if value is not None and name not in ("rules", "classes_at_once")
        }
        return replace(read_rules(self.rules) if self.rules else SegmentRules(), **given)


def tell_background(rules: "SegmentRules", class_names: Sequence[str]) -> None:
    """Say which class is the background without having been named; a RulesError if there is none such."""
    place = rules.background_place(class_names)
    if place is not None and rules.background is None:
        model.remark(
            f"note: {printable(class_names[place])} is taken for the class without an action and has no "
            "segments; --background none gives it some"
        )
