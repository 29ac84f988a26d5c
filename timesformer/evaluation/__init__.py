"""Videos to scores to numbers: one loop, ``evaluate``, for validation, testing, prediction and features.

    scores = evaluate(model, loader, build_scoring(cfg, device))

An ``Evaluator`` is an evaluation during training, with its own rhythm. The names of this door are
imported when they are used, because comparing the results of runs needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesformer.evaluation.evaluators import Evaluator
    from timesformer.evaluation.loop import Scores, evaluate
    from timesformer.evaluation.scoring import Scoring, build_scoring

__all__ = ["Evaluator", "Scores", "Scoring", "build_scoring", "evaluate"]
_MODULES = {"Evaluator": "evaluators", "Scoring": "scoring", "build_scoring": "scoring"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'loop')}"), name)
