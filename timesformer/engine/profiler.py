"""A few training steps under PyTorch's profiler, in a folder of their own."""

import os
import shutil
from pathlib import Path

from fvcore.common.config import CfgNode

from timesformer.config import ConfigError
from timesformer.config.trials import in_folder
from timesformer.engine.launch import launch
from timesformer.engine.step_timers import WARM_UP
from timesformer.runtime.run_lock import emptied

FOLDER = "profile"


def profile_run(cfg: CfgNode, num_steps: int, *, init_method: str = "") -> None:
    """Train ``num_steps`` batches of ``cfg`` in OUTPUT_DIR/profile, with a trace and a table.

    The log and the trace stay there; the checkpoint is removed.

    Raises:
        ConfigError: nothing is to be trained; and what ``launch`` raises.
    """
    if not cfg.TRAIN.ENABLE:
        raise ConfigError(
            "--profile shows training steps, but TRAIN.ENABLE is False; set it to True"
        )
    changed = in_folder(
        cfg,
        FOLDER,
        DATA__LIMIT_TRAIN_BATCHES=float(WARM_UP + num_steps),
        DATA__LIMIT_VAL_BATCHES=1.0,
        SOLVER__MAX_EPOCH=1,
        TEST__ENABLE=False,
        TRAIN__CHECKPOINT_EPOCH_RESET=True,
        TRAIN__PROFILE_STEPS=num_steps,
    )
    folder = Path(changed.OUTPUT_DIR)
    is_first = os.environ.get("RANK", "0") == "0" and cfg.SHARD_ID == 0
    if is_first:
        emptied(folder)
    launch(changed, init_method=init_method)
    if is_first:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
