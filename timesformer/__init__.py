"""TimeSformer: train, fine-tune and evaluate video transformers from a YAML file.

Nothing heavy is imported here, so that ``import timesformer`` and ``--help`` answer at once.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesformer.inference.predictor import Predictor

__version__ = "0.1.0"
__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    if name == "Predictor":
        from timesformer.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
