"""The command line as a user types it: good input, and every kind of bad input."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import yaml

from tests.conftest import ROOT, run_tool
from timesformer.cli.train import minutes
from timesformer.config import load_config
from timesformer.models import build_model
from timesformer.runtime.metrics_csv import read_rows


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def fails(result, *messages):
    """The run ended with status 2, a message that holds ``messages``, and no traceback."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    for message in messages:
        assert message in result.stderr, result.stderr
    return True


@pytest.mark.parametrize("name", ["configs/Kinetics/TimeSformer_divST_8x32_224.yaml",
                                  "configs\\Kinetics\\TimeSformer_divST_8x32_224.yaml"])  # fmt: skip
def test_the_published_command_starts_with_either_slash(no_gpu, tmp_path, data_dir, name):
    """On a machine without GPUs it ends by saying so, and names the remedy."""
    result = run_tool("run_net.py", "--cfg", name, "DATA.PATH_TO_DATA_DIR", data_dir,
                      "OUTPUT_DIR", tmp_path)  # fmt: skip
    assert fails(result, "NUM_GPUS is 8, but this machine has 0; pass NUM_GPUS 0")
    assert not (tmp_path / "stdout.log").exists()


def test_train_then_test_then_test_only_and_fine_tuning(tiny_yaml, tmp_path):
    first = run_tool("run_net.py", "--cfg", tiny_yaml, "SOLVER.MAX_EPOCH", 1)
    assert first.returncode == 0, first.stderr
    checkpoint = tmp_path / "out/checkpoints/checkpoint_epoch_00001.pyth"
    again = run_tool("run_net.py", "--cfg", tiny_yaml, "TRAIN.ENABLE", "False",
                     "TEST.CHECKPOINT_FILE_PATH", checkpoint, "OUTPUT_DIR", tmp_path / "test")  # fmt: skip
    assert again.returncode == 0, again.stderr
    read = [json.loads((tmp_path / d / "test_results.json").read_text()) for d in ("out", "test")]
    assert read[0]["top1_acc"] == read[1]["top1_acc"]
    tuned = run_tool("run_net.py", "--cfg", tiny_yaml, "TRAIN.CHECKPOINT_FILE_PATH", checkpoint,
                     "TRAIN.FINETUNE", "True", "TRAIN.BATCH_SIZE", 6, "SOLVER.MAX_EPOCH", 1,
                     "OUTPUT_DIR", tmp_path / "tuned")  # fmt: skip
    assert tuned.returncode == 0, tuned.stderr
    assert "49 tensors loaded" in tuned.stdout


