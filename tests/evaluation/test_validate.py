import json
import logging

import pytest
import torch

from timesformer.config import load_config
from timesformer.datasets.build import build_dataset, build_loader, build_normalizer
from timesformer.engine.early_stopping import EarlyStopping
from timesformer.errors import InputError
from timesformer.evaluation.validate import build_validator, mean_average_precision
from timesformer.models import build_model
from timesformer.runtime import log

CPU = torch.device("cpu")


def validator_of(cfg):
    return build_validator(cfg, build_loader(cfg, "val"), CPU, {})


def run(cfg, caplog, epoch=0):
    torch.manual_seed(0)
    model = build_model(cfg)
    torch.nn.init.normal_(model.head.weight)
    caplog.clear()
    caplog.set_level(logging.INFO)
    validator_of(cfg).run(model, epoch, log.Scalars(None))
    stats = [m for m in caplog.messages if m.startswith("json_stats")]
    return model, json.loads(stats[-1].removeprefix("json_stats: "))


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_error_is_that_of_a_naive_loop_in_batches_of_any_size(tiny_yaml, caplog, batch_size):
    """The published mean over batches gave a short last batch the weight of a full one."""
    cfg = load_config(tiny_yaml, ["TRAIN.BATCH_SIZE", str(batch_size)])
    model, stats = run(cfg, caplog)
    dataset, wrong = build_dataset(cfg, "val"), 0
    for i in range(len(dataset)):
        sample = dataset[0, i]
        with torch.no_grad():
            logits = model.eval()(build_normalizer(cfg)(sample.clips))
        wrong += int(logits.argmax()) != int(sample.labels)
    assert stats["top1_err"] == pytest.approx(100 * wrong / 7, abs=1e-5)
    assert (stats["videos"], stats["top5_err"], stats["epoch"]) == (7, 0, "1/2")


def test_a_val_list_without_a_readable_video_ends_the_run(tiny_yaml, tmp_path, caplog):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.mp4").write_text("no video")
    (tmp_path / "broken/val.csv").write_text("a.mp4 0\n")
    cfg = load_config(tiny_yaml, ["DATA.PATH_TO_DATA_DIR", str(tmp_path / "broken")])
    with pytest.raises(
        InputError, match=r"no video of .*val\.csv can be read \(1 tried\).*a\.mp4: "
    ):
        run(cfg, caplog)


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_that_are_not_finite_are_no_accuracy(tiny_yaml, caplog, tmp_path, multi_label):
    """Training goes on, but this validation has no figure and is never the best."""
    cfg = load_config(tiny_yaml)
    validator, model = validator_of(cfg), build_model(cfg)
    if multi_label:
        validator.measure = mean_average_precision
    torch.nn.init.constant_(model.head.bias, torch.nan)
    caplog.set_level(logging.INFO)
    scalars = log.Scalars(None)
    found = validator.run(model, 0, scalars)
    assert found == {"videos": 7, "unreadable": 0}
    assert "7 videos have scores that are not finite, so this validation has no acc" in caplog.text
    assert caplog.text.count("video not validated: ") == 3
    last = json.loads(caplog.messages[-1].removeprefix("json_stats: "))
    assert last["nonfinite"] == 7
    assert not {"top1_err", "map", "min_top1_err"} & last.keys()
    best = EarlyStopping(patience=1)
    assert not best.update(found, 0)
    assert best.is_over


def test_validation_drops_nothing_and_takes_the_middle_clip(tiny_yaml, caplog):
    """Stochastic depth and dropout are of training; the clip is the paper's."""
    random = ["TIMESFORMER.DROP_PATH_RATE", "0.9", "TIMESFORMER.DROP_RATE", "0.9"]
    _, first = run(load_config(tiny_yaml, random), caplog)
    _, second = run(load_config(tiny_yaml, random), caplog)
    assert first["top1_err"] == second["top1_err"]
    view = build_dataset(load_config(tiny_yaml), "val").view
    assert (view.placement, view.num_views, view.crops) == ("paper", 1, (1,))


def test_batches_are_logged_as_published(tiny_yaml, caplog):
    run(load_config(tiny_yaml, ["LOG_PERIOD", "1"]), caplog)
    lines = [m for m in caplog.messages if '"val_iter"' in m]
    assert len(lines) == 2
    keys = {"_type", "epoch", "eta", "gpu_mem", "iter", "time_diff", "top1_err", "top5_err"}
    assert json.loads(lines[0].removeprefix("json_stats: ")).keys() == keys


def test_a_limited_validation_says_so(tiny_yaml, caplog):
    _, stats = run(load_config(tiny_yaml, ["DATA.LIMIT_VAL_BATCHES", "1"]), caplog)
    assert (stats["videos"], stats["limited"]) == (4, "4 of 7 videos (DATA.LIMIT_VAL_BATCHES 1)")
    _, stats = run(load_config(tiny_yaml), caplog)
    assert "limited" not in stats
