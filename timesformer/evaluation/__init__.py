"""Videos to scores to numbers: one loop, ``evaluate``, for validation, testing, prediction and features.

    scores = evaluate(model, loader, build_scoring(cfg, device))

``Evaluator`` is an evaluation of a training, with its own rhythm.
"""

from timesformer.evaluation.evaluate import Scores, evaluate, score_batches
from timesformer.evaluation.evaluators import Evaluator, build_evaluators
from timesformer.evaluation.scoring import Scoring, build_scoring

__all__ = [
    "Evaluator",
    "Scores",
    "Scoring",
    "build_evaluators",
    "build_scoring",
    "evaluate",
    "score_batches",
]