def test_the_working_folder_and_backslashes_do_not_matter(tiny_yaml, tmp_path, data_dir):
    (tmp_path / "data").symlink_to(data_dir)
    result = run_tool("run_net.py", "--cfg", ".\\tiny.yaml", "DATA.PATH_TO_DATA_DIR", "data\\",
                      "SOLVER.MAX_EPOCH", 1, "TEST.ENABLE", "false", cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_an_official_yaml_file_runs_as_it_is(tmp_path, data_dir):
    """Its keys without effect are one warning; the sizes are overridden for speed."""
    official = {
        "TRAIN": {"ENABLE": True, "DATASET": "kinetics", "BATCH_SIZE": 8, "EVAL_PERIOD": 5,
                  "CHECKPOINT_PERIOD": 5, "AUTO_RESUME": True},
        "DATA": {"PATH_TO_DATA_DIR": "/path/to/kinetics/", "NUM_FRAMES": 8, "SAMPLING_RATE": 32,
                 "TRAIN_JITTER_SCALES": [256, 320], "TRAIN_CROP_SIZE": 224, "TEST_CROP_SIZE": 224,
                 "INPUT_CHANNEL_NUM": [3]},
        "TIMESFORMER": {"ATTENTION_TYPE": "divided_space_time"},
        "SOLVER": {"BASE_LR": 0.005, "LR_POLICY": "steps_with_relative_lrs", "STEPS": [0, 11, 14],
                   "LRS": [1, 0.1, 0.01], "MAX_EPOCH": 15, "MOMENTUM": 0.9, "WEIGHT_DECAY": "1e-4",
                   "OPTIMIZING_METHOD": "sgd"},
        "MODEL": {"MODEL_NAME": "vit_base_patch16_224", "NUM_CLASSES": 400, "ARCH": "vit",
                  "LOSS_FUNC": "cross_entropy", "DROPOUT_RATE": 0.5},
        "TEST": {"ENABLE": True, "DATASET": "kinetics", "BATCH_SIZE": 8, "NUM_ENSEMBLE_VIEWS": 1,
                 "NUM_SPATIAL_CROPS": 3},
        "DATA_LOADER": {"NUM_WORKERS": 8, "PIN_MEMORY": True},
        "NUM_GPUS": 8, "NUM_SHARDS": 1, "RNG_SEED": 0, "OUTPUT_DIR": ".",
    }  # fmt: skip
    (tmp_path / "official.yaml").write_text(yaml.safe_dump(official).replace("'1e-4'", "1e-4"))
    small = {"NUM_GPUS": 0, "DATA.PATH_TO_DATA_DIR": data_dir, "DATA.TRAIN_CROP_SIZE": 32,
             "DATA.TEST_CROP_SIZE": 32, "DATA.TRAIN_JITTER_SCALES": "[32, 40]",
             "TIMESFORMER.EMBED_DIM": 24, "TIMESFORMER.DEPTH": 1, "TIMESFORMER.NUM_HEADS": 2,
             "TIMESFORMER.PRETRAINED_MODEL": "none", "SOLVER.MAX_EPOCH": 1}  # fmt: skip
    pairs = [text for pair in small.items() for text in pair]
    result = run_tool("run_net.py", "--cfg", "official.yaml", *pairs, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "ignored: MODEL.DROPOUT_RATE" in result.stderr or "MODEL.DROPOUT_RATE" in result.stderr
    assert "DATA.INPUT_CHANNEL_NUM" in result.stderr
    assert (tmp_path / "test_predictions.csv").exists()


def list_with(data_dir, folder, lines, split="train"):
    """A copy of the lists in which ``split`` holds ``lines``."""
    folder.mkdir()
    (folder / "videos").symlink_to(data_dir / "videos")
    for name in ("train", "val", "test"):
        (folder / f"{name}.csv").write_text((data_dir / f"{name}.csv").read_text())
    (folder / f"{split}.csv").write_text(lines)
    return folder


GOOD = "".join(f"videos/train {i}.mp4 {i % 3}\n" for i in range(8))


@pytest.fixture
def in_process(run_here):
    """As ``run_tool("run_net.py")``, without another process."""

    def start(*words):
        status, text, error = run_here("train", *words)
        return SimpleNamespace(returncode=status, stdout=text, stderr=error)

    return start


@pytest.mark.parametrize(
    ("split", "lines", "message"),
    [
        ("train", "", "train.csv names no video"),
        (
            "val",
            GOOD + "videos/train 1.mp4\n",
            "val.csv:9: 'videos/train 1.mp4' is not `path label`",
        ),
        (
            "test",
            GOOD + "videos/train 1.mp4 3\n",
            "test.csv:9: label 3 is outside 0 .. 2; set MODEL.",
        ),
        ("train", GOOD + "videos/gone.mp4 1\n", "1 of 9 videos do not exist (videos/gone.mp4)"),
        (
            "train",
            "videos/train 0.mp4 0\n",
            "1 videos, fewer than one batch (4); lower TRAIN.BATCH",
        ),
    ],
    ids=["empty", "malformed", "label", "missing video", "small"],
)
def test_a_bad_list_ends_the_run_before_it_starts(
    in_process, tiny_yaml, tmp_path, data_dir, split, lines, message
):
    folder = list_with(data_dir, tmp_path / "lists", lines, split)
    result = in_process("--cfg", tiny_yaml, "DATA.PATH_TO_DATA_DIR", folder)
    assert fails(result, message)
    assert not (tmp_path / "out/stdout.log").exists()


def test_all_problems_are_reported_together(in_process, tiny_yaml, tmp_path, data_dir):
    folder = list_with(data_dir, tmp_path / "lists", "a 9\n")
    (folder / "test.csv").unlink()
    result = in_process("--cfg", tiny_yaml, "DATA.PATH_TO_DATA_DIR", folder,
                      "NUM_GPUS", 64, "TRAIN.BATCH_SIZE", 64, "TEST.BATCH_SIZE", 64,
                      "TRAIN.CHECKPOINT_FILE_PATH", "gone.pyth")  # fmt: skip
    assert fails(result, "label 9", "test.csv does not exist", "NUM_GPUS is 64", "gone.pyth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["DATA.PATH_TO_DATA_DIR", ""], "DATA.PATH_TO_DATA_DIR is empty"),
        (["DATA.PATH_TO_DATA_DIR", "/nowhere"], "list /nowhere/train.csv does not exist"),
        (["NUM_GPUS", "2", "TRAIN.BATCH_SIZE", "7"], "NUM_GPUS (2) must divide it"),
        (["DATA.TRAIN_CROP_SIZE", "30"], "TIMESFORMER.PATCH_SIZE (8) must divide it"),
        (["SOLVER.BASE_LRR", "1"], "did you mean SOLVER.BASE_LR?"),
        (["SOLVER.MAX_EPOCH", "many"], "SOLVER.MAX_EPOCH is 'many', but must be a whole number"),
        (
            ["TRAIN.CHECKPOINT_FILE_PATH", "x.pyth"],
            "TRAIN.CHECKPOINT_FILE_PATH is 'x.pyth', but there",
        ),
        (
            ["TEST.CHECKPOINT_FILE_PATH", "x.pyth"],
            "TEST.CHECKPOINT_FILE_PATH is 'x.pyth', but there",
        ),
        (
            ["TIMESFORMER.PRETRAINED_MODEL", "x.pyth"],
            "PRETRAINED_MODEL is 'x.pyth', but there is no",
        ),
        (
            [
                "TENSORBOARD.ENABLE",
                "1",
                "TENSORBOARD.HISTOGRAM.ENABLE",
                "1",
                "TENSORBOARD.CLASS_NAMES_PATH",
                "x.json",
            ],
            "TENSORBOARD file x.json cannot be read",
        ),
        (
            ["OUTPUT_DIR", "/proc/nothing"],
            "OUTPUT_DIR is '/proc/nothing', but /proc/nothing cannot be written: No such file or "
            "directory; choose a place that can be written",
        ),
        (["SOLVER.MAX_EPOCH"], "'SOLVER.MAX_EPOCH' has no value"),
        (["TRAIN.ENABLE", "False"], "there are no weights to test; set TEST.CHECKPOINT_FILE_PATH"),
    ],
)
def test_bad_input_is_named_with_rule_and_remedy(in_process, tiny_yaml, options, message):
    assert fails(in_process("--cfg", tiny_yaml, *options), message)


def test_a_gpu_that_is_not_there_is_named(no_gpu, tiny_yaml):
    result = run_tool("run_net.py", "--cfg", tiny_yaml, "NUM_GPUS", 1)
    assert fails(result, "NUM_GPUS is 1, but this machine has 0; pass NUM_GPUS 0 to run on the CPU")


def test_pretrained_weights_that_need_a_download_while_offline(tiny_yaml, tmp_path):
    vit = {
        "EMBED_DIM": 192,
        "DEPTH": 12,
        "NUM_HEADS": 3,
        "PATCH_SIZE": 16,
        "PRETRAINED_MODEL": "''",
    }
    pairs = [text for key, value in vit.items() for text in (f"TIMESFORMER.{key}", value)]
    result = run_tool("run_net.py", "--cfg", tiny_yaml, *pairs,
                      env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")})  # fmt: skip
    assert fails(result, "could not be fetched", "TIMESFORMER.PRETRAINED_MODEL", "none")


@pytest.mark.parametrize("key", ["TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"])
@pytest.mark.parametrize("kind", ["truncated", "of another size"])
def test_a_checkpoint_that_cannot_be_used_is_named(in_process, tiny_yaml, tmp_path, key, kind):
    width = 64 if kind == "of another size" else 32
    model = build_model(load_config(tiny_yaml, ["TIMESFORMER.EMBED_DIM", str(width)]))
    path = tmp_path / "model.pyth"
    torch.save({"model_state": model.state_dict()}, path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    mode = ["TRAIN.FINETUNE", "True"] if key.startswith("TRAIN") else ["TRAIN.ENABLE", "False"]
    result = in_process("--cfg", tiny_yaml, key, path, *mode)
    assert fails(result, "truncated" if kind == "truncated" else "another architecture")


def test_a_score_of_a_new_classifier_is_refused(in_process, tiny_yaml, tmp_path):
    model = build_model(load_config(tiny_yaml, ["MODEL.NUM_CLASSES", "5"]))
    torch.save({"model_state": model.state_dict()}, tmp_path / "model.pyth")
    result = in_process("--cfg", tiny_yaml, "TRAIN.ENABLE", "False",
                      "TEST.CHECKPOINT_FILE_PATH", tmp_path / "model.pyth")  # fmt: skip
    assert fails(
        result, "its score would mean nothing", "correct MODEL.NUM_CLASSES, DATA.MODALITY and"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "TRAIN.BATCH_SIZE is 4, but the 3 processes of this machine must divide it"),
        (["DIST.STRATEGY", "zero"], "DIST.STRATEGY is 'zero'"),
    ],
)
def test_what_stops_all_processes_of_torchrun_is_said_once(tiny_yaml, options, message):
    options = [*options, "MULTIGRID.DEFAULT_B", "3"]
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3",
         str(ROOT / "tools/run_net.py"), "--cfg", str(tiny_yaml), *options],
        capture_output=True, text=True, timeout=200, check=False, env=os.environ,
    )  # fmt: skip
    assert result.returncode != 0
    said = result.stdout + result.stderr
    lines = re.findall(rf"^(?:run_net\.py: )?error: {re.escape(message)}", said, re.MULTILINE)
    assert len(lines) == 1  # torchrun reports it too, in its own words
    assert said.count("ignored: MULTIGRID.DEFAULT_B") == 1


