"""Options of the annotations that detections and online scores are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesformer.cli.options import Classes

if TYPE_CHECKING:
    from timesformer.detection.annotations import Annotations


@dataclass(frozen=True)
class TruthOptions:
    """Which annotations count, and how they are repaired."""

    truth: Annotated[
        Path, typer.Option(metavar="FILE", help="ActivityNet JSON, or a list of segments.")
    ]
    subset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default: validation, or the only one of the truth."),
    ] = None
    classes: Classes = None
    background: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="The class of the truth without an action, which is left out; none: no class "
            "(that called background).",
        ),
    ] = None
    clean: Annotated[
        bool,
        typer.Option(
            "--clean",
            help="Repair the truth: duplicates count once, segments are cut at the end of the video, "
            "empty ones are left out.",
        ),
    ] = False

    def read(self, known: Sequence[str] = ()) -> "Annotations":
        """The annotations; ``known`` are the names of classes where --classes does not say them.

        Raises:
            InputError: the file cannot be used.
        """
        from timesformer.datasets.class_names import class_names
        from timesformer.detection.annotations import read_annotations

        return read_annotations(
            self.truth,
            subset=self.subset,
            class_names=class_names(self.classes) if self.classes else known,
            clean=self.clean,
            background=self.background,
        )
