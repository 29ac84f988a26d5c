"""Group the videos of a list by their features, without training, and show what is in each group.

With cosine it is k-means of one vector a video, with dtw agglomerative clustering of sequences of frames.
Where all videos have labels, it prints how clusters fit classes: accuracy under the best assignment of
classes to clusters, v-measure and adjusted Rand index. --out writes a page with frames of the videos.

$ timesformer cluster videos/ --weights model.pyth --clusters 8 --out clusters
$ timesformer cluster features.npz --distance dtw --band 2 --json
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from timesformer.cli import feature_options
from timesformer.cli.app import command
from timesformer.cli.feature_options import Band, DistanceName, FeatureOptions, Source
from timesformer.cli.options import OUT
from timesformer.cli.report import Frames, Group


@command(fails="a video cannot be read")
def main(
    source: Source,
    use: FeatureOptions,
    clusters: Annotated[
        int | None, typer.Option(min=2, metavar="K", help="Default: as many as classes.")
    ] = None,
    distance: DistanceName = "cosine",
    band: Band = None,
    group: Group = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of k-means and of chance.")] = 0,
    frames: Frames = True,
    out: Annotated[
        Path | None, typer.Option(*OUT, metavar="DIR", help="Folder for a page and its numbers.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; shares are from 0 to 1.")
    ] = False,
) -> int:
    """Print the clusters; write the page."""
    from timesformer.features.cluster_output import write_clusters
    from timesformer.features.cluster_report import cluster_lines, cluster_report
    from timesformer.features.compare import DISTANCES
    from timesformer.io.json_text import json_text
    from timesformer.io.terminal import printable

    found, unreadable = use.read(source, distance)
    comparison = feature_options.compare(found, distance, band)
    report = cluster_report(found, comparison, clusters=clusters, seed=seed, group=group)
    way = DISTANCES[distance].clustering
    settings = feature_options.settings_text(found, distance, way, band)
    report |= {"distance": distance, "band": band, "settings": settings, "unreadable": unreadable}
    page = write_clusters(out, report, with_frames=frames) if out else None
    print(json_text(report) if as_json else "\n".join(cluster_lines(report, settings)))
    if page:
        print(f"page: {printable(page)}", file=sys.stderr)
    return 1 if unreadable else 0
