"""Train, then fine-tune with the same YAML: what a start does with the run that is in OUTPUT_DIR."""

import json
import shutil

import pytest
import torch

from tests.engine.test_train import stats
from timesformer.checkpoint.load import CheckpointError
from timesformer.config import ConfigError, load_config
from timesformer.engine import run
from timesformer.engine.preflight import preflight
from timesformer.files import checkpoint_path
from timesformer.runtime.metrics_csv import read_rows

QUICK = ["SOLVER.MAX_EPOCH", 1, "TEST.NUM_ENSEMBLE_VIEWS", 1, "TEST.NUM_SPATIAL_CROPS", 1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_dir):
    """The OUTPUT_DIR of a run of one epoch, and the configuration of it in any folder."""
    import yaml

    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("finished")
    tree = {**TINY, "DATA": {**TINY["DATA"], "PATH_TO_DATA_DIR": str(data_dir)}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tree))

    def config(out, *overrides):
        texts = [str(item) for item in (*QUICK, "OUTPUT_DIR", out, *overrides)]
        return load_config(folder / "tiny.yaml", texts)

    run.run(config(folder / "out", "TENSORBOARD.ENABLE", True))
    return folder / "out", config


@pytest.fixture
def again(finished, tmp_path):
    """The finished run in a folder of this test, and what starts in it."""
    source, config = finished
    out = shutil.copytree(source, tmp_path / "out")

    def start(*overrides):
        cfg = config(out, *overrides)
        preflight(cfg)
        run.run(cfg)

    start.config = lambda *overrides: config(out, *overrides)
    return out, start


def log(out):
    return (out / "stdout.log").read_text()


def entries(out, epoch=0):
    return torch.load(checkpoint_path(out, epoch), weights_only=True)


def test_the_published_order_of_commands_trains_and_then_fine_tunes(again, tmp_path):
    out, start = again
    first, results = entries(out), json.loads((out / "test_results.json").read_text())
    named = checkpoint_path(out, 0)
    tune = ["TRAIN.FINETUNE", True, "TRAIN.CHECKPOINT_FILE_PATH", named, "SOLVER.BASE_LR", 0.01]
    remarks = out / "remarks-train.csv", out / "remarks-val-1.csv"
    for path in remarks:
        path.write_text("of the first run")
    start(*tune)
    aside = out / "checkpoints/earlier-1"
    assert not any(path.exists() for path in remarks)
    assert all((aside / path.name).exists() for path in remarks)
    assert f"the finished run that started from random weights is in {aside} now; this one" in log(
        out
    )
    assert f"loaded from {aside / named.name}" in log(out)  # where the file is that it starts from
    second = entries(out)
    assert second["started_from"]["how"] == "the weights of"
    assert second["run"] != first["run"]
    assert any(
        not torch.equal(second["model_state"][k], v) for k, v in first["model_state"].items()
    )
    assert json.loads((aside / "test_results.json").read_text()) == results  # nothing is mixed
    assert json.loads((aside / "run.json").read_text())["run"] == first["run"]
    assert len(stats(out, "train_epoch")) == len(stats(aside, "train_epoch")) == 1
    assert len([row for row in read_rows(out / "metrics.csv") if row["type"] == "val_epoch"]) == 1
    assert list((aside / "runs-kinetics").iterdir())
    record = json.loads((out / "run.json").read_text())
    assert (record["run"], len(record["sessions"])) == (second["run"], 1)
    assert record["sessions"][0]["started_from"] == second["started_from"]

    start(*tune)  # the same command: of the names of two runs, the file that it started from counts
    assert f"finished already, after epoch 1 ({named}); testing again" in log(out)
    assert "resuming" not in log(out)
    assert sorted(p.name for p in aside.parent.glob("earlier-*")) == ["earlier-1"]
    foreign = shutil.copy(aside / named.name, tmp_path / "renamed.pyth")
    tune[3] = foreign
    preflight(start.config(*tune))  # the same file elsewhere is the same start


def test_a_finished_run_of_the_same_start_is_tested_again_and_may_go_on(again):
    out, start = again
    before = checkpoint_path(out, 0).read_bytes()
    start("SOLVER.EARLY_STOP_PATIENCE", 0, "LOG_PERIOD", 1)
    assert "finished already, after epoch 1" in log(out)
    assert checkpoint_path(out, 0).read_bytes() == before
    with pytest.raises(ConfigError, match="SOLVER.MAX_EPOCH: 1 then, 2 now"):
        start("SOLVER.MAX_EPOCH", 2)
    start("SOLVER.MAX_EPOCH", 2, "TRAIN.RESUME_ANYWAY", True, "TEST.ENABLE", False)
    assert "resuming after 0 batches of epoch 2" in log(out)
    assert entries(out, 1)["run"] == entries(out, 0)["run"]


def test_an_unfinished_run_of_another_start_is_refused_and_each_way_out_works(again, tmp_path):
    out, start = again
    payload = entries(out)
    file = tmp_path / "foreign.pyth"
    torch.save(payload, file)
    torch.save({**payload, "cfg": payload["cfg"].replace("MAX_EPOCH: 1", "MAX_EPOCH: 2")},
               checkpoint_path(out, 0))  # fmt: skip
    epochs = ["SOLVER.MAX_EPOCH", 2, "TEST.ENABLE", False]
    tune = [*epochs, "TRAIN.FINETUNE", True, "TRAIN.CHECKPOINT_FILE_PATH", file]
    with pytest.raises(ConfigError) as error:
        start(*tune)
    text = str(error.value)
    assert "'random weights' then, 'the weights of" in text
    assert "TRAIN.CHECKPOINT_FILE_PATH" in text
    assert (
        "Give the command as it was to resume, use another OUTPUT_DIR or TRAIN.AUTO_RESUME" in text
    )
    assert not (out / "checkpoints/earlier-1").exists()
    with pytest.raises(CheckpointError, match="'random weights' then"):  # whoever starts it
        run.run(start.config(*tune))
    start(*tune, "OUTPUT_DIR", tmp_path / "other")
    start(*epochs)
    assert "resuming after 0 batches of epoch 2" in log(out)
    start(*tune, "TRAIN.AUTO_RESUME", False)
    assert f"an earlier run is in {out / 'checkpoints/earlier-1'} now" in log(out)
    assert entries(out)["started_from"]["file"] == str(file)


def test_a_run_of_before_that_has_no_hash_goes_on_by_its_path(again, tmp_path):
    out, start = again
    payload = {k: v for k, v in entries(out).items() if k not in ("started_from", "run")}
    torch.save(payload, checkpoint_path(out, 0))
    (out / "run.json").unlink()
    start()
    assert "finished already" in log(out)
    file = tmp_path / "start.pyth"
    torch.save(payload, file)
    tune = ["TRAIN.FINETUNE", True, "TRAIN.CHECKPOINT_FILE_PATH", file]
    old = start.config(*tune).dump()
    torch.save({**payload, "cfg": old}, checkpoint_path(out, 0))
    start(*tune)
    assert "has no hash of what it started from; the paths agree" in log(out)
    assert log(out).count("finished already") == 2


def test_after_a_training_the_test_is_of_what_it_wrote(again):
    out, start = again
    shutil.copy(checkpoint_path(out, 0), checkpoint_path(out, 98))
    start("SOLVER.MAX_EPOCH", 2, "TRAIN.RESUME_ANYWAY", True)
    tested = json.loads((out / "test_results.json").read_text())["weights"]
    assert tested == str(checkpoint_path(out, 1))
    assert "checkpoint_epoch_00099.pyth is passed over: its content is of epoch 1" in log(out)
