"""Local rank 0 acts for all processes of a machine, and logs for them.

Read from the environment, as torchrun sets it, before the processes have joined and without torch.
"""

import os
import time
from typing import NoReturn

_WAIT_SECONDS = 5.0  # for local rank 0 to log its message


def is_local_rank_zero() -> bool:
    """Whether this process is the first of its machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def is_main(machine: int) -> bool:
    """Whether this process of ``machine`` (SHARD_ID) is the first of a run, or starts it."""
    return os.environ.get("RANK", "0") == "0" and machine == 0


def raise_once(error: Exception, *, status: int) -> NoReturn:
    """Raise what all processes have found: ``error`` in local rank 0, which logs it.

    The others end with ``status``. torchrun ends all when one has ended, so there they wait.
    """
    if is_local_rank_zero():
        raise error
    if "TORCHELASTIC_RUN_ID" in os.environ:
        await_local_rank_zero()
    raise SystemExit(status)


def await_local_rank_zero() -> None:
    """Let local rank 0 log first: whoever started the processes ends all when one has ended."""
    if not is_local_rank_zero():
        time.sleep(_WAIT_SECONDS)
