"""Processes that train and test together, started once for several runs."""

import contextlib
import os
import traceback
from datetime import timedelta

import pytest
import torch.distributed as dist
from torch import multiprocessing as mp

from timesformer.engine.run import run

SECONDS = 60  # of a collective: a process that waits for one that failed ends


class Processes:
    """Forked processes of one gloo group; each runs what it is given."""

    def __init__(self, folder, count=2, prepare=lambda patch: None):
        """``prepare``: makes changes with a pytest.MonkeyPatch in all of them."""
        self.folder, self.count, self.prepare, self.pipes = folder, count, prepare, []

    def run(self, cfg):
        """Train and test as ``cfg`` says; an error of any process fails the test."""
        if not self.pipes:
            self._start()
        for pipe in self.pipes:
            pipe.send(cfg)
        for error in [pipe.recv() for pipe in self.pipes]:
            assert not error, error

    def close(self):
        """End them."""
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)

    def _start(self):
        context = mp.get_context("fork")  # nothing is imported again
        for rank in range(self.count):
            mine, theirs = context.Pipe()
            arguments = (rank, self.count, theirs, self.folder, self.prepare)
            context.Process(target=_serve, args=arguments, daemon=True).start()
            self.pipes.append(mine)


def _serve(rank, count, pipe, folder, prepare):
    os.environ["LOCAL_WORLD_SIZE"], os.environ["LOCAL_RANK"] = str(count), str(rank)
    prepare(pytest.MonkeyPatch())
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank,
                            world_size=count, timeout=timedelta(seconds=SECONDS))  # fmt: skip
    while (cfg := pipe.recv()) is not None:
        try:
            run(cfg)
            pipe.send("")
        except BaseException:
            pipe.send(traceback.format_exc())
            return
