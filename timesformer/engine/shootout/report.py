"""A shootout as numbers: ``shootout.json``, whose layout is in ``schema.json``.

Accuracies and differences are in percent and points, over the videos of all folds.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from timesformer.engine.shootout.fold_run import GROUP
from timesformer.engine.shootout.folds import class_names_of
from timesformer.engine.shootout.shootout import Entry, Shootout
from timesformer.evaluation.report.comparison import build_comparison
from timesformer.evaluation.report.groups import NONE, find_groups
from timesformer.evaluation.report.predictions import Predictions, read_predictions
from timesformer.evaluation.report.report import accuracies
from timesformer.evaluation.run_costs import RunCosts
from timesformer.visualize.schema import SCHEMA_VERSION
from timesformer.visualize.shootout_figures import shown_names

METRIC = "top1"
OF_PAIR = ("difference", "interval", "method", "p", "p_holm", "verdict")
Json = dict[str, Any]


def shootout_report(shootout: Shootout, entries: Sequence[Entry]) -> Json:
    """All figures; models with the highest accuracy first, those that failed last.

    Raises:
        PredictionsError: predictions that were edited since.
    """
    by = GROUP if shootout.folds.groups.by else NONE
    tested = [entry for entry in entries if not entry.reason]
    found = {e.candidate.name: read_predictions(shootout.folder(e.candidate)) for e in tested}
    accuracy = {
        name: accuracies(predictions, find_groups(predictions, by))
        for name, predictions in found.items()
    }
    order = sorted(accuracy, key=lambda name: -accuracy[name][METRIC]["value"])
    differences = _to_the_best({name: found[name] for name in order}, by)
    rows = {
        entry.candidate.name: _row(entry)
        | {
            "accuracy": accuracy.get(entry.candidate.name),
            "to_the_best": differences.get(entry.candidate.name),
        }
        for entry in entries
    }
    names = class_names_of(shootout.videos)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "shootout",
        "list": shootout.videos.origin,
        "videos": len(shootout.videos.labels),
        "classes": names,
        "folds": shootout.folds.count,
        "groups": {"by": shootout.folds.groups.by, "count": shootout.folds.groups.number},
        "method": shootout.method,
        "budget_seconds": shootout.budget,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "cores": os.cpu_count(),
        "best": order[0] if order else None,
        "models": [rows.pop(name) for name in order] + list(rows.values()),
    }


def _to_the_best(found: Mapping[str, Predictions], by: str) -> dict[str, Json]:
    """Each model minus the first, on the same videos, in points."""
    if len(found) < 2:
        return {}
    shown = shown_names(found)
    best, *others = found
    compared = build_comparison(
        list(found.values()), names=list(shown.values()), common=True, group=by
    )
    pairs = {pair["b"]: pair for pair in compared["pairs"] if pair["a"] == shown[best]}
    return {name: _reversed(pairs[shown[name]]) for name in others}


def _reversed(pair: Mapping[str, Any]) -> Json:
    """B - A of a pair that has A - B."""
    low, high = pair["interval"]
    turned = {"difference": 0.0 - pair["difference"], "interval": [-high, -low]}
    return {name: pair[name] for name in OF_PAIR} | turned


def _row(entry: Entry) -> Json:
    """What a model is, and what it took."""
    one = entry.candidate
    return {
        "name": one.name,
        "folder": one.folder,
        "status": "failed" if entry.reason else "tested",
        "reason": entry.reason,
        "starts_from": one.start,
        "clip": {"num_frames": one.num_frames, "rate": one.rate, "side": one.side},
        "parameters": one.parameters,
        "multiply_adds": one.multiply_adds,
        "epochs": one.most_epochs if entry.epochs is None else min(entry.epochs, one.most_epochs),
        **costs([] if entry.reason else entry.results),
    }


def costs(results: Sequence[RunCosts]) -> Json:
    """Videos a second of all tests together, the mean training time of a fold, the highest memory."""
    scored = sum(result.scored for result in results)
    seconds = sum(result.test_seconds for result in results)
    trained = sum(result.training_seconds for result in results)
    return {
        "videos_per_second": scored / seconds if seconds else None,
        "training_seconds": trained / len(results) if results else None,
        "peak_ram_gib": _highest(result.peak_ram_gib for result in results),
        "peak_gpu_gib": _highest(result.peak_gpu_gib for result in results),
    }


def _highest(values: Iterable[float | None]) -> float | None:
    return max(filter(None, values), default=None)
