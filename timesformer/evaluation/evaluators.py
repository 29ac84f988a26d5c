"""Evaluations as values: what a training evaluates after its epochs, and how often.

One more evaluation is one more entry of the dict that ``build_evaluators`` returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from timesformer.config import CfgNode
from timesformer.config.schedule import is_due
from timesformer.datasets.loader import ClipLoader
from timesformer.evaluation.validate import build_validator
from timesformer.models.classifier import Classifier
from timesformer.runtime import log

VALIDATION = "val"  # the evaluation that chooses the best checkpoint

Metrics = dict[str, float]  # name -> value


@dataclass(frozen=True)
class Evaluator:
    """An evaluation with its own rhythm."""

    period: int  # epochs between two runs; the last epoch is always evaluated
    run: Callable[[Classifier, int, log.Scalars], Metrics]  # (bare model, 0-based epoch, scalars)


def build_evaluators(
    cfg: CfgNode, val: ClipLoader, device: torch.device, best: dict[str, float]
) -> dict[str, Evaluator]:
    """The evaluations of a training by name; ``best`` keeps the best metrics of the run."""
    validator = build_validator(cfg, val, device, best)
    return {VALIDATION: Evaluator(cfg.TRAIN.EVAL_PERIOD, validator.run)}


def due_after(
    epoch: int, evaluators: Mapping[str, Evaluator], *, num_epochs: int
) -> dict[str, Evaluator]:
    """The evaluations to run after 0-based ``epoch``."""
    return {
        name: evaluator
        for name, evaluator in evaluators.items()
        if is_due(epoch, evaluator.period, num_epochs)
    }
