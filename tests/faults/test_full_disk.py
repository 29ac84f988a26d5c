"""A full disk, met by each writer: the file is named, with what is free, and an older one stays."""

import logging
import os
from pathlib import Path

import pytest
import torch

from timesformer.datasets import scan_index
from timesformer.datasets.checks import report
from timesformer.engine import run_record
from timesformer.evaluation import features
from timesformer.evaluation.loop import Scores
from timesformer.files import LOG, WriteError
from timesformer.runtime import log, metrics_csv
from timesformer.runtime.log import LogFile

LINUX = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk of Linux")


@pytest.fixture
def full(monkeypatch):
    """Let the disk be full when a file is brought to it."""

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


def write_history(path):
    metrics_csv.MetricsCSV(path, epoch=0)


def write_record(path):
    run_record._write(path, [{"status": "running", "reason": ""}], "id")


def write_features(path):
    features._write(path, Scores(torch.zeros(1, 2), torch.zeros(1), torch.zeros(1), {}, {}))


def write_index(path):
    scan_index.write_index(path.with_name(path.name.removesuffix(".index.csv")), [])


def write_report(path):
    report.write_csv(path, [])


WRITERS = {
    write_history: "metrics.csv",
    write_record: "run.json",
    write_features: "0-0.pt",
    write_index: "train.index.csv",
    write_report: "report.csv",
}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_the_file_is_named_and_the_older_one_stays(tmp_path, full, write):
    path = tmp_path / WRITERS[write]
    path.write_text("older")
    said = rf"{path.name} cannot be written: No space left on device \(\d+ MiB are free there\); make room"
    with pytest.raises(WriteError, match=said):
        write(path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "older"


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_with_room_it_is_written(tmp_path, write):
    path = tmp_path / WRITERS[write]
    write(path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.stat().st_size


@LINUX
def test_a_log_on_a_full_disk_says_so_once_and_the_run_goes_on(tmp_path, capfd, monkeypatch):
    (tmp_path / LOG).symlink_to("/dev/full")
    log.start_logging(str(tmp_path))
    try:
        for i in range(20):
            logging.getLogger("a").info("line %d", i)
        logging.getLogger("a").error("the end")
        assert sum(isinstance(h, LogFile) for h in logging.getLogger().handlers) == 1
    finally:
        for handler in [h for h in logging.getLogger().handlers if hasattr(h, "of_this_run")]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    out, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert f"{tmp_path / LOG} cannot be written: No space left on device" in err
    assert "the end" in out
    assert out.strip().endswith("the end")


def test_an_error_of_a_line_itself_is_reported_as_ever(tmp_path, capsys):
    handler = LogFile(tmp_path / "a.log")
    handler.handle(logging.makeLogRecord({"msg": "%d", "args": ("x",)}))
    handler.close()
    assert "Logging error" in capsys.readouterr().err
