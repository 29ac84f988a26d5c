"""Test how well features of a model tell classes apart from a few videos of each, without training.

An episode draws --ways classes and --shots support videos of each; the other videos are queries. With
cosine a query gets the class whose mean support vector is nearest, with dtw that of the nearest support
video. Videos of one group, as clips of one film, are never support and query of a class together.

Features are computed once and kept in --cache; an interrupted run resumes. Or give a file of `timesformer
features`. The nearest neighbour is that of each video among all others.

$ timesformer few-shot test.csv --weights model.pyth --shots 1 5
$ timesformer few-shot features.npz --ways 5 --distance dtw --band 2 --json
"""

from typing import Annotated

import typer

from timesformer.cli import feature_options
from timesformer.cli.app import command
from timesformer.cli.feature_options import Band, DistanceName, FeatureOptions, Source
from timesformer.cli.report import Group


def known_shots(shots: list[int]) -> list[int]:
    """The callback of --shots."""
    if any(number < 1 for number in shots):
        raise typer.BadParameter("numbers of shots begin at 1")
    return list(dict.fromkeys(shots))


@command(fails="a video cannot be read")
def main(
    source: Source,
    use: FeatureOptions,
    shots: Annotated[
        list[int],
        typer.Option(
            metavar="K...",
            default_factory=lambda: [1],
            show_default="1",
            callback=known_shots,
            help="Support videos of each class; several numbers are several tests.",
        ),
    ],
    ways: Annotated[int, typer.Option(min=2, metavar="N", help="Classes of an episode.")] = 5,
    queries: Annotated[
        int, typer.Option(min=1, metavar="Q", help="Queries of a class at most.")
    ] = 15,
    episodes: Annotated[int, typer.Option(min=2, metavar="E", help="Of each test.")] = 600,
    distance: DistanceName = "cosine",
    band: Band = None,
    group: Group = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the episodes.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; shares are from 0 to 1.")
    ] = False,
) -> int:
    """Print the accuracies."""
    from timesformer.features.compare import DISTANCES
    from timesformer.features.episodes import check_list
    from timesformer.features.few_shot_report import few_shot_lines, few_shot_report
    from timesformer.io.json_text import json_text

    found, unreadable = use.read(
        source, distance, lambda videos: check_list(videos, ways=ways, shots=shots)
    )
    comparison = feature_options.compare(found, distance, band)
    report = few_shot_report(
        found,
        comparison,
        ways=ways,
        shots=shots,
        queries=queries,
        episodes=episodes,
        seed=seed,
        group=group,
    )
    way = DISTANCES[distance].classifier
    report |= {"distance": distance, "band": band, "classifier": way, "unreadable": unreadable}
    settings = feature_options.settings_text(found, distance, way, band)
    print(json_text(report) if as_json else "\n".join(few_shot_lines(report, settings)))
    return 1 if unreadable else 0
