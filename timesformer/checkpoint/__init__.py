"""Weights of any format into a model, and the checkpoints of a run."""

from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights

__all__ = ["CheckpointError", "load_weights", "read_weights"]
