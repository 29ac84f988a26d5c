"""Start the processes of a run: one process, several, torchrun, and several machines.

A process reads its ranks from the environment, as torchrun sets it; ``launch`` sets it for the processes
that it starts. ``record`` of torch.distributed.elastic writes the error of a process to the file that
TORCHELASTIC_ERROR_FILE names, with its time. A process that stops only because another one has failed
leaves no such file: the oldest file is that of the rank that failed first.
"""

import contextlib
import dataclasses
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure, record

from timesformer.config import CfgNode, ConfigError
from timesformer.config.batch_sizes import local_processes
from timesformer.errors import EXPLAINED, INPUT_STATUS
from timesformer.io.terminal import first_line
from timesformer.runtime import collectives, log, rendezvous
from timesformer.runtime.handlers import handled
from timesformer.runtime.heartbeat import Heartbeat
from timesformer.runtime.local_rank import await_local_rank_zero
from timesformer.runtime.run_lock import owned

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 30.0  # for the other processes to end when one has failed
_FORWARDED = ("SIGTERM", "SIGUSR1", "SIGUSR2")  # what schedulers send; Windows has not all of them

Task = Callable[[CfgNode], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """What every process of a run does, and how the processes exchange tensors."""

    worker: Task
    check: Task | None  # before the worker, once on each machine; None: it has been done
    cfg: CfgNode
    folder: str  # the first process owns it while it works
    has_gpus: bool
    backend: str
    timeout: float  # seconds to join, and for each collective


@dataclasses.dataclass(frozen=True)
class Machine:
    """One of the machines of a run, and the processes that it starts."""

    number: int
    count: int  # of all machines
    local_world_size: int
    address: str  # host:port where the first process of the run listens


def launch(worker: Task, cfg: CfgNode, *, check: Task, init_method: str = "") -> None:
    """Call ``worker(cfg)`` in all processes of this machine, or in the one that torchrun has started.

    Args:
        worker: what each process does; it can be pickled.
        cfg: a validated configuration.
        check: raises InputError if the run cannot start on this machine.
        init_method: ``tcp://host:port`` of the first of NUM_SHARDS machines; unused for one.

    Raises:
        InputError: ``check`` has failed, or the address cannot be used; nothing has started yet.
        SystemExit: a process has failed; the log says why.
    """
    job = build_job(worker, cfg, check=check)
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():  # by torchrun
        work(job)
        return
    machine = build_machine(cfg, init_method)
    if machine.count > 1:  # the processes join first, since the checks take different times
        _start_processes(job, machine)
        return
    with owned(job.folder) as lock:
        check(cfg)
        if machine.local_world_size == 1:
            worker(cfg)
            return
        if lock is not None:
            lock.hand_over()
        _start_processes(dataclasses.replace(job, check=None), machine)


def build_job(worker: Task, cfg: CfgNode, *, check: Task) -> Job:
    """The job of ``cfg``; collectives of tensors on a CPU take gloo."""
    has_gpus = cfg.NUM_GPUS > 0
    backend = cfg.DIST_BACKEND if has_gpus else "gloo"
    return Job(worker, check, cfg, cfg.OUTPUT_DIR, has_gpus, backend, cfg.DIST.TIMEOUT)


def build_machine(cfg: CfgNode, init_method: str) -> Machine:
    """This machine.

    Raises:
        ConfigError: several machines, and ``init_method`` is not an address.
    """
    local = local_processes(cfg)
    if cfg.NUM_SHARDS == 1:  # any free port: two runs on one machine never collide
        return Machine(0, 1, local, f"localhost:{free_port()}")
    scheme, _, address = init_method.partition("://")
    host, _, port = address.rpartition(":")
    if scheme != "tcp" or not host or not port.isdigit():
        raise ConfigError(
            f"--init_method is {init_method!r}, but NUM_SHARDS ({cfg.NUM_SHARDS}) machines need "
            "tcp://host:port of the first of them"
        )
    return Machine(cfg.SHARD_ID, cfg.NUM_SHARDS, local, address)


def work(job: Job) -> None:
    """Be the process that the environment describes.

    Raises:
        SystemExit: 2 if the run cannot be done, 1 if another process has failed; the log says why.
    """
    log.start_logging()
    try:
        record(_join_and_work)(job)
    except EXPLAINED:  # it is logged
        raise SystemExit(INPUT_STATUS) from None


def _join_and_work(job: Job) -> None:
    heartbeat = None
    try:
        info = rendezvous.join(seconds=job.timeout)
        heartbeat = Heartbeat(info)
        owner = owned(job.folder, is_started=job.check is None)
        with owner if info.rank == 0 else nullcontext():
            if job.check is not None:
                heartbeat.check_on_each_machine(lambda: job.check(job.cfg))  # type: ignore[misc]
            _form_group(job, info)
            job.worker(job.cfg)
    except Exception as error:
        _report(error, heartbeat)
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        if heartbeat:
            heartbeat.stop()


def _form_group(job: Job, info: rendezvous.ProcessGroupInfo) -> None:
    if job.has_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    collectives.form_group(
        job.backend,
        store=dist.PrefixStore("group", info.store),
        rank=info.rank,
        world_size=info.world_size,
        timeout=info.timeout,
    )


def _report(error: Exception, heartbeat: Heartbeat | None) -> None:
    """Log why this process ends, and tell the other processes.

    Raises:
        SystemExit: another process has failed before, so that ``error`` is only a consequence.
    """
    if isinstance(error, EXPLAINED):
        if heartbeat:
            heartbeat.report_failure(str(error))
        _log_once(heartbeat, "%s", error)
        return
    me = f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} on {socket.gethostname()}"
    hint = ""
    if heartbeat and isinstance(error, RuntimeError):  # perhaps of a collective that lost a process
        if cause := heartbeat.failed_before():
            line = "%s must end: %s (%s); the same command resumes from the newest checkpoint"
            _log_once(heartbeat, line, me, cause, first_line(error))
            raise SystemExit(1) from None
        limit = f"a collective may take {heartbeat.info.timeout:g} s (DIST.TIMEOUT)"
        hint = f"; the other processes are alive, and {limit}"
    if heartbeat:
        heartbeat.report_failure(f"{type(error).__name__}: {error}")
    logger.error("%s ends by the error below%s", me, hint)


