"""Weights of any format into a model, and the checkpoints of a run.

The modules ``save`` and ``newest`` write the checkpoints of a run and find the newest one. They are not
imported here, because prediction needs neither and starts without torch.distributed.tensor.
"""

from timesformer.checkpoint.load import CheckpointError, load_weights, read_weights
from timesformer.checkpoint.model_spec import ModelSpec

__all__ = ["CheckpointError", "ModelSpec", "load_weights", "read_weights"]
