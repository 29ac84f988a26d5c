"""The best validation so far, and when to stop because none is better: SOLVER.EARLY_STOP_PATIENCE."""

import math
from typing import Any


class EarlyStopping:
    """Compares validations by their top-1 error, or by mean average precision.

    Args:
        patience: validations in a row without a better one after which training ends; 0: never.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.lowest = math.inf  # top-1 error, or minus the mean average precision
        self.epoch = -1  # 0-based, of the best
        self.num_worse = 0  # validations since the best
        self.seen: dict[str, float] = {}  # the best of each metric, kept by the validator

    def update(self, found: dict[str, float], epoch: int) -> bool:
        """Whether this validation, after 0-based ``epoch``, is the best so far.

        One without a figure, since scores were not finite, never is.
        """
        error = found.get("top1_err", -found.get("map", math.nan))
        if error < self.lowest:
            self.lowest, self.epoch, self.num_worse = error, epoch, 0
            return True
        self.num_worse += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether training should end."""
        return 0 < self.patience <= self.num_worse

    def state_dict(self) -> dict[str, Any]:
        return {
            "badness": self.lowest,
            "epoch": self.epoch,
            "stale": self.num_worse,
            "seen": self.seen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lowest, self.epoch, self.num_worse = state["badness"], state["epoch"], state["stale"]
        self.seen.update(state["seen"])
