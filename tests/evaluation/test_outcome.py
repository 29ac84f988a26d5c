"""The facts of a test in its result files; a test on the list of validation has files of its own."""

import csv
import json

import pytest
import torch

from tests.conftest import stirred
from timesformer.config import ConfigError, load_config
from timesformer.datasets import load_views
from timesformer.engine.run import launch_run
from timesformer.engine.run_record import results
from timesformer.files import RUN_RECORD, result_files, run_files
from timesformer.models import build_model


@pytest.fixture
def tested(tiny_yaml, tmp_path):
    """Test a stirred model with overrides; returns its OUTPUT_DIR, its configuration and the model."""

    def run(*overrides):
        keys = [str(item) for item in ("TRAIN.ENABLE", "False", *overrides)]
        weights = tmp_path / "model.pyth"
        cfg = load_config(tiny_yaml, [*keys, "TEST.CHECKPOINT_FILE_PATH", str(weights)])
        model = stirred(build_model(cfg))
        torch.save(model.state_dict(), weights)
        launch_run(cfg)
        return tmp_path / "out", cfg, model

    return run


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("keys", "ensemble"),
    [
        ((), "sum"),
        (("DATA.ENSEMBLE_METHOD", "softmax"), "softmax"),
        (("DATA.ENSEMBLE_METHOD", "softmax", "DATA.MULTI_LABEL", "True", "MODEL.LOSS_FUNC",
          "bce_logit"), "sigmoid"),
    ],
)  # fmt: skip
def test_the_results_say_how_the_scores_came_about(tested, keys, ensemble):
    out, *_ = tested(*keys, "TEST.NUM_SPATIAL_CROPS", 1, "TEST.PRECISION", "bf16")
    found = json.loads((out / "test_results.json").read_text())
    facts = {"split": "test", "views": 2, "ensemble": ensemble, "precision": "bf16"}
    assert {name: found[name] for name in facts} == facts


def test_a_test_on_the_list_of_validation_shows_the_views_of_a_test(tested, data_dir, capsys):
    out, cfg, model = tested("TEST.SPLIT", "val")
    *names, _ = result_files("val")
    assert tuple(names) == ("val_predictions.csv", "val_classes.csv", "val_results.json")
    assert ", ".join(names) in capsys.readouterr().out
    assert not list(out.glob("test_*"))
    assert {out / name for name in names} < set(run_files(out))
    rows = read_rows(out / "val_predictions.csv")
    assert [row["path"] for row in rows] == [
        str(data_dir / f"videos/val {i}.mp4") for i in range(7)
    ]
    with torch.inference_mode():
        for row in rows:
            expected = model(load_views(row["path"], cfg)).sum(dim=0)
            scores = torch.tensor([float(row[f"score_{k}"]) for k in range(3)])
            assert torch.allclose(scores, expected, rtol=1e-4, atol=1e-4)
    found = json.loads((out / "val_results.json").read_text())
    assert (found["split"], found["videos"], found["views"]) == ("val", 7, 6)
    assert found["list"].endswith("val.csv")
    recorded = json.loads((out / RUN_RECORD).read_text())
    assert recorded["sessions"][-1]["data"]["test"]["list"].endswith("val.csv")
    assert recorded["result"] == results(out, []) == {"test_on_val": found}


def test_the_two_lists_are_tested_into_one_folder(tested):
    tested()
    out, *_ = tested("TEST.SPLIT", "val")
    assert len(read_rows(out / "test_predictions.csv")) == 9
    assert len(read_rows(out / "val_predictions.csv")) == 7
    assert results(out, []).keys() == {"test", "test_on_val"}


def test_overfitting_does_not_change_the_list_of_a_test(tested, data_dir):
    out, *_ = tested("TEST.SPLIT", "val", "DATA.OVERFIT_BATCHES", 1)
    assert len(read_rows(out / "val_predictions.csv")) == 7


def test_a_list_of_validation_that_is_not_there_is_named(tested, tmp_path):
    (tmp_path / "test.csv").write_text("a.mp4 0\n")
    with pytest.raises(ConfigError, match=r"list .*/val\.csv does not exist; put it there, or set"):
        tested("TEST.SPLIT", "val", "DATA.PATH_TO_DATA_DIR", tmp_path)


def test_another_split_is_refused(tiny_yaml):
    with pytest.raises(ConfigError, match=r"TEST\.SPLIT is 'train'; choose one of test, val"):
        load_config(tiny_yaml, ["TEST.SPLIT", "train"])