def _log_once(heartbeat: Heartbeat | None, message: str, *arguments: object) -> None:
    """Log an error, unless local rank 0, which comes first, has logged it on this terminal."""
    await_local_rank_zero()
    if not (heartbeat and heartbeat.is_logged_here()):
        logger.error(message, *arguments)


def _start_processes(job: Job, machine: Machine) -> None:
    """Start the processes of this machine, and wait for them."""
    local = machine.local_world_size
    with tempfile.TemporaryDirectory(prefix="timesformer-errors-") as folder:
        context = mp.spawn(_work_as, args=(job, machine, folder), nprocs=local, join=False)
        try:
            with _forwarded_signals(context.pids()):
                while not context.join(grace_period=_GRACE_SECONDS):
                    pass
        except (mp.ProcessExitedException, mp.ProcessRaisedException) as error:
            failure = _first_failure(context.processes, Path(folder), error.error_index)
        else:
            return
    log.start_logging()
    if failure.exitcode < 0:
        logger.error(
            "process %d was ended by %s, and the others are stopped; the same command resumes from the "
            "newest checkpoint",
            failure.local_rank,
            failure.signal_name(),
        )
    elif failure.exitcode != INPUT_STATUS and isinstance(failure.message, dict):
        logger.error("%s", failure.message["extraInfo"]["py_callstack"])
    raise SystemExit(max(failure.exitcode, 1)) from None


def _first_failure(processes: "list[mp.Process]", folder: Path, noticed: int) -> ProcessFailure:
    """The failure with the oldest error file; without any file, that of the process ``noticed``."""
    order = sorted(range(len(processes)), key=lambda i: i != noticed)
    failures = [_failure(i, processes[i], _error_file(folder, i)) for i in order]
    return min(filter(None, failures), key=lambda failure: failure.timestamp)


def _failure(local_rank: int, process: "mp.Process", file: Path) -> ProcessFailure | None:
    """How ``process`` has failed; None if it has not."""
    if not process.exitcode:
        return None
    try:
        return ProcessFailure(local_rank, process.pid, process.exitcode, str(file))
    except (ValueError, KeyError, TypeError):  # a full disk has cut the file off
        return ProcessFailure(local_rank, process.pid, process.exitcode, "")


def _work_as(local_rank: int, job: Job, machine: Machine, folder: str) -> None:
    local = machine.local_world_size
    os.environ |= rendezvous.environment(
        rank=machine.number * local + local_rank,
        world_size=machine.count * local,
        local_rank=local_rank,
        local_world_size=local,
        address=machine.address,
    )
    os.environ["TORCHELASTIC_ERROR_FILE"] = str(_error_file(Path(folder), local_rank))
    work(job)


def _error_file(folder: Path, local_rank: int) -> Path:
    return folder / f"{local_rank}.json"


@contextlib.contextmanager
def _forwarded_signals(pids: list[int]) -> Iterator[None]:
    """Forward the signals of a scheduler to the processes of this run."""

    def forward(number: int, _: object) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(pid, number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    # A terminal sends SIGINT to all processes: wait until they have saved.
    with handled(numbers, forward), handled([signal.SIGINT], signal.SIG_IGN):
        yield


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
