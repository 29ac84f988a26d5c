"""R3D-18 against torchvision's own, and by the commands of a TimeSformer."""

import csv
import json

import pytest
import torch
from torchvision.models.video import r3d_18

from tests.conftest import run_tool
from timesformer.checkpoint.convert import WRITERS, Source
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.models.baselines.r3d import R3D18

OPTIONS = [
    *("MODEL.MODEL_NAME", "r3d_18", "SOLVER.OPTIMIZING_METHOD", "sgd", "SOLVER.BASE_LR", "0.01"),
    *("DATA.LIMIT_VAL_BATCHES", "1", "TEST.NUM_ENSEMBLE_VIEWS", "1", "TEST.NUM_SPATIAL_CROPS", "1"),
]


def test_names_and_logits_are_those_of_torchvision():
    theirs = r3d_18(num_classes=5).eval()
    ours = R3D18(num_classes=5, num_frames=4, img_size=32).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 32, 32)
    assert torch.allclose(ours(clip), theirs(clip), atol=1e-5)


def run_net(tiny_yaml, out, *options):
    done = run_tool("run_net.py", "--cfg", tiny_yaml, *OPTIONS, *options, "OUTPUT_DIR", out)
    assert done.returncode == 0, done.stderr
    return (out / "stdout.log").read_text()


def state(path):
    return torch.load(path, weights_only=True)["model_state"]


@pytest.mark.slow
def test_it_trains_freezes_resumes_tests_and_predicts_by_the_same_commands(
    tiny_yaml, tmp_path, data_dir
):
    out = tmp_path / "run"
    options = ["TRAIN.FREEZE", "['stem.*', 'layer1.*']", "SOLVER.LAYER_DECAY", "0.7"]
    options += ["TRAIN.ACTIVATION_CHECKPOINT", "0.5", "LOG_MODEL_INFO", "True"]
    log = run_net(tiny_yaml, out, *options, "SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False")
    assert "model    r3d_18, 33.2 M parameters" in log
    assert "G multiply-adds for a clip of 4 x 32²" in log
    first = state(out / "checkpoints/checkpoint_epoch_00001.pyth")
    log = run_net(tiny_yaml, out, *options, "SOLVER.MAX_EPOCH", "2", "TRAIN.RESUME_ANYWAY", "True")
    assert "resum" in log
    last = out / "checkpoints/checkpoint_epoch_00002.pyth"
    second = state(last)
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert "model.fc.weight" in changed
    assert "model.layer4.1.conv2.1.running_mean" in changed
    assert not any(name.startswith(("model.stem", "model.layer1")) for name in changed)
    facts = summarize(last)
    assert (facts["kind"], facts["format"]) == ("video model", "r3d_18")
    assert facts["loads"].startswith(f"{len(first)} tensors loaded")
    with pytest.raises(CheckpointError, match="the model is r3d_18, not a TimeSformer; write publ"):
        WRITERS["hf"](Source.of(read_model_spec(last)), tmp_path / "hf", torch.float32)

    assert json.loads((out / "test_results.json").read_text())["attention_type"] == "r3d_18"
    with (out / "test_predictions.csv").open() as file:
        tested = next(row for row in csv.DictReader(file) if row["path"].endswith("test 0.mp4"))
    video = data_dir / "videos/test 0.mp4"
    done = run_tool("predict.py", video, "--weights", last, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    for each in json.loads(done.stdout)[0]["classes"]:
        assert each["score"] == pytest.approx(float(tested[f"score_{each['label']}"]), abs=1e-4)


@pytest.mark.slow
def test_it_is_probed_by_the_same_command(tiny_yaml, tmp_path):
    out = tmp_path / "probe"
    options = ["TRAIN.FREEZE", "backbone", "TRAIN.PROBE_CLIPS", "1", "DATA.LIMIT_VAL_BATCHES", "0"]
    run_net(tiny_yaml, out, *options, "SOLVER.MAX_EPOCH", "1", "TEST.ENABLE", "False")
    stored = next((out / "features").glob("train-*/*.pt"))
    assert torch.load(stored, weights_only=True)["values"].shape == (24, 512)
