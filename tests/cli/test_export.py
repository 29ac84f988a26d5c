"""timesformer export as a user calls it: the program runs without this package."""

import json
import subprocess
import sys

import pytest
import torch

from timesformer.inference.predictor import Predictor

ALONE = """
import json, sys, torch
extra = {"about.json": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
torch.manual_seed(0)
logits = program(torch.randint(256, (5, 3, 4, 32, 32), dtype=torch.uint8))
assert "timesformer" not in sys.modules
print(json.dumps([logits.tolist(), json.loads(extra["about.json"])]))
"""


@pytest.mark.parametrize("scheme", ["divided_space_time", "space_only"])
def test_it_runs_without_this_package(trained, tmp_path, run_here, scheme):
    reverse = ["DATA.REVERSE_INPUT_CHANNEL", "True", "TIMESFORMER.ATTENTION_TYPE", scheme]
    _, file = trained(*reverse)
    status, printed, error = run_here("export", file, "--out", tmp_path / "model.pt2")
    assert status == 0, error
    assert "read back: its logits differ by at most" in printed
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, tmp_path / "model.pt2"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    logits, about = json.loads(done.stdout)
    predictor = Predictor.from_checkpoint(file, "cpu")
    torch.manual_seed(0)
    clips = torch.randint(256, (5, 3, 4, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        wanted = predictor.model(predictor.scoring.normalize(clips))
    torch.testing.assert_close(torch.tensor(logits), wanted, rtol=1e-4, atol=1e-5)
    assert about["class_names"] == ["dark", "grey", "light"]
    assert about["preprocessing"]["reverse_input_channel"] is True
    assert about["input"] == ["batch", 3, 4, 32, 32]


def test_programs_are_pt2(trained, tmp_path, run_here):
    _, file = trained()
    status, _, error = run_here("export", file, "--out", tmp_path / "model.onnx")
    assert status == 2
    assert "model.onnx, but PyTorch reads programs from .pt2" in " ".join(error.split())
