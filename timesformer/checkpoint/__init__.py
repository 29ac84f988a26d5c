"""Weights of any format into a model, and the checkpoints of a run.

``save`` and ``newest`` are the modules that write the checkpoints of a run and find the newest one.
"""

from timesformer.checkpoint import newest, save
from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights
from timesformer.checkpoint.model_spec import ModelSpec

__all__ = ["CheckpointError", "ModelSpec", "load_weights", "newest", "read_weights", "save"]
