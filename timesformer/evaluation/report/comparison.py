"""Runs on the same videos, pair by pair: differences, intervals, tests, and the videos that decide.

The dictionary of ``build_comparison`` is ``compare.json``.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import t

from timesformer.evaluation.report import several_labels
from timesformer.evaluation.report.alignment import align, require_same_classes
from timesformer.evaluation.report.groups import AUTO, Groups, find_groups
from timesformer.evaluation.report.intervals import (
    Difference,
    Interval,
    holm,
    mcnemar,
    paired_difference,
)
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.probabilities import class_probabilities
from timesformer.evaluation.report.report import accuracies, class_accuracies
from timesformer.evaluation.report.seeds import compare_seeds
from timesformer.evaluation.report.suspects import MOST, gallery_item
from timesformer.visualize.schema import SCHEMA_VERSION


def build_comparison(
    runs: Sequence[Predictions], *, names: Sequence[str], common: bool = False, group: str = AUTO
) -> dict[str, Any]:
    """All figures of a comparison, as JSON holds them.

    Args:
        runs: at least 2.
        names: of the runs, different ones.
        common: compare the videos that all lists have, if the lists differ.
        group: see ``find_groups``; of the first run that has such a column, else of the first.

    Raises:
        ComparisonError: the runs have different classes, lists or labels.
        GroupError: there are no such groups.
    """
    require_same_classes(runs, names)
    aligned = align(runs, names, common=common)
    grouped = next((run for run in aligned if group in run.columns), aligned[0])
    groups = find_groups(grouped, group)
    several = aligned[0].is_multi_label
    probabilities = [] if several else [class_probabilities(run) for run in aligned]
    precisions: list[Any] = [
        several_labels.average_precisions(run.scores, run.labels, groups.codes) if several else None
        for run in aligned
    ]
    pairs, flips = [], []
    for i, j in combinations(range(len(aligned)), 2):
        a, b = aligned[i], aligned[j]
        pairs.append(_several(precisions[i], precisions[j]) if several else _single(a, b, groups))
        pairs[-1] = {"a": names[i], "b": names[j]} | pairs[-1]
        if not several:
            flips.append(_flips(a, b, probabilities[i], probabilities[j], names[i], names[j]))
    _adjust(pairs)
    classes = np.stack([class_accuracies(run) for run in aligned])
    support = (
        aligned[0].labels.sum(axis=0)
        if several
        else np.bincount(aligned[0].labels, minlength=aligned[0].num_classes)
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "comparison",
        "metric": "map" if several else "top1",
        "videos": len(aligned[0].paths),
        "only_in": {
            name: run.total - len(each.paths)
            for name, run, each in zip(names, runs, aligned, strict=True)
        },
        "groups": {"by": groups.by, "count": groups.number},
        "runs": [
            {
                "name": name,
                "folder": str(run.origin.parent),
                "predictions": run.origin.name,
                "sha256": run.sha256,
                "accuracy": accuracies(each, groups, of_classes),
            }
            for name, run, each, of_classes in zip(names, runs, aligned, precisions, strict=True)
        ],
        "pairs": pairs,
        "per_class": [
            {
                "label": k,
                "name": aligned[0].name(k),
                "support": int(support[k]),
                "accuracies": [float(value) if np.isfinite(value) else None for value in column],
            }
            for k, column in enumerate(classes.T)
        ],
        "flips": flips,
        "seeds": compare_seeds(aligned, names),
    }


def _single(a: Predictions, b: Predictions, groups: Groups) -> dict[str, Any]:
    """The difference of top-1 accuracies of two runs on the same videos."""
    right_a, right_b = a.labels == a.predicted, b.labels == b.predicted
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    found = paired_difference(right_a, right_b, groups.codes)
    return _difference(found) | {
        "mcnemar_p": mcnemar(only_a, only_b),
        "both": int((right_a & right_b).sum()),
        "only_a": only_a,
        "only_b": only_b,
        "neither": int((~right_a & ~right_b).sum()),
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "difference": 100 * found.value,
        "interval": [100 * found.interval.low, 100 * found.interval.high],
        "method": found.interval.method,
        "p": found.p,
    }


def _several(of_a: several_labels.Precisions, of_b: several_labels.Precisions) -> dict[str, Any]:
    """The difference of mean average precisions, by the jackknife over the same blocks of videos."""
    value, without = of_a.mean - of_b.mean, of_a.means_without - of_b.means_without
    blocks = len(without)
    if blocks < 2 or not np.isfinite(without).all():
        found = Difference(value, Interval(-1.0, 1.0, "too few videos for an interval"), 1.0)
    else:
        deviation = float(np.sqrt((blocks - 1) / blocks * ((without - without.mean()) ** 2).sum()))
        half = float(t.ppf(0.975, blocks - 1)) * deviation
        p = float(2 * t.sf(abs(value) / deviation, blocks - 1)) if deviation else float(value == 0)
        method = f"jackknife over {blocks} blocks of videos"
        found = Difference(value, Interval(max(value - half, -1), min(value + half, 1), method), p)
    missing = dict.fromkeys(("mcnemar_p", "both", "only_a", "only_b", "neither"))
    return _difference(found) | missing


def _adjust(pairs: list[dict[str, Any]]) -> None:
    """Add Holm's adjustment over all pairs, and a verdict."""
    adjusted = holm([pair["p"] for pair in pairs])
    known = [pair["mcnemar_p"] for pair in pairs if pair["mcnemar_p"] is not None]
    of_mcnemar = holm(known) if known else [None] * len(pairs)
    for pair, p, exact in zip(pairs, adjusted, of_mcnemar, strict=True):
        pair |= {"p_holm": p, "mcnemar_p_holm": exact}
        pair["verdict"] = _verdict(pair, p, several=len(pairs) > 1)


