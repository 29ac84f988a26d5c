"""run.json: a session for each start, how it ended, and the results of the run."""

import hashlib
import json
import os
import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from timesformer.config import load_config
from timesformer.engine import run_record
from timesformer.engine.run_record import build_session, recorded, verdict
from timesformer.runtime import collectives
from timesformer.runtime.metrics_csv import MetricsCSV


@pytest.fixture
def cfg(tiny_yaml, tmp_path):
    (tmp_path / "out").mkdir()
    return load_config(tiny_yaml)


@pytest.fixture
def read(tmp_path):
    return lambda: json.loads((tmp_path / "out/run.json").read_text())


def test_a_session_is_written_at_its_start_and_at_its_end(cfg, read, data_dir):
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        during = read()
    after = read()
    assert (during["status"], after["status"]) == ("running", "finished")
    (session,) = after["sessions"]
    assert session["tasks"] == ["train", "test"]
    assert session["seeds"] == {"RNG_SEED": 1}
    assert session["wall_seconds"] >= 0
    assert session["end"] >= session["start"]
    assert session["environment"]["cores"] == os.cpu_count()
    assert session["environment"]["torch"]
    listed = (data_dir / "val.csv").read_bytes()
    assert session["data"]["val"] == {
        "list": str(data_dir / "val.csv"),
        "sha256": hashlib.sha256(listed).hexdigest(),
    }
    assert set(session["data"]) == {"train", "val", "test"}
    assert 0.05 < session["peak_ram_gib"] < 1000
    assert session["command"] == shlex.join(sys.argv)


def test_code_is_named_by_its_commit_in_a_checkout(monkeypatch, tmp_path):
    head = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        pytest.skip("not a checkout")
    version = run_record.code_version()
    assert version["commit"] == head.stdout.strip()
    assert isinstance(version["changed_since"], bool)
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert set(run_record.code_version()) == {"timesformer"}


def test_resumed_runs_add_sessions_and_the_killed_one_is_named(cfg, read, tmp_path):
    with pytest.raises(ZeroDivisionError), recorded(build_session(cfg), cfg.OUTPUT_DIR):
        1 / 0  # noqa: B018
    failed = read()
    assert (failed["status"], failed["reason"]) == ("failed", "ZeroDivisionError: division by zero")
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        killed = (tmp_path / "out/run.json").read_text()  # as kill -9 leaves it
    (tmp_path / "out/run.json").write_text(killed)
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        pass
    run = read()
    assert [s["status"] for s in run["sessions"]] == ["failed", "died", "finished"]
    assert "exited without reporting an error" in run["sessions"][1]["reason"]
    assert (run["status"], run["reason"]) == ("finished", "")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "stopped", "interrupted from the keyboard"),
        (SystemExit(0), "stopped", "on request"),
        (SystemExit(2), "failed", "SystemExit: 2"),
        (FloatingPointError("the loss is nan"), "failed", "FloatingPointError: the loss is nan"),
    ],
)
def test_the_error_that_ends_a_session_gives_its_status(error, status, reason):
    assert verdict(error) == (status, reason)


def test_results_and_throughput_are_read_from_the_files_of_the_run(cfg, read, tmp_path):
    out = tmp_path / "out"
    old = {"type": "train_iter", "epoch": 1, "batch": 2, "clips_per_second": 1000.0}
    MetricsCSV(out / "metrics.csv", epoch=0).add({**old, "time": "2001-01-01T00:00:00.000+00:00"})
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        metrics = MetricsCSV(out / "metrics.csv", epoch=1)
        for epoch, error in ((1, 30.0), (2, 20.0), (3, 25.0)):
            for speed in (2.0, 8.0, 4.0):
                metrics.add({"type": "train_iter", "epoch": epoch, "batch": 2,
                             "clips_per_second": speed})  # fmt: skip
            metrics.add({"type": "val_epoch", "epoch": epoch, "batch": 0, "top1_err": error})
        (out / "test_results.json").write_text('{"top1_acc": 81.5}')
    run = read()
    assert run["result"]["last_validation"] == {"epoch": 3, "top1_err": 25.0}
    assert run["result"]["best_validation"] == {"epoch": 2, "top1_err": 20.0}
    assert run["result"]["test"] == {"top1_acc": 81.5}
    assert run["sessions"][0]["clips_per_second"] == 4


def test_a_full_disk_at_the_end_does_not_hide_why_the_run_failed(cfg, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def fail():
        monkeypatch.setattr(run_record, "_write", full)
        raise ValueError("the reason")

    with (
        pytest.raises(ValueError, match="the reason"),
        recorded(build_session(cfg), cfg.OUTPUT_DIR),
    ):
        fail()
    assert "run.json could not be written: [Errno 28] No space left on device" in caplog.text


def test_other_processes_write_nothing(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(collectives, "is_main", lambda: False)
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        pass
    assert not (tmp_path / "out/run.json").exists()


def test_an_unreadable_file_is_written_anew(cfg, read, tmp_path):
    (tmp_path / "out/run.json").write_text("{")
    with recorded(build_session(cfg), cfg.OUTPUT_DIR):
        pass
    assert len(read()["sessions"]) == 1


def test_something_something_lists_have_names_of_their_own(tiny_yaml, data_dir):
    from timesformer.datasets.list_source import build_list_source, read_list

    cfg = load_config(tiny_yaml)
    for split in ("train", "val", "test"):
        assert str(build_list_source(cfg, split).file) == read_list(cfg, split).origin
    cfg = load_config(tiny_yaml, ["TRAIN.DATASET", "ssv2", "TEST.DATASET", "ssv2"])
    names = [build_list_source(cfg, split).file.name for split in ("train", "val", "test")]
    assert names == ["train.csv", "val.csv", "val.csv"]
