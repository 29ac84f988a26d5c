"""TimeSformer: train, fine-tune and evaluate video transformers from a YAML file.

Nothing heavy is imported here, so that ``import timesformer`` and ``--help`` answer at once.
"""

from typing import TYPE_CHECKING

from timesformer.lazy import lazy_names

if TYPE_CHECKING:
    from timesformer.inference.predictor import Predictor

__version__ = "0.1.0"
__all__ = ["Predictor"]
__getattr__ = lazy_names(__name__, {"Predictor": "inference.predictor"})
