"""A run in a process of its own, and how its end is told."""

import os

from timesformer.config import config_of
from timesformer.engine.shootout import own_process
from timesformer.errors import InputError


class Ends:
    """A configuration on whose arrival a process ends."""

    def __reduce__(self):
        return os._exit, (7,)


def test_a_run_is_a_process_whose_output_goes_to_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(own_process, "PRELOADED", ["timesformer.engine.run"])
    own_process.preload()  # PyTorch is imported once for both
    values = {
        "OUTPUT_DIR": str(tmp_path / "out"),
        "DATA.PATH_TO_DATA_DIR": str(tmp_path),
        "NUM_GPUS": 0,
    }
    values |= {"TIMESFORMER.PRETRAINED_MODEL": "none", "MODEL.NUM_CLASSES": 2}
    console = tmp_path / "out/console.log"
    reason = own_process.run_alone(config_of(values, source="test"), console)
    assert f"{tmp_path}/train.csv" in reason
    assert f"{tmp_path}/train.csv" in console.read_text()
    assert own_process.run_alone(Ends(), console) == (
        "its process died (status 7); perhaps it was short of memory"
    )


def ends_by(monkeypatch, error):
    def launch(cfg):
        raise error

    monkeypatch.setattr(own_process, "launch_run", launch)
    return own_process.reason_of(None)


def test_a_failure_becomes_a_reason_on_one_line(monkeypatch, capsys):
    assert ends_by(monkeypatch, InputError("no weights\nand no list")) == "no weights; and no list"
    assert ends_by(monkeypatch, SystemExit(1)) == "it ended with status 1"
    assert ends_by(monkeypatch, SystemExit(0)) == ""
    assert ends_by(monkeypatch, KeyError("x")) == "KeyError: 'x'"
    assert "Traceback" in capsys.readouterr().err
