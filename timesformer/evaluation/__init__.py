"""Videos to scores to numbers: one loop, ``evaluate``, for validation, testing, prediction and features.

    scores = evaluate(model, loader, build_scoring(cfg, device))

An ``Evaluator`` is an evaluation during training, with its own rhythm. The names of this door are
imported when they are used, because comparing the results of runs needs no torch.
"""

from typing import TYPE_CHECKING

from timesformer.lazy import lazy_names

if TYPE_CHECKING:
    from timesformer.evaluation.evaluators import Evaluator
    from timesformer.evaluation.loop import Scores, evaluate
    from timesformer.evaluation.scoring import Scoring, build_scoring

__all__ = ["Evaluator", "Scores", "Scoring", "build_scoring", "evaluate"]
__getattr__ = lazy_names(
    __name__,
    {
        "Evaluator": "evaluators",
        "Scores": "loop",
        "Scoring": "scoring",
        "build_scoring": "scoring",
        "evaluate": "loop",
    },
)
