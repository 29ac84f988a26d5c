import pytest

from timesformer.config import load_config
from timesformer.engine.rewind import rewind, sizes


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
    rewind(cfg, written)
    assert text.read_text() == "[INFO] log.py: json_stats: {1}\nsaved\n[ERROR] it died\n"
    assert events.read_bytes() == b"12345"
    assert not later.exists()


def test_a_checkpoint_from_elsewhere_changes_nothing(cfg, tmp_path):
    text = tmp_path / "out/stdout.log"
    text.write_text("json_stats: {1}\n")
    rewind(cfg, {"stdout.log": 1000, "runs-kinetics/events.out.tfevents.9": 3})
    assert text.read_text() == "json_stats: {1}\n"
