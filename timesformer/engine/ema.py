"""A moving average of the weights, which often scores better than the last ones: TRAIN.EMA_DECAY."""

import copy
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from timesformer.checkpoint import save
from timesformer.models.speedups import speed_up


class EMA:
    """``average = decay * average + (1 - decay) * weights`` after every optimizer step.

    It starts from the weights after the first step. With decay 0 it is the model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """``model``: bare, before it is wrapped."""
        self.model = model
        self._blend = get_ema_multi_avg_fn(decay)
        self._averaged = speed_up(copy.deepcopy(model)).requires_grad_(False) if decay else None
        self._has_begun = False

    @property
    def evaluated(self) -> nn.Module:
        """The model to validate: of averaged weights, if there are any yet."""
        return self._averaged if self._averaged is not None and self._has_begun else self.model

    def update(self) -> None:
        """After an optimizer step; the device is not waited for, as ``AveragedModel`` does."""
        if self._averaged is None:
            return
        if self._has_begun:
            self._blend([*self._averaged.parameters()], [*self.model.parameters()], None)
            for mine, theirs in zip(self._averaged.buffers(), self.model.buffers(), strict=True):
                mine.copy_(theirs)
        else:
            self._averaged.load_state_dict(self.model.state_dict())
            self._has_begun = True

    def state_dict(self) -> dict[str, Any]:
        """``ema_state``, with the names of ``model_state``; nothing without an average."""
        if self._averaged is None or not self._has_begun:
            return {}
        return {"ema_state": save.named_state(self._averaged)}

    def load_state_dict(self, payload: dict[str, Any]) -> None:
        """Go on with the average of a checkpoint; one without starts from its next weights."""
        state: dict[str, Tensor] | None = payload.get("ema_state")
        if self._averaged is not None and state is not None:
            weights = {name.removeprefix("model."): value for name, value in state.items()}
            self._averaged.load_state_dict(weights)
            self._has_begun = True
