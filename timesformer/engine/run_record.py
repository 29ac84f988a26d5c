"""``run.json``: command, code, machine, duration, end and results of a run.

A run that resumes, or that is tested later, gets one more session in the same file.
"""

import contextlib
import datetime
import json
import logging
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch

from timesformer.checkpoint import metadata, start
from timesformer.checkpoint.newest import RUN
from timesformer.config import CfgNode
from timesformer.datasets.list_source import build_list_source, build_splits
from timesformer.files import METRICS, RUN_RECORD, TESTED_SPLITS, result_files, write_atomically
from timesformer.io.json_text import json_text
from timesformer.runtime import collectives, log, metrics_csv
from timesformer.runtime.heartbeat import DEAD
from timesformer.runtime.signals import Interrupted

DIED = f"the process {DEAD}"

logger = logging.getLogger(__name__)

Json = dict[str, Any]


@contextlib.contextmanager
def recorded(session: Json, folder: str | Path, run_id: str = "") -> Iterator[None]:
    """Keep ``run.json`` of ``folder`` while the block runs; only the first process writes it.

    The file is written when the block begins and when it ends. Its last session is ``running``,
    ``finished``, ``stopped`` (on request) or ``failed``, with the reason. The next session marks one
    that did not write its end as ``died``.

    Args:
        session: as ``build_session`` makes it.
        folder: OUTPUT_DIR.
        run_id: of the run.
    """
    if not collectives.is_main():
        yield
        return
    path = Path(folder) / RUN_RECORD
    sessions = [_ended(earlier) for earlier in read_sessions(path)] + [session]
    _write(path, sessions, run_id)
    status, reason = "finished", ""
    try:
        yield
    except BaseException as error:
        status, reason = verdict(error)
        raise
    finally:
        rows = metrics_csv.read_rows(path.with_name(METRICS))
        session |= {"status": status, "reason": reason, **_measured(session["start"], rows)}
        try:
            if path.parent.is_dir():  # else it was moved away, and is not made again
                _write(path, sessions, run_id)
        except OSError as error:  # must not hide why the run failed
            logger.error("%s could not be written: %s", path, error)


def build_session(cfg: CfgNode) -> Json:
    """A session at its start."""
    splits = build_splits(cfg)
    starts = {start.KEY: start.identify(start.build_start(cfg))} if cfg.TRAIN.ENABLE else {}
    return {
        "status": "running",
        "reason": "",
        "start": _now(),
        "command": shlex.join(sys.argv),
        "tasks": ["train"] * cfg.TRAIN.ENABLE + ["test"] * cfg.TEST.ENABLE,
        "code": code_version(),
        "environment": environment(),
        "processes": collectives.world_size(),
        "seeds": {"RNG_SEED": cfg.RNG_SEED},
        **starts,
        "data": {split: _fingerprint(build_list_source(cfg, split).file) for split in splits},
    }


def verdict(error: BaseException) -> tuple[str, str]:
    """Status and reason of a session that ``error`` ended."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted from the keyboard"
    if isinstance(error, Interrupted):
        return "stopped", str(error)
    if isinstance(error, SystemExit) and not error.code:
        return "stopped", "on request"
    return "failed", f"{type(error).__name__}: {error}"


def read_sessions(path: Path) -> list[Json]:
    """The sessions of a ``run.json``; none if there is no such file or it is not readable."""
    try:
        sessions: list[Json] = json.loads(path.read_text(encoding="utf-8"))["sessions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return sessions


def code_version() -> Json:
    """The version of the package; in a checkout its commit, and whether files differ from it."""
    version = metadata.versions()["timesformer"]
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {"timesformer": version}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):  # no git, or the checkout of another user
        return {"timesformer": version}
    return {"timesformer": version, "commit": commit, "changed_since": changed}


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.strip()


def environment() -> Json:
    """The machine of the first process, and the libraries that compute."""
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        **metadata.versions(),
        "cuda": torch.version.cuda if devices else None,
        "devices": devices or ["CPU"],
        "cores": os.cpu_count(),
        "ram_gib": round(psutil.virtual_memory().total / log.GIB, 1),
    }


def results(folder: Path, rows: list[metrics_csv.Row]) -> Json:
    """The last and the best validation, and the last test on each list, as far as they exist.

    ``test`` is that on test.csv, ``test_on_val`` that on val.csv.
    """
    found: Json = {}
    validated = [row for row in rows if row["type"] == "val_epoch"]
    if validated:
        found["last_validation"] = _numbers(validated[-1])
        found["best_validation"] = _numbers(metrics_csv.best_validation(validated) or {})
    for split in TESTED_SPLITS:
        path = folder / result_files(split).results
        with contextlib.suppress(OSError, ValueError):
            name = "test" if split == "test" else f"test_on_{split}"
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def peak_ram_gib() -> float | None:
    """Peak memory of this process, without its loader processes; None where the system lacks it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / log.GIB, 3)


def _measured(start: str, rows: list[metrics_csv.Row]) -> Json:
    """The measured entries of a session that began at ``start``."""
    end = _now()
    speeds = [
        float(row["clips_per_second"])
        for row in rows
        if row["type"] == "train_iter" and row["time"] >= start and row["clips_per_second"]
    ]
    return {
        "end": end,
        "wall_seconds": _seconds(start, end),
        "clips_per_second": round(statistics.median(speeds), 3) if speeds else None,
        "peak_ram_gib": peak_ram_gib(),
        "peak_gpu_gib": round(log.gpu_gib(), 3),
    }


def _write(path: Path, sessions: list[Json], run_id: str) -> None:
    """Write all ``sessions``; the head of the file has the status of the last one."""
    last = sessions[-1]
    head = {
        "status": last["status"],
        "reason": last["reason"],
        "wall_seconds": round(sum(session.get("wall_seconds", 0) for session in sessions), 1),
        "result": results(path.parent, metrics_csv.read_rows(path.with_name(METRICS))),
    }
    with write_atomically(path) as file:
        file.write(json_text({**head, RUN: run_id, "sessions": sessions}) + "\n")


def _ended(session: Json) -> Json:
    if session.get("status") != "running":
        return session
    return {**session, "status": "died", "reason": DIED}


def _numbers(row: metrics_csv.Row) -> Json:
    scores = {n: float(row[n]) for n in ("top1_err", "top5_err", "map") if row[n]}
    counts = {n: int(row[n]) for n in ("epoch", "videos", "unreadable") if row[n]}
    return {**counts, **scores}


def _fingerprint(path: Path) -> Json:
    return {"list": str(path), "sha256": start.sha256(path)}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def _seconds(start: str, end: str) -> float:
    parse = datetime.datetime.fromisoformat
    return round((parse(end) - parse(start)).total_seconds(), 1)
