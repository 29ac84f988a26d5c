"""Tested runs as one table of Markdown: what each model is, what it costs, and how accurate it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from timesformer.config import CfgNode, load_config
from timesformer.evaluation.compare import ResultError
from timesformer.evaluation.report.alignment import align, require_same_classes
from timesformer.evaluation.report.groups import AUTO, find_groups
from timesformer.evaluation.report.predictions import read_predictions
from timesformer.evaluation.report.report import accuracies
from timesformer.evaluation.run_costs import read_costs
from timesformer.files import CONFIG
from timesformer.io.terminal import printable
from timesformer.models import TIMESFORMERS, build_model
from timesformer.models.flops import multiply_adds
from timesformer.tables import markdown_table, seconds_text

HEAD = ("run", "model", "modality", "parameters", "G mult-adds", "training", "videos/s",
        "{} %", "95 % interval")  # fmt: skip
RIGHT = range(3, len(HEAD))


def model_table(
    folders: Sequence[Path], names: Sequence[str], *, common: bool = False, group: str = AUTO
) -> str:
    """A row a run; accuracies are of the same videos.

    Args:
        folders: OUTPUT_DIRs.
        names: of the runs.
        common: take the videos that all lists have, if the lists differ.
        group: see ``find_groups``.

    Raises:
        ResultError: a folder lacks what a run writes.
        ComparisonError: the runs have different classes or lists.
        PredictionsError: predictions that cannot be used.
        GroupError: there are no such groups.
    """
    found = [read_predictions(folder) for folder in folders]
    require_same_classes(found, names)
    aligned = align(found, names, common=common)
    groups = find_groups(aligned[0], group)
    metric, title = ("map", "mAP") if aligned[0].is_multi_label else ("top1", "top-1")
    rows = [[column.format(title) for column in HEAD]]
    for folder, name, predictions in zip(folders, names, aligned, strict=True):
        accuracy = accuracies(predictions, groups)[metric]
        rows.append([name, *_facts(folder), *_accuracy(accuracy)])
    return markdown_table(rows, right=RIGHT)


def _facts(folder: Path) -> tuple[str, ...]:
    """What a model is and what it takes."""
    try:
        costs = read_costs(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(
            f"{printable(folder)} has no readable results of a training and a test: {error!r}; a table "
            "of models is of OUTPUT_DIRs"
        ) from error
    speed = f"{costs.scored / costs.test_seconds:.0f}" if costs.test_seconds else "-"
    return (
        *build_model_cells(load_config(folder / CONFIG)),
        seconds_text(costs.training_seconds),
        speed,
    )


def build_model_cells(cfg: CfgNode) -> tuple[str, ...]:
    """Name, modality, parameters and multiply-adds of one clip."""
    with torch.device("meta"):
        model = build_model(cfg).eval()
    name: str = cfg.MODEL.MODEL_NAME
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"TimeSformer, {model.kind}" if name in TIMESFORMERS else name,
        cfg.DATA.MODALITY,
        f"{parameters / 1e6:.2f} M",
        f"{multiply_adds(model) / 1e9:.3f}",
    )


def _accuracy(found: dict[str, Any]) -> tuple[str, str]:
    value, interval = found["value"], found["interval"]
    limits = f"{interval[0]:.1f} .. {interval[1]:.1f}" if interval else "-"
    return "-" if value is None else f"{value:.1f}", limits
