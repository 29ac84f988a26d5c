"""One run as a job of SLURM: `timesformer train` on every machine, saved and queued again when pre-empted.

The job starts the command of a user and forwards signals of the scheduler to it. The command saves and
ends, and the job that is queued in its place resumes it.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from typing import Any

FIRST_PORT, NUM_PORTS = 20000, 20000  # of the rendezvous, by the number of the job
SAVE_SECONDS = 110  # of the 120 between the signal and the end
_LOOK_SECONDS = 0.1


@dataclasses.dataclass
class SlurmTask:
    """The task that submitit runs on every machine, and queues again when the job is pre-empted."""

    cfg: str  # YAML file
    opts: tuple[str, ...]  # KEY VALUE pairs

    def __call__(self) -> None:
        """Raises RuntimeError if the run fails, so that the job is marked as failed."""
        import submitit

        self.process = subprocess.Popen(self.command(submitit.JobEnvironment()))
        if status := self.process.wait():
            raise RuntimeError(f"timesformer train ended with status {status}; see the log above")

    def command(self, job: Any) -> list[str]:
        """The command line on one machine; ``job`` is a ``submitit.JobEnvironment``."""
        machines = []
        if job.num_nodes > 1:
            digits = "".join(filter(str.isdigit, str(job.job_id)))
            port = FIRST_PORT + int(digits or 0) % NUM_PORTS
            machines += ["--num_shards", str(job.num_nodes), "--shard_id", str(job.node)]
            machines += ["--init_method", f"tcp://{job.hostnames[0]}:{port}"]
        return [
            sys.executable,
            "-m",
            "timesformer",
            "train",
            *machines,
            "--cfg",
            self.cfg,
            *self.opts,
        ]

    def checkpoint(self) -> Any:
        """Called by submitit when the job is pre-empted or out of time: save, then queue it again."""
        import submitit

        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SAVE_SECONDS
        while not _has_ended(self.process.pid):
            if time.monotonic() > deadline:  # the last checkpoint on the disk has to do
                self.process.kill()
                break
            time.sleep(_LOOK_SECONDS)
        return submitit.helpers.DelayedSubmission(SlurmTask(self.cfg, self.opts))


def _has_ended(pid: int) -> bool:
    """Not by ``Popen``: this runs in a signal handler, and the call it has struck holds its lock."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True