def test_a_run_skips_what_check_data_found_unreadable(tiny_yaml, tmp_path, data_dir):
    """Training never samples it and says so; testing names it as not scored."""
    folder = list_with(data_dir, tmp_path / "lists", GOOD + "text.mp4 1\n")
    (folder / "text.mp4").write_text("no video")
    (folder / "test.csv").write_text("text.mp4 0\n" + GOOD)
    checked = run_tool("check_data.py", folder, "--timeout", 60)
    assert checked.returncode == 0, checked.stderr
    result = run_tool("run_net.py", "--cfg", tiny_yaml, "DATA.PATH_TO_DATA_DIR", folder)
    assert result.returncode == 0, result.stderr
    assert "train: 1 of 9 videos are known to be unreadable and are never sampled" in result.stdout
    assert "found by `timesformer check`" in result.stdout
    assert f"timesformer check {folder / 'train.csv'} --again" in result.stdout
    assert 'unreadable": 1' not in result.stdout  # val has none
    assert "scored 8 of 9 videos, 1 unreadable" in result.stdout
    rows = (tmp_path / "out/test_predictions.csv").read_text().splitlines()
    assert len(rows) == 10
    assert "text.mp4,0,," in rows[1]
    assert "(known from test.csv.index.csv)" in rows[1]