def _verdict(pair: dict[str, Any], p: float, *, several: bool) -> str:
    low, high = pair["interval"]
    better, worse = (pair["a"], pair["b"]) if pair["difference"] > 0 else (pair["b"], pair["a"])
    between = f"{low:+.1f} .. {high:+.1f} points"
    if p < 0.05:
        ends = (low, high) if pair["difference"] > 0 else (-high, -low)
        between = f"{ends[0]:+.1f} .. {ends[1]:+.1f} points"
        size = f"{abs(pair['difference']):.1f} points"
        return f"{better} is better than {worse} by {size} (95 % interval of the difference: {between})"
    after = " after adjustment for all pairs" if several and pair["p"] < 0.05 else ""
    return f"the videos do not tell {pair['a']} from {pair['b']}{after} (95 % interval: {between})"


def _flips(
    a: Predictions,
    b: Predictions,
    of_a: np.ndarray,
    of_b: np.ndarray,
    name_a: str,
    name_b: str,
) -> dict[str, Any]:
    """Videos that one of two runs gets right alone, first those where the other is surest."""
    rows = np.arange(len(a.labels))
    right_a, right_b = a.labels == a.predicted, b.labels == b.predicted
    sure_a, sure_b = of_a[rows, a.predicted], of_b[rows, b.predicted]

    def items(videos: np.ndarray, surest: np.ndarray) -> list[dict[str, Any]]:
        order = videos[np.argsort(-surest[videos], kind="stable")][:MOST]
        return [
            gallery_item(a, i, sure_a[i], sure_a[i] - sure_b[i])
            | {
                "a_prediction": int(a.predicted[i]),
                "a_prediction_name": a.name(int(a.predicted[i])),
                "a_confidence": float(sure_a[i]),
                "b_prediction": int(b.predicted[i]),
                "b_prediction_name": b.name(int(b.predicted[i])),
                "b_confidence": float(sure_b[i]),
            }
            for i in order.tolist()
        ]

    return {
        "a": name_a,
        "b": name_b,
        "only_a": items(np.flatnonzero(right_a & ~right_b), sure_b),
        "only_b": items(np.flatnonzero(~right_a & right_b), sure_a),
    }
