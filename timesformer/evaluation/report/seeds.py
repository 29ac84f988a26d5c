"""Runs of one configuration that differ in their seed: mean, spread, and the test between configurations.

Intervals over videos say how well a trained model is known. They do not say what another training of the
same configuration gives: that is in the spread of seeds.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import t, ttest_ind

from timesformer.evaluation.report.intervals import LEVEL
from timesformer.evaluation.report.predictions import Predictions
from timesformer.evaluation.report.several_labels import average_precisions

# Keys that may differ between seeds: where files lie and how fast it goes.
_FREE = {"RNG_SEED", "OUTPUT_DIR", "NUM_GPUS", "SHARD_ID", "NUM_SHARDS", "LOG_PERIOD"}
_FREE_SECTIONS = {"DATA_LOADER", "DIST", "TENSORBOARD", "BN"}


def compare_seeds(runs: Sequence[Predictions], names: Sequence[str]) -> dict[str, Any] | None:
    """Mean and spread of each configuration of several seeds; None if there is none."""
    members: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        if run.record.config:
            members.setdefault(_identity(run.record.config), []).append(i)
    several = [rows for rows in members.values() if len(rows) > 1 and _seeds_differ(runs, rows)]
    if not several:
        return None
    values = [_accuracy(run) for run in runs]
    found = [_spread([values[i] for i in rows], [names[i] for i in rows]) for rows in several]
    tests = [
        _test([values[i] for i in a], [values[i] for i in b], names[a[0]], names[b[0]])
        for a, b in combinations(several, 2)
    ]
    return {"configurations": found, "tests": tests}


def _identity(config: Mapping[str, Any]) -> str:
    """A configuration without what seeds may differ in."""
    kept = {
        name: value
        for name, value in config.items()
        if name not in _FREE and name not in _FREE_SECTIONS
    }
    test = dict(kept.get("TEST") or {})
    test.pop("CHECKPOINT_FILE_PATH", None)
    return json.dumps(kept | {"TEST": test}, sort_keys=True, default=str)


def _seeds_differ(runs: Sequence[Predictions], rows: Sequence[int]) -> bool:
    return len({runs[i].record.key("RNG_SEED") for i in rows}) == len(rows)


def _accuracy(run: Predictions) -> float:
    """Top-1 accuracy or mAP in percent."""
    if run.is_multi_label:
        return 100 * average_precisions(run.scores, run.labels, None).mean
    return 100 * float((run.labels == run.predicted).mean())


def _spread(values: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * deviation / np.sqrt(len(values))
    return {
        "runs": list(names),
        "values": list(values),
        "mean": mean,
        "spread": deviation,
        "interval": [max(mean - half, 0.0), min(mean + half, 100.0)],
    }


def _test(a: Sequence[float], b: Sequence[float], name_a: str, name_b: str) -> dict[str, Any]:
    """Welch's t between two configurations, each named by its first run."""
    found = ttest_ind(a, b, equal_var=False)
    limits = found.confidence_interval(LEVEL)
    known = np.isfinite(found.pvalue)
    return {
        "a": name_a,
        "b": name_b,
        "difference": float(np.mean(a) - np.mean(b)),
        "interval": [float(limits.low), float(limits.high)] if known else None,
        "p": float(found.pvalue) if known else None,
        "test": f"Welch's t of {len(a)} and {len(b)} seeds",
    }
