from pathlib import Path

import pytest

from timesformer.checkpoint.save import Position
from timesformer.config import load_config
from timesformer.engine import truncate_logs
from timesformer.engine.restore import Start
from timesformer.engine.train import build_records
from timesformer.files import checkpoint_path
from timesformer.runtime.log import build_board_folder


def sizes(cfg):
    return truncate_logs.sizes(Path(cfg.OUTPUT_DIR), build_board_folder(cfg))


def truncate(cfg, written):
    truncate_logs.truncate(Path(cfg.OUTPUT_DIR), build_board_folder(cfg), written)


@pytest.fixture
def cfg(tiny_yaml, tmp_path):
    (tmp_path / "out/runs-kinetics").mkdir(parents=True)
    return load_config(tiny_yaml)


def test_steps_written_after_the_checkpoint_are_taken_out_and_reasons_stay(cfg, tmp_path):
    text = tmp_path / "out/stdout.log"
    events = tmp_path / "out/runs-kinetics/events.out.tfevents.1"
    text.write_text("[INFO] log.py: json_stats: {1}\nsaved\n")
    events.write_bytes(b"12345")
    written = sizes(cfg)
    with text.open("a") as file:
        file.write("[INFO] log.py: json_stats: {2}\n[ERROR] it died\n[INFO] json_stats: {")
    events.write_bytes(b"12345678")
    later = events.with_name("events.out.tfevents.2")
    later.write_bytes(b"1")
    truncate(cfg, written)
    assert text.read_text() == "[INFO] log.py: json_stats: {1}\nsaved\n[ERROR] it died\n"
    assert events.read_bytes() == b"12345"
    assert not later.exists()


def test_a_checkpoint_from_elsewhere_changes_nothing(cfg, tmp_path):
    text = tmp_path / "out/stdout.log"
    text.write_text("json_stats: {1}\n")
    truncate(cfg, {"stdout.log": 1000, "runs-kinetics/events.out.tfevents.9": 3})
    assert text.read_text() == "json_stats: {1}\n"


def test_events_elsewhere_are_those_of_this_run_or_stay(tiny_yaml, tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    cfg = load_config(tiny_yaml, ["TENSORBOARD.LOG_DIR", str(folder)])
    other, own = (folder / f"events.out.tfevents.{i}" for i in (1, 2))
    own.write_bytes(b"123")
    written = sizes(cfg)
    assert written == {own.as_posix(): 3}
    own.write_bytes(b"12345")
    other.write_bytes(b"1")
    truncate(cfg, written)
    assert own.read_bytes() == b"123"
    truncate(cfg, {})
    assert sorted(folder.iterdir()) == [other, own]


def test_a_checkpoint_that_does_not_know_the_events_costs_none(cfg, tmp_path):
    events = tmp_path / "out/runs-kinetics/events.out.tfevents.1"
    events.write_bytes(b"1")
    path = checkpoint_path(tmp_path / "out", 0)
    build_records(cfg, Start(Position(1, 0), {"epoch": 0}, path)).close()
    assert events.exists()
    build_records(cfg, Start.of_epoch(0)).close()  # a new run
    assert not events.exists()
