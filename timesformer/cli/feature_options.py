"""What commands that compare videos share: where features come from, and how they are compared."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesformer.cli import model
from timesformer.cli.options import WEIGHTS
from timesformer.io.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from timesformer.config import CfgNode
    from timesformer.datasets.lists import VideoList
    from timesformer.features.compare import Comparison
    from timesformer.features.feature_set import FeatureSet
    from timesformer.inference.predictor import Features, Predictor

FEATURES = ".npz"  # end of the name of a file of features
SOURCE_HELP = (
    "A list of `path label` lines, a folder of class folders, or a file of `timesformer features`."
)
Source = Annotated[str, typer.Argument(metavar="LIST_OR_NPZ", help=SOURCE_HELP)]
DistanceName = Annotated[
    Literal["cosine", "dtw"],
    typer.Option(help="Of one vector a video, or of sequences of frames (dynamic time warping)."),
]
Band = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="FRAMES", help="Of dtw: how far apart frames may be that are compared."
    ),
]


@dataclass(frozen=True, kw_only=True)
class FeatureOptions(model.ModelOptions):
    """Features of a list by a checkpoint, kept on disk, or of a file."""

    weights: Annotated[
        str,
        typer.Option(
            *WEIGHTS, metavar="FILE", show_default=False, help="The checkpoint; not for a file."
        ),
    ] = ""
    tokens: Annotated[
        Literal["cls", "pooled", "frames"] | None,
        typer.Option(help="As of `timesformer features`; default: cls, and frames for dtw."),
    ] = None
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keeps features; default: ~/.cache/timesformer/features."),
    ] = None

    def read(
        self,
        source: str,
        distance: str,
        check: "Callable[[VideoList], None]" = lambda videos: None,
    ) -> "tuple[FeatureSet, int]":
        """The features of ``source``, and how many of its videos have none.

        ``check`` is called with a list before anything is computed.
        """
        from timesformer.features.compare import DISTANCES
        from timesformer.features.feature_set import read_features
        from timesformer.inference.videos import find_labelled

        tokens = self.tokens or DISTANCES[distance].tokens
        if distance == "dtw" and tokens != "frames":
            raise typer.BadParameter(
                f"--tokens {tokens} is one vector a video, but dtw compares frames; leave --tokens out"
            )
        if source.endswith(FEATURES):
            if self.weights or self.tokens:
                raise typer.BadParameter(
                    f"{printable(source)} holds features already; leave --weights and --tokens out"
                )
            return read_features(source), 0
        if not self.weights:
            raise typer.BadParameter("a list needs --weights FILE; a file of features does not")
        videos = find_labelled(source)
        check(videos)
        return self._compute(videos, tokens)

    def _compute(self, videos: "VideoList", tokens: str) -> "tuple[FeatureSet, int]":
        from timesformer.features.store import default_folder, stored_features

        predictor = self.open_predictor()
        if note := build_views_note(predictor.cfg, tokens):
            model.remark(f"note: {note}")
        folder = self.cache or default_folder()
        stream = stored_features(
            predictor, videos, tokens=tokens, precision=self.precision, folder=folder
        )
        found = gather(stream, len(videos.labels))
        readable = feature_set(found, videos, how_made(self, predictor, tokens))
        unreadable = len(found) - len(readable.paths)
        if unreadable:
            model.tell(f"{unreadable} of {len(found)} videos could not be read")
        return readable, unreadable


def gather(stream: "Iterable[Features]", total: int) -> "list[Features]":
    """Features of ``total`` videos as they come; those that cannot be read are named."""
    found = []
    for each in model.with_progress(stream, total=total):
        model.tell_remarks(each)
        if each.error:
            model.tell(f"left out: {printable(each.error)}")
        found.append(each)
    return found


def build_views_note(cfg: "CfgNode", tokens: str) -> str:
    """What several temporal views mean for sequences of frames; "" if there is one, or no sequence."""
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS
    if tokens != "frames" or views == 1:
        return ""
    return (
        f"the sequences of frames have {views} temporal views one after the other, which may show the "
        "same seconds again; --views 1x1 takes one"
    )


def feature_set(found: "list[Features]", videos: "VideoList", made: dict[str, Any]) -> "FeatureSet":
    """The videos of a list that have features.

    Raises:
        FeaturesError: none has.
    """
    import numpy as np

    from timesformer.features.feature_set import FeatureSet, stacked

    kept = [i for i, each in enumerate(found) if not each.error]
    unknown = (np.nan, np.nan)
    spans = [found[i].span[:2] if found[i].span else unknown for i in kept]  # type: ignore[index]
    return FeatureSet(
        stacked([found[i].values.numpy() for i in kept], videos.origin),
        tuple(videos.name(i) for i in kept),
        videos.labels[kept],
        videos.class_names,
        videos.origin,
        made,
        np.array(spans, dtype=np.float64).reshape(-1, 2),
    )


def how_made(use: model.ModelOptions, predictor: "Predictor", tokens: str) -> dict[str, Any]:
    """What a file of features says of its features."""
    import shlex
    import sys

    from timesformer.checkpoint.metadata import build_preprocessing, versions

    return {
        "command": shlex.join(sys.argv),
        "weights": str(Path(use.weights).resolve()),
        "tokens": tokens,
        "precision": use.precision,
        "preprocessing": build_preprocessing(predictor.cfg),
        "notes": predictor.description.notes,
        "versions": versions(),
    }


def compare(found: "FeatureSet", distance: str, band: int | None) -> "Comparison":
    """How the videos are compared, with a bar where that takes time."""
    from timesformer.features.compare import DISTANCES

    if band is not None and distance != "dtw":
        raise typer.BadParameter("--band is of --distance dtw; add it, or leave --band out")
    return DISTANCES[distance].build(found, band, _bar)


def _bar(rows: "Iterable[int]", total: int) -> "Iterator[int]":
    from tqdm import tqdm

    from timesformer.io.terminal import hides_bars

    hidden = hides_bars() or total < 2
    yield from tqdm(rows, total=total, desc="dtw", leave=False, disable=hidden)


def settings_text(found: "FeatureSet", distance: str, way: str, band: int | None) -> str:
    """``cls tokens of model.pyth, cosine, nearest prototype``."""
    tokens, weights = found.made.get("tokens"), found.made.get("weights")
    of = f" of {printable(Path(str(weights)).name)}" if weights else ""
    banded = "" if band is None else f" (band {band})"
    return f"{f'{tokens} tokens' if tokens else 'features'}{of}, {distance}{banded}, {way}"
