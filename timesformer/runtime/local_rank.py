"""What ends all processes of a machine is said once: by the first, whose end then ends the others."""

import os
import time
from typing import NoReturn

_WAIT_SECONDS = 5.0  # for the first one to speak, which may have other things to say


def is_first() -> bool:
    """Whether this process is the first of its machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def is_main(shard: int) -> bool:
    """Whether this process of the machine ``shard`` is the first of a run, or starts it.

    To be asked before the processes have met.
    """
    return os.environ.get("RANK", "0") == "0" and shard == 0


def raise_once(error: Exception, *, status: int) -> NoReturn:
    """Raise what all processes have met: ``error`` in the first of each machine, which says it.

    The others end with ``status``. torchrun ends all when one has ended, so there they wait.
    """
    if is_first():
        raise error
    if "TORCHELASTIC_RUN_ID" in os.environ:
        await_first()
    raise SystemExit(status)


def await_first() -> None:
    """To be called before a process speaks and ends: who started them ends all when one has ended."""
    if not is_first():
        time.sleep(_WAIT_SECONDS)
