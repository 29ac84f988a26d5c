"""Convert and inspect as a user does."""

import json
import re
import runpy
import sys

import pytest

from tests.conftest import ROOT
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.io import terminal


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run a tool in this process; returns its status and what it printed."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
        return stopped.value.code, capsys.readouterr()

    yield run
    terminal.set_verbosity(0)


def test_a_file_is_converted_and_inspected(shared, tmp_path, tool):
    path = shared / "golden/shared_paddle_divided_space_time.pdparams"
    out = tmp_path / "a.safetensors"
    status, printed = tool(
        "convert_checkpoint.py", path, "--to", "safetensors", "--out", out, "--dtype", "bf16",
        "TIMESFORMER.NUM_HEADS", "3",
    )  # fmt: skip
    assert status == 0, printed.err
    assert f"wrote {out}\nread back: 69 tensors loaded from {out} (TimeSformer)" in printed.out
    status, printed = tool("inspect_checkpoint.py", out, "--json")
    facts = json.loads(printed.out)
    assert status == 0
    assert facts["architecture"]["num_heads"] == 3
    assert facts["types"] == "bfloat16 x 69"


def test_a_yaml_file_says_what_the_weights_do_not_and_notes_can_be_hidden(shared, tmp_path, tool):
    path = shared / "golden/shared_paddle_divided_space_time.pdparams"
    cfg = read_model_spec(path, overrides=["TIMESFORMER.NUM_HEADS", "3"]).cfg
    (tmp_path / "a.yaml").write_text(cfg.dump())
    out = tmp_path / "a.safetensors"
    words = (path, "--to", "safetensors", "--out", out, "--cfg", tmp_path / "a.yaml", "-q")
    status, printed = tool("convert_checkpoint.py", *words)
    assert status == 0, printed.err
    assert printed.out.startswith(f"wrote {out}\n")
    assert "note:" not in printed.out + printed.err
    status, printed = tool("inspect_checkpoint.py", out, "--json")
    assert json.loads(printed.out)["architecture"]["num_heads"] == 3


@pytest.mark.parametrize("name", ["convert_checkpoint.py", "inspect_checkpoint.py"])
def test_a_video_is_an_error_without_a_traceback(numbered_video, tmp_path, tool, name):
    options = ("--to", "hf", "--out", tmp_path / "hf") if name.startswith("convert") else ()
    status, printed = tool(name, numbered_video(2), *options)
    assert status == 2
    assert printed.err.startswith(f"{name}: error: ")
    assert re.search(r"video.mp4 is .*a video.*weights", printed.err)
