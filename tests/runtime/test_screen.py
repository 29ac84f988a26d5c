"""What a person sees of a run, at every verbosity, and what its file has."""

import fcntl
import io
import json
import logging
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from tests.conftest import ROOT, run_tool
from timesformer.files import LOG
from timesformer.io import terminal
from timesformer.runtime import log, signals
from timesformer.runtime.screen import RESULT, EpochTable, ScreenHandler, results

ROW = {"type": "train_epoch", "epoch": 2, "batch": 4, "batches": 4, "loss": 1.25, "lr": 2.5e-4,
       "top1_err": 40.0, "clips_per_second": 12.34}  # fmt: skip
SAID = {"msg": "x", "shown": 1, "levelno": logging.INFO, "levelname": "INFO"}
VAL = {"type": "val_epoch", "epoch": 2, "batch": 0, "top1_err": 37.5}


@pytest.fixture
def verbose():
    yield terminal.set_verbosity
    terminal.set_verbosity(0)


def table(**options):
    times = iter([0.0, 10.0, 25.0, 45.0])
    return EpochTable(6, clock=lambda: next(times), **options)


def test_a_row_waits_for_its_validation_and_has_the_time_left():
    rows = table()
    assert list(rows.add(ROW)) == []
    assert list(rows.add({**ROW, "type": "train_iter"})) == []
    head, line = rows.add(VAL)
    names = "epoch loss lr train top-1 val top-1 clips/s left"
    assert " ".join(head.split()) == names
    assert " ".join(line.split()) == "2/6 1.2500 2.5e-04 60.00 % 62.50 % 12.3 0:00:40"
    assert len(head.strip("\n")) == len(line) <= 79
    (line,) = [*rows.add({**ROW, "epoch": 3}), *rows.add({**VAL, "epoch": 3})]
    assert line.split()[-1] == "0:00:45"  # three epochs of 15 seconds


def test_an_epoch_without_validation_has_its_row_at_once():
    _, line = table(is_validated=lambda epoch: epoch == 5).add(ROW)
    assert line.split()[5:7] == ["-", "12.3"]


def test_an_epoch_that_was_resumed_inside_counts_for_the_part_that_was_run():
    rows = table(first_batch=2)
    list(rows.add(ROW))
    assert (
        list(rows.add(VAL))[1].split()[-1] == "0:01:20"
    )  # half an epoch in 10 seconds, four to come


def test_an_epoch_without_new_batches_has_no_time_left():
    rows = table(first_batch=4)
    list(rows.add(ROW))
    assert list(rows.add(VAL))[1].split()[-1] == "-"


def test_several_labels_have_their_precision():
    rows = table(multi_label=True)
    list(rows.add(ROW))
    head, line = rows.add({"type": "val_epoch", "epoch": 2, "map": 0.51234})
    assert "val mAP" in head
    assert "0.5123" in line


def test_results_have_the_level_of_chance_and_the_files(tmp_path):
    found = {"top1_acc": 62.5, "top5_acc": 90.0, "mean_class_acc": 60.0, "chance_acc": 25.0,
             "majority_acc": 30.0, "scored": 7, "videos": 8, "unreadable": 1, "weights": "w"}  # fmt: skip
    text = results(found, tmp_path, ["a.csv", "b.json"])
    assert "62.50 %  (chance 25.00 %, always the commonest class 30.00 %)" in text
    assert "scored 7 of 8 videos, 1 unreadable" in text
    assert f"a.csv, b.json in {tmp_path}" in text
    several = {"map": 0.5, "chance_map": 0.1, **{k: found[k] for k in list(found)[5:]}}
    assert "0.5000  (chance 0.1000)" in results(several, tmp_path, [])


def said(level, verbose):
    verbose(level)
    stream = io.StringIO()
    handler = ScreenHandler(stream, logging.Formatter(log.FORMAT, log.DATE_FORMAT))
    logger = logging.getLogger("test of screens")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        logger.info("only in the file")
        log.say(logger, "for %s", "all")
        log.say(logger, "the result", at=RESULT)
        logger.warning("caf\x1b[2Je is unreadable")
    finally:
        logger.removeHandler(handler)
    return stream.getvalue().splitlines()


def test_the_verbosity_selects_the_lines(verbose):
    warning = r"warning: caf\x1b[2Je is unreadable"
    assert said(0, verbose) == ["for all", "the result", warning]
    assert said(-1, verbose) == ["the result", warning]
    everything = said(1, verbose)
    assert [line.split(": ")[-1] for line in everything[:2]] == ["only in the file", "for all"]
    assert everything[0].startswith("[")
    assert "test_screen.py" in everything[1]


@pytest.mark.parametrize("level", [0, 1])
def test_names_cannot_steer_a_terminal_nor_break_the_file(verbose, level, tmp_path, capsys):
    verbose(level)
    log.start_logging(str(tmp_path))
    try:
        logging.getLogger("test of names").warning("caf\x1b[2J\udce9: %s", "two\nlines")
    finally:
        log.start_logging()
    shown, said = capsys.readouterr()
    for text in (shown, (tmp_path / LOG).read_text()):
        assert r"caf\x1b[2J\udce9: two" in text
    assert said == ""


def test_a_closed_pipe_ends_the_run_without_an_error(verbose):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    handler = ScreenHandler(Closed(), logging.Formatter())
    with signals.listening():
        handler.handle(logging.makeLogRecord(SAID))
        assert signals.requested()
        handler.handle(logging.makeLogRecord(SAID))
    with signals.listening():  # as where the pipe was closed before the run began
        assert signals.requested()
    signals._noted.clear()


def run_in_terminal(command, env):
    """The output of ``command`` in a terminal of 80 columns."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(command, stdout=secondary, stderr=secondary, env=env, cwd=ROOT)
    os.close(secondary)
    chunks = []
    while True:
        try:
            chunk = os.read(primary, 4096)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(primary)
    assert process.wait(timeout=60) == 0, b"".join(chunks).decode()
    return b"".join(chunks).decode()


def test_a_run_shows_facts_epochs_and_results(tiny_yaml, tmp_path):
    """In a terminal header, bars, rows, results; in a pipe the same without bars; -q the result."""
    arguments = ["--cfg", str(tiny_yaml), "SOLVER.MAX_EPOCH", "2"]
    shown = run_in_terminal(
        [sys.executable, str(ROOT / "tools/run_net.py"), *arguments],
        {**os.environ, "COLUMNS": "80"},
    )
    assert "epoch 1/2" in shown
    assert "%|" in shown
    for text in (shown, run_tool("run_net.py", *arguments, "TRAIN.AUTO_RESUME", "False").stdout):
        lines = text.replace("\r", "\n").split("\n")
        heads = ["output", "device", "model", "data", "weights"]
        assert [line.split()[0] for line in lines if line[:9].strip() in heads][:5] == heads
        assert "json_stats" not in text
        assert "PATCH_SIZE" not in text
        assert sum(line.strip().startswith(("1/2", "2/2")) for line in lines) == 2
        assert "(chance 33.33 %" in text
    assert "%|" not in text
    log_text = (tmp_path / "out/stdout.log").read_text()
    kinds = [json.loads(line.split("json_stats: ")[1]).get("_type") for line in log_text.splitlines()
             if "json_stats: " in line]  # fmt: skip
    assert kinds.count("train_epoch") == kinds.count("val_epoch") >= 2
    assert "PATCH_SIZE" in log_text
