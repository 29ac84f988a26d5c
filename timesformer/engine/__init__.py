"""Training and testing, and what they need."""

from timesformer.engine.optim import build_optimizer, lr_at_epoch

__all__ = ["build_optimizer", "lr_at_epoch"]
