"""A run in a process of its own: its peak memory is the model's, and its failure ends nothing else.

Processes are forked from a server that has imported PyTorch, where the system has one.
"""

import contextlib
import multiprocessing
import os
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from timesformer.config import CfgNode
from timesformer.engine.run import launch_run
from timesformer.errors import EXPLAINED
from timesformer.io.terminal import first_line, printable

PRELOADED = ["timesformer.engine.run", "timm"]


def preload() -> None:
    """Let the server of processes, if there is none yet, import once what every run needs."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)


def run_alone(cfg: CfgNode, console: Path) -> str:
    """Train and test ``cfg``; its output is appended to ``console``. Returns why it failed, or "".

    An interruption of this process asks the run to save and end, and waits for it.
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    console.parent.mkdir(parents=True, exist_ok=True)
    receive, send = context.Pipe(duplex=False)
    child = context.Process(
        target=_work, args=(cfg, console, multiprocessing.get_start_method(), send)
    )  # type: ignore[attr-defined]
    child.start()
    send.close()  # so that a child that dies ends the wait below
    try:
        reason: str = receive.recv()
    except EOFError:
        child.join()
        return f"its process died ({_ending(child.exitcode)}); perhaps it was short of memory"
    except BaseException:
        child.terminate()  # a run saves and ends by it; Ctrl-C may have reached it before
        child.join()
        raise
    child.join()
    return reason


def _ending(exitcode: int | None) -> str:
    return f"signal {-exitcode}" if exitcode is not None and exitcode < 0 else f"status {exitcode}"


def _work(cfg: CfgNode, console: Path, start_method: str, send: Connection) -> None:
    """The process: what it prints goes to the file; it starts loader processes as any run does."""
    multiprocessing.set_start_method(start_method, force=True)
    with console.open("a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    reason = reason_of(cfg)
    with contextlib.suppress(BrokenPipeError):  # the shootout was killed
        send.send(reason)


def reason_of(cfg: CfgNode) -> str:
    """Run ``cfg`` in this process; returns why it failed, or ""."""
    try:
        launch_run(cfg)
    except EXPLAINED as error:
        sys.stderr.write(f"{error}\n")
        return "; ".join(map(printable, str(error).splitlines()))
    except SystemExit as end:
        return f"it ended with status {end.code}" if end.code else ""
    except Exception as error:  # of any library: the other models are still compared
        traceback.print_exc()
        return f"{type(error).__name__}: {first_line(error)}"
    return ""
