"""A moving average of the weights, which often scores better than the last ones: TRAIN.EMA_DECAY."""

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from timesformer import run_checkpoint


class Average:
    """``average = decay * average + (1 - decay) * weights`` after every optimizer step.

    It starts from the weights after the first step. With decay 0 it is the model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """``model``: bare, before it is wrapped."""
        self.model = model
        self._averaged = None
        if decay:
            function = get_ema_multi_avg_fn(decay)
            self._averaged = AveragedModel(model, multi_avg_fn=function, use_buffers=True)

    @property
    def evaluated(self) -> nn.Module:
        """The model to validate: of averaged weights, if there are any."""
        return self.model if self._averaged is None else self._averaged.module

    def update(self) -> None:
        """After an optimizer step."""
        if self._averaged is not None:
            self._averaged.update_parameters(self.model)

    def state_dict(self) -> dict[str, Any]:
        """``ema_state``, with the names of ``model_state``; nothing without an average."""
        if self._averaged is None or not self._averaged.n_averaged:
            return {}
        return {"ema_state": run_checkpoint.named_state(self._averaged.module)}

    def load_state_dict(self, payload: dict[str, Any]) -> None:
        """Go on with the average of a checkpoint; one without starts from its next weights."""
        state: dict[str, Tensor] | None = payload.get("ema_state")
        if self._averaged is not None and state is not None:
            weights = {name.removeprefix("model."): value for name, value in state.items()}
            self._averaged.module.load_state_dict(weights)
            self._averaged.n_averaged.fill_(1)