@pytest.fixture
def run_net(run_here):
    return partial(run_here, "train")


def test_overfitting_drives_the_loss_to_zero_in_a_folder_of_its_own(run_net, tiny_yaml, tmp_path):
    options = ["TIMESFORMER.POS_EMBED_STD", 1, "SOLVER.BASE_LR", 0.01, "GLOBAL_BATCH_SIZE", 4]
    status, _, said = run_net("--overfit", 2, "--cfg", tiny_yaml, *options, "SOLVER.MAX_EPOCH", 1)
    assert status == 0, said
    status, _, said = run_net("--overfit", 1, "--cfg", tiny_yaml, *options)  # begins anew
    assert status == 0, said
    rows = read_rows(tmp_path / "out/overfit/metrics.csv")
    losses = [float(row["loss"]) for row in rows if row["type"] == "train_iter"]
    assert losses[-1] < 0.05 < losses[0]
    assert (rows[-1]["top1_err"], rows[-1]["videos"]) == ("0", "4")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["overfit"]
    assert not list((tmp_path / "out/overfit/checkpoints").glob("earlier*"))


def test_limits_are_options_and_a_dry_run_prints_its_summary(run_net, tiny_yaml, tmp_path):
    status, out, said = run_net("--dry-run", "--limit-train-batches", 3, "--limit-val-batches", 0.1,
                                "--cfg", tiny_yaml, "TEST.ENABLE", 0)  # fmt: skip
    assert status == 0, said
    assert "dry run of" in out
    assert "2 epochs of 3 batches" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overfit", "0"], "Invalid value for '--overfit': "),
        (["--overfit", "x"], "Invalid value for '--overfit': "),
        (["--max-time", "1:30"], "'--max-time': 1:30 is not a time; write HH:MM:SS or minutes"),
        (["--max-time", "0"], "'--max-time': 0 is not a time"),
        (["--max-time", "1:x:3"], "'--max-time': 1:x:3 is not a time"),
        (["--dry-run", "--profile", "2"], "--profile and --dry-run are two trials"),
        (["--overfit", "7"], "DATA.OVERFIT_BATCHES is 7, 28 videos, but"),
        (["--limit-train-batches", "x"], "DATA.LIMIT_TRAIN_BATCHES is 'x', but must be a number"),
        (["--limit-val-batches", "1.5"], "DATA.LIMIT_VAL_BATCHES is 1.5, but must be a whole"),
    ],
)
def test_options_that_cannot_be(run_net, tiny_yaml, options, message):
    status, _, said = run_net(*options, "--cfg", tiny_yaml)
    assert status == 2
    assert message in said


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("0.5", 0.5), ("1:30:30", 90.5)])
def test_times_are_minutes_or_hours_minutes_and_seconds(text, value):
    assert minutes(text) == value
