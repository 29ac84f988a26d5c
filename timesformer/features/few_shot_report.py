"""A few-shot test as numbers and as lines. Shares are from 0 to 1 in the numbers, percent in the lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from timesformer.evaluation.report.groups import find_groups
from timesformer.evaluation.report.intervals import share_interval
from timesformer.features.compare import Comparison
from timesformer.features.episodes import check_episodes, classes_of
from timesformer.features.feature_set import FeatureSet, labelled
from timesformer.features.few_shot import FewShot, few_shot
from timesformer.features.neighbours import nearest_neighbours
from timesformer.tables import format_table

SCHEMA_VERSION = 1


def few_shot_report(
    found: FeatureSet,
    comparison: Comparison,
    *,
    ways: int,
    shots: Sequence[int],
    queries: int,
    episodes: int,
    seed: int,
    group: str,
) -> dict[str, Any]:
    """Accuracy with each number of ``shots``, and of the nearest neighbour of each video.

    Raises:
        FeaturesError: videos without labels, or a class with too few.
        GroupError: no such groups.
    """
    labels = labelled(found, needs="few-shot")
    groups = find_groups(found, group)
    present, classes = classes_of(labels, groups.codes)
    names = [found.class_name(int(label)) for label in present]
    for number in shots:
        check_episodes(classes, names, ways=ways, shots=number, origin=found.origin)
    tested = {
        number: few_shot(
            classes, comparison.classify, ways=ways, shots=number, queries=queries, episodes=episodes,
            seed=seed,
        )
        for number in shots
    }  # fmt: skip
    right = nearest_neighbours(comparison.similarity, labels, groups.codes)
    alone = share_interval(right, groups.codes)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "few_shot",
        "source": found.origin,
        "made": found.made,
        "videos": len(labels),
        "classes": len(present),
        "groups": {"by": groups.by, "number": groups.number},
        "ways": ways,
        "queries": queries,
        "episodes": episodes,
        "seed": seed,
        "shots": [_numbers(number, each, ways) for number, each in tested.items()],
        "nearest_neighbour": {
            "accuracy": float(right.mean()),
            "interval": [alone.low, alone.high],
            "interval_method": alone.method,
            "chance": 1 / len(present),
        },
        "per_class": [
            {
                "label": int(label),
                "name": name,
                "videos": len(of_class.videos),
                "nearest_neighbour": float(right[of_class.videos].mean()),
                "shots": {
                    str(number): {
                        "accuracy": each.per_class[i].accuracy,
                        "queries": each.per_class[i].trials,
                    }
                    for number, each in tested.items()
                },
            }
            for i, (label, name, of_class) in enumerate(zip(present, names, classes, strict=True))
        ],
    }


def _numbers(shots: int, found: FewShot, ways: int) -> dict[str, Any]:
    return {
        "shots": shots,
        "accuracy": found.accuracy,
        "interval": [found.interval.low, found.interval.high],
        "interval_method": found.interval.method,
        "half_interval_over_episodes": found.half_over_episodes,
        "chance": 1 / ways,
    }


def few_shot_lines(report: Mapping[str, Any], settings: str) -> list[str]:
    """What the command prints; ``settings`` says how videos are compared."""
    groups = report["groups"]
    grouped = f" in {groups['number']} groups ({groups['by']})" if groups["by"] else ""
    return [
        f"{report['videos']} videos{grouped} of {report['classes']} classes; {settings}",
        f"{report['episodes']} episodes of {report['ways']} classes, at most {report['queries']} queries "
        f"of each, seed {report['seed']}",
        "",
        _accuracy_table(report),
        "",
        "The 95 % interval is for other videos of these classes. +- is that of papers, over episodes,",
        "which share their videos: it says only how exact the mean of these videos is.",
        "",
        _class_table(report),
    ]


def _accuracy_table(report: Mapping[str, Any]) -> str:
    rows = [("test", "accuracy", "95 % interval", "+-", "chance")]
    for each in report["shots"]:
        test = f"{report['ways']}-way {each['shots']}-shot"
        half = f"{100 * each['half_interval_over_episodes']:.2f}"
        rows.append((test, *_with_interval(each), half, f"{100 * each['chance']:.2f}"))
    alone = report["nearest_neighbour"]
    rows.append(("nearest neighbour", *_with_interval(alone), "", f"{100 * alone['chance']:.2f}"))
    return format_table(rows, right={1, 3, 4})


def _with_interval(numbers: Mapping[str, Any]) -> tuple[str, str]:
    low, high = numbers["interval"]
    return f"{100 * numbers['accuracy']:.2f}", f"{100 * low:.2f} .. {100 * high:.2f}"


def _class_table(report: Mapping[str, Any]) -> str:
    """A row for each class, the lowest with the first number of shots at the top."""
    numbers = list(report["per_class"][0]["shots"])
    rows: list[tuple[str, ...]] = [
        ("class", "videos", *(f"{number}-shot" for number in numbers), "nearest neighbour")
    ]
    first = numbers[0]

    def rank(row: Mapping[str, Any]) -> tuple[float, int]:
        accuracy = row["shots"][first]["accuracy"]
        return (2.0 if accuracy is None else accuracy), row["label"]

    for row in sorted(report["per_class"], key=rank):
        shares = [*(row["shots"][n]["accuracy"] for n in numbers), row["nearest_neighbour"]]
        texts = ["-" if share is None else f"{100 * share:.2f}" for share in shares]
        rows.append((row["name"], str(row["videos"]), *texts))
    return format_table(rows, right=set(range(1, len(numbers) + 3)))
