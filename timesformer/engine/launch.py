"""Start the processes of a run: one path for one process, several, torchrun, and several machines.

A process learns who it is from its environment, as torchrun sets it; ``launch`` sets it for the
processes that it starts itself.
"""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import nullcontext

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from timesformer.checkpoint.async_save import UnwrittenError
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import CfgNode, ConfigError
from timesformer.config.batch_sizes import local_processes
from timesformer.engine.microbatch import OutOfMemory
from timesformer.engine.preflight import preflight
from timesformer.engine.run import run
from timesformer.files import WriteError
from timesformer.runtime import collectives, log, rendezvous
from timesformer.runtime import local_rank as spokesman
from timesformer.runtime.command import handled
from timesformer.runtime.heartbeat import LifeSigns, is_lost_exchange
from timesformer.runtime.rendezvous import RendezvousError
from timesformer.runtime.run_lock import FolderInUse, owned
from timesformer.video import VideoError

logger = logging.getLogger(__name__)

# What a message explains without a traceback.
INPUT_ERRORS = (ConfigError, CheckpointError, VideoError, FloatingPointError)
INPUT_ERRORS += (OutOfMemory, RendezvousError, FolderInUse, WriteError)
_GRACE_SECONDS = 30.0  # for the others to end when one has failed
_FORWARDED = ("SIGTERM", "SIGUSR1", "SIGUSR2")  # what schedulers send; Windows has not both


def launch(cfg: CfgNode, *, init_method: str = "") -> None:
    """Run ``cfg`` on all processes of this machine, or as the one that torchrun has started.

    Args:
        cfg: a validated configuration.
        init_method: ``tcp://host:port`` of the first of NUM_SHARDS machines; unused for one.

    Raises:
        ConfigError: something that the run needs is not there; nothing has started yet.
        SystemExit: the run cannot be done; the log says why.
    """
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= os.environ.keys():  # by torchrun
        work(cfg, is_checked=False)
        return
    address = _address(cfg, init_method)
    local = local_processes(cfg)
    if cfg.NUM_SHARDS > 1:  # they meet first, since their checks take different times
        _start_processes(cfg, local, address)
        return
    with owned(cfg.OUTPUT_DIR) as lock:
        preflight(cfg)
        if local == 1:
            run(cfg)
            return
        if lock is not None:
            lock.hand_over()
        _start_processes(cfg, local, address)


def _start_processes(cfg: CfgNode, local: int, address: str) -> None:
    """Start those of this machine, and wait for them."""
    context = mp.spawn(_work_as, args=(cfg, local, address), nprocs=local, join=False)
    try:
        with _forwarded_signals(context.pids()):
            while not context.join(grace_period=_GRACE_SECONDS):
                pass
    except mp.ProcessExitedException as error:  # it has said why, unless it was killed
        if error.signal_name:
            log.start_logging()
            logger.error(
                "process %d was ended by %s, and the others are stopped; the same command resumes "
                "from the newest checkpoint",
                error.error_index,
                error.signal_name,
            )
        raise SystemExit(error.exit_code if error.exit_code > 0 else 1) from None


def work(cfg: CfgNode, *, is_checked: bool) -> None:
    """Be the process that the environment describes; ``is_checked``: ``preflight`` was there.

    Raises:
        SystemExit: 2 if the run cannot be done, 1 if another process has gone; the log says why.
    """
    log.start_logging()
    signs = None
    try:
        meeting = rendezvous.meet(seconds=cfg.DIST.TIMEOUT)
        signs = LifeSigns(meeting)
        is_first = meeting.rank == 0
        with owned(cfg.OUTPUT_DIR, is_started=is_checked) if is_first else nullcontext():
            if not is_checked:
                signs.check_on_each_machine(lambda: preflight(cfg))
            _form_group(cfg, meeting)
            run(cfg)
    except Exception as error:
        _end(error, signs)
        raise  # what nobody has foreseen, with its traceback
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        if signs:
            signs.stop()


def _form_group(cfg: CfgNode, meeting: rendezvous.Meeting) -> None:
    backend = "gloo"
    if cfg.NUM_GPUS > 0:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = cfg.DIST_BACKEND
    collectives.form_group(
        backend,
        store=dist.PrefixStore("group", meeting.store),
        rank=meeting.rank,
        world=meeting.world,
        seconds=meeting.seconds,
    )


def _end(error: Exception, signs: LifeSigns | None) -> None:
    """Say why this process ends; SystemExit if that is all there is to say."""
    if isinstance(error, INPUT_ERRORS):
        if signs:
            signs.leave(str(error))
        spokesman.await_first()
        is_said = isinstance(error, UnwrittenError) and not spokesman.is_first()
        if not (is_said or (signs and signs.is_said_here())):
            logger.error("%s", error)
        raise SystemExit(2) from None
    me = f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} on {socket.gethostname()}"
    if signs and is_lost_exchange(error):
        reason = str(error).strip().partition("\n")[0][:200]
        happened = signs.what_happened()
        if signs.is_said_here():
            spokesman.await_first()  # whose status is that of the run
            raise SystemExit(2) from None
        spokesman.await_first()
        logger.error(
            "%s must end: %s (%s); the same command resumes from the newest checkpoint",
            me,
            happened,
            reason,
        )
        raise SystemExit(1) from None
    if signs:
        signs.leave(f"{type(error).__name__}: {error}")
    logger.error("%s ends by the error below", me)


def _work_as(local_rank: int, cfg: CfgNode, local: int, address: str) -> None:
    rank = cfg.SHARD_ID * local + local_rank
    world = cfg.NUM_SHARDS * local
    os.environ |= rendezvous.environment(
        rank=rank, world=world, local_rank=local_rank, local=local, address=address
    )
    work(cfg, is_checked=cfg.NUM_SHARDS == 1)


def _address(cfg: CfgNode, init_method: str) -> str:
    """host:port where the first process listens."""
    if cfg.NUM_SHARDS == 1:
        return f"localhost:{free_port()}"  # two runs on one machine never collide
    scheme, _, address = init_method.partition("://")
    host, _, port = address.rpartition(":")
    if scheme != "tcp" or not host or not port.isdigit():
        raise ConfigError(
            f"--init_method is {init_method!r}, but NUM_SHARDS ({cfg.NUM_SHARDS}) machines need "
            "tcp://host:port of the first of them"
        )
    return address


@contextlib.contextmanager
def _forwarded_signals(pids: list[int]) -> Iterator[None]:
    """Let the processes of this run get what a scheduler sends to this one meanwhile."""

    def forward(number: int, _: object) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(pid, number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    # A terminal sends SIGINT to all processes: wait until they have saved.
    with handled(numbers, forward), handled([signal.SIGINT], signal.SIG_IGN):
        yield


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
