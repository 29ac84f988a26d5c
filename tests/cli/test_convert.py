"""timesformer.cli.convert and timesformer.cli.inspect as a user calls them."""

import json
import re

import pytest

from timesformer.checkpoint.model_spec import read_model_spec


def test_a_file_is_converted_and_inspected(shared, tmp_path, run_here):
    path = shared / "golden/shared_paddle_divided_space_time.pdparams"
    out = tmp_path / "a.safetensors"
    status, printed, error = run_here(
        "convert", path, "--to", "safetensors", "--out", out, "--dtype", "bf16",
        "TIMESFORMER.NUM_HEADS", "3",
    )  # fmt: skip
    assert status == 0, error
    assert f"wrote {out}\nread back: 69 tensors loaded from {out} (TimeSformer)" in printed
    status, printed, _ = run_here("inspect", out, "--json")
    facts = json.loads(printed)
    assert status == 0
    assert facts["architecture"]["num_heads"] == 3
    assert facts["types"] == "bfloat16 x 69"


def test_a_yaml_file_says_what_the_weights_do_not_and_notes_can_be_hidden(
    shared, tmp_path, run_here
):
    path = shared / "golden/shared_paddle_divided_space_time.pdparams"
    cfg = read_model_spec(path, overrides=["TIMESFORMER.NUM_HEADS", "3"]).cfg
    (tmp_path / "a.yaml").write_text(cfg.dump())
    out = tmp_path / "a.safetensors"
    words = (path, "--to", "safetensors", "--out", out, "--cfg", tmp_path / "a.yaml", "-q")
    status, printed, error = run_here("convert", *words)
    assert status == 0, error
    assert printed.startswith(f"wrote {out}\n")
    assert "note:" not in printed + error
    status, printed, _ = run_here("inspect", out, "--json")
    assert json.loads(printed)["architecture"]["num_heads"] == 3


@pytest.mark.parametrize("name", ["convert", "inspect"])
def test_a_video_is_an_error_without_a_traceback(numbered_video, tmp_path, run_here, name):
    options = ("--to", "hf", "--out", tmp_path / "hf") if name == "convert" else ()
    status, _, error = run_here(name, numbered_video(2), *options)
    assert status == 2
    assert error.startswith(f"timesformer {name}: error: ")
    assert re.search(r"video.mp4 is .*a video.*weights", error)
