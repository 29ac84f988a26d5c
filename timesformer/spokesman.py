"""What ends all processes of a machine is said once: by the first, whose end then ends the others."""

import os
import time

_WAIT_SECONDS = 5.0  # for the first one to speak, which may have other things to say


def is_first() -> bool:
    """Whether this process is the first of its machine, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def await_first() -> None:
    """To be called before a process speaks and ends: who started them ends all when one has ended."""
    if not is_first():
        time.sleep(_WAIT_SECONDS)
