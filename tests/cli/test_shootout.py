"""The command from a list to its table: processes, resuming, errors."""

import json

import pytest

from timesformer.cli.shootout import seconds_of
from timesformer.engine.shootout import own_process

SMALL = ["TIMESFORMER.PRETRAINED_MODEL", "none", "DATA.TRAIN_CROP_SIZE", "32", "DATA.TEST_CROP_SIZE", "32",
         "DATA.TRAIN_JITTER_SCALES", "[32, 40]", "DATA.NUM_FRAMES", "4", "DATA.SAMPLING_RATE", "4",
         "SOLVER.MAX_EPOCH", "1", "DATA_LOADER.NUM_WORKERS", "0", "NUM_GPUS", "0"]  # fmt: skip


def test_one_command_compares_models_and_resumes(run_here, data_dir, tmp_path, monkeypatch):
    """c3d does not take clips of 4 frames, and fails alone."""
    out = tmp_path / "out"
    models = ["timm/test_resnet+mean,timm/test_resnet+lstm", "c3d"]
    command = ["shootout", data_dir / "test.csv", "--models", *models, "--folds", 2,
               "--budget", "10min", "--finetune", "--out", out, *SMALL]  # fmt: skip
    monkeypatch.setattr(own_process, "run_alone", lambda cfg, console: own_process.reason_of(cfg))
    status, printed, error = run_here(*command)
    assert status == 1, error
    report = json.loads((out / "shootout.json").read_text())
    assert [model["status"] for model in report["models"]] == ["tested", "tested", "failed"]
    assert "c3d does not take clips of 4 frames" in report["models"][2]["reason"]
    assert "c3d failed: " in printed
    for model in report["models"][:2]:
        assert model["accuracy"]["top1"]["value"] in [pytest.approx(100 * n / 9) for n in range(10)]
        assert model["videos_per_second"] > 0
        assert 0.1 < model["peak_ram_gib"] < 8
        assert not (out / model["folder"] / "fold-1/checkpoints").exists()
    assert (out / "index.html").is_file()
    assert "timm/test_resnet+lstm fold 2" in error
    assert run_here("compare", *(out / each["folder"] for each in report["models"][:2]))[0] == 0
    assert run_here("report", out / "timm-test_resnet+mean", "--no-frames")[0] == 0

    started = []
    monkeypatch.setattr(own_process, "run_alone", lambda *_: started.append(1) or "again")
    status, again, _ = run_here(*command)
    assert status == 1
    assert started == [1]  # c3d alone is tried again
    assert "c3d failed: again" in again
    assert json.loads((out / "shootout.json").read_text())["models"][:2] == report["models"][:2]
    status, _, error = run_here(*command[: -len(SMALL)], *SMALL, "--seed", 1)
    assert status == 2
    assert "holds a shootout with other settings (--seed)" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "torchvision/r3d_19"], "nearest names are torchvision/r3d_18, "),
        (
            ["--models", "r3d_18", "--folds", "4"],
            "fewer videos than folds in class 0 (3), class 1 (3)",
        ),
        (["--models", "r3d_18", "--budget", "20"], "'20' is not a time; write 90s, 20min or 1.5h"),
        (["--models", ","], "no model is named"),
        (["--models", "c3d,c3d"], "name each model once"),
        (["--models", "c3d", "--group", "film"], "--group film: "),
    ],
)
def test_bad_input_is_named_before_anything_runs(run_here, data_dir, tmp_path, words, message):
    out = tmp_path / "out"
    status, _, error = run_here("shootout", data_dir / "test.csv", *words, "--out", out)
    assert status == 2
    assert message in error
    assert not out.exists()


def test_times_have_units():
    assert [seconds_of(text) for text in ("90s", "20min", "1.5h")] == [90, 1200, 5400]
