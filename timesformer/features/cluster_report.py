"""Clusters of videos as numbers and as lines. Shares are from 0 to 1 in the numbers.

Clusters are counted from 1, the largest first; their videos come with the nearest to the middle first.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from timesformer.evaluation.report.groups import find_groups
from timesformer.features.clusters import Clusters, LabelScores, against_labels
from timesformer.features.compare import Comparison
from timesformer.features.feature_set import FeaturesError, FeatureSet
from timesformer.io.terminal import printable
from timesformer.tables import format_table

SCHEMA_VERSION = 1
MOST_NAMES = 3  # classes of a cluster that a line has


def cluster_report(
    found: FeatureSet,
    comparison: Comparison,
    *,
    clusters: int | None,
    seed: int,
    group: str,
) -> dict[str, Any]:
    """Clusters, and how they fit the labels if all videos have one.

    Args:
        found: N videos.
        comparison: of them.
        clusters: None: as many as there are classes.
        seed: of k-means, and of the level of chance.
        group: see ``find_groups``.

    Raises:
        FeaturesError: fewer videos than clusters, or no number and no labels.
        GroupError: no such groups.
    """
    has_labels = bool((found.labels >= 0).all())
    groups = find_groups(found, group)
    made = comparison.cluster(_number(found, clusters, has_labels), seed)
    scores = (
        against_labels(made.codes, found.labels, groups.codes, seed=seed) if has_labels else None
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "clusters",
        "source": found.origin,
        "made": found.made,
        "videos": len(found.labels),
        "classes": len(np.unique(found.labels)) if has_labels else None,
        "groups": {"by": groups.by, "number": groups.number},
        "seed": seed,
        "scores": None if scores is None else _numbers(scores),
        "clusters": [
            _cluster(found, made, code, scores, has_labels)
            for code in range(int(made.codes.max()) + 1)
        ],
    }


def _number(found: FeatureSet, clusters: int | None, has_labels: bool) -> int:
    origin, videos = printable(found.origin), len(found.labels)
    if clusters is None:
        if not has_labels:
            raise FeaturesError(f"{origin}: not all videos have labels, so say --clusters K")
        return len(np.unique(found.labels))
    if clusters > videos:
        raise FeaturesError(
            f"{origin} has {videos} videos with features, too few for --clusters {clusters}; lower it"
        )
    return clusters


def _numbers(scores: LabelScores) -> dict[str, Any]:
    return {
        "v_measure": scores.v_measure,
        "homogeneity": scores.homogeneity,
        "completeness": scores.completeness,
        "adjusted_rand": scores.adjusted_rand,
        "accuracy": scores.accuracy,
        "interval": [scores.interval.low, scores.interval.high],
        "interval_method": scores.interval.method,
        "chance": scores.chance,
    }


def _cluster(
    found: FeatureSet, made: Clusters, code: int, scores: LabelScores | None, has_labels: bool
) -> dict[str, Any]:
    inside = np.flatnonzero(made.codes == code)
    members = inside[np.argsort(made.distances[inside], kind="stable")].tolist()
    label = scores.class_of.get(code) if scores else None
    counts = Counter(int(found.labels[i]) for i in members) if has_labels else {}
    by_size = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "cluster": code + 1,
        "videos": len(members),
        "label": label,
        "name": None if label is None else found.class_name(label),
        "classes": [
            {"label": k, "name": found.class_name(k), "videos": count} for k, count in by_size
        ],
        "members": [_member(found, i, float(made.distances[i])) for i in members],
    }


def _member(found: FeatureSet, index: int, distance: float) -> dict[str, Any]:
    label = int(found.labels[index])
    span = (np.nan, np.nan) if found.spans is None else found.spans[index].tolist()
    start, end = (None if np.isnan(each) else each for each in span)
    return {
        "path": found.paths[index],
        "label": label if label >= 0 else None,
        "name": found.class_name(label) if label >= 0 else None,
        "distance": distance,
        "start": start,
        "end": end,
    }


def cluster_lines(report: Mapping[str, Any], settings: str) -> list[str]:
    """What the command prints; ``settings`` says how videos are compared."""
    groups, scores = report["groups"], report["scores"]
    grouped = f" in {groups['number']} groups ({groups['by']})" if groups["by"] else ""
    classes = f" of {report['classes']} classes" if report["classes"] else ""
    found = len(report["clusters"])
    lines = [f"{report['videos']} videos{grouped}{classes} in {found} clusters; {settings}", ""]
    if scores:
        low, high = scores["interval"]
        between = f"{100 * low:.2f} .. {100 * high:.2f}"
        rows = [
            ("accuracy", f"{100 * scores['accuracy']:.2f} %", f"95 % interval {between}"),
            ("", f"{100 * scores['chance']:.2f} %", "of the same clusters with shuffled labels"),
            ("v-measure", f"{scores['v_measure']:.4f}", _parts(scores)),
            ("adjusted Rand", f"{scores['adjusted_rand']:.4f}", "0 by chance"),
        ]
        lines += [format_table(rows, has_head=False, right={1}), ""]
    head: tuple[str, ...] = ("cluster", "videos", *(("class", "videos of") if scores else ()))
    rows_of = [_row(each, bool(scores)) for each in report["clusters"]]
    return [*lines, format_table([head, *rows_of], right={0, 1})]


def _parts(scores: Mapping[str, Any]) -> str:
    return f"homogeneity {scores['homogeneity']:.4f}, completeness {scores['completeness']:.4f}"


def _row(cluster: Mapping[str, Any], has_labels: bool) -> tuple[str, ...]:
    row = (str(cluster["cluster"]), str(cluster["videos"]))
    if not has_labels:
        return row
    shown = [f"{each['videos']} {each['name']}" for each in cluster["classes"][:MOST_NAMES]]
    more = len(cluster["classes"]) - MOST_NAMES
    return (
        *row,
        cluster["name"] or "-",
        ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
    )
