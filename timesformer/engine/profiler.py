"""A few training steps under PyTorch's profiler, in a folder of their own."""

import shutil
from pathlib import Path

from timesformer.config import CfgNode, ConfigError
from timesformer.config.presets import in_folder
from timesformer.engine.run import launch_run
from timesformer.engine.step_timers import WARM_UP
from timesformer.files import checkpoint_folder
from timesformer.runtime.local_rank import is_main
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
    values = {
        "DATA.LIMIT_TRAIN_BATCHES": WARM_UP + num_steps,
        "DATA.LIMIT_VAL_BATCHES": 1,
        "SOLVER.MAX_EPOCH": 1,
        "TEST.ENABLE": False,
        "TRAIN.CHECKPOINT_EPOCH_RESET": True,
        "TRAIN.PROFILE_STEPS": num_steps,
    }
    profiled = in_folder(cfg, FOLDER, values)
    folder = Path(profiled.OUTPUT_DIR)
    if is_main(cfg.SHARD_ID):
        emptied(folder)
    launch_run(profiled, init_method=init_method)
    if is_main(cfg.SHARD_ID):
        shutil.rmtree(checkpoint_folder(folder), ignore_errors=True)
