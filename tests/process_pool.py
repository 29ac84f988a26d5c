"""Two processes that train together, started once for several runs."""

import contextlib
import os
import traceback
from datetime import timedelta

import pytest
import torch.distributed as dist
from torch import multiprocessing as mp

from timesformer.engine.run import run

SECONDS = 60  # of a collective: a process that waits for one that failed ends


class TwoProcesses:
    """Forked processes of one gloo group; each runs what it is given."""

    def __init__(self, folder, prepare=lambda patch: None):
        """``prepare``: makes changes with a pytest.MonkeyPatch in both."""
        self.folder, self.prepare, self.pipes = folder, prepare, []

    def run(self, cfg):
        """Train and test as ``cfg`` says; an error of either process fails the test."""
        if not self.pipes:
            self._start()
        for pipe in self.pipes:
            pipe.send(cfg)
        for error in [pipe.recv() for pipe in self.pipes]:
            assert not error, error

    def close(self):
        """End both."""
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)

    def _start(self):
        context = mp.get_context("fork")  # nothing is imported again
        for rank in range(2):
            mine, theirs = context.Pipe()
            arguments = (rank, theirs, self.folder, self.prepare)
            context.Process(target=_serve, args=arguments, daemon=True).start()
            self.pipes.append(mine)


def _serve(rank, pipe, folder, prepare):
    os.environ["LOCAL_WORLD_SIZE"], os.environ["LOCAL_RANK"] = "2", str(rank)
    prepare(pytest.MonkeyPatch())
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2,
                            timeout=timedelta(seconds=SECONDS))  # fmt: skip
    while (cfg := pipe.recv()) is not None:
        try:
            run(cfg)
            pipe.send("")
        except BaseException:
            pipe.send(traceback.format_exc())
            return
