from timesformer.config import load_config
from timesformer.config.presets import in_folder, overfit


def test_overfitting_turns_off_everything_that_keeps_the_loss_above_zero(tiny_yaml, tmp_path):
    on = ["AUG.AUTO_AUGMENT", "randaugment", "AUG.NUM_REPEATS", "2", "MIXUP.ENABLED", "True"]
    on += ["TIMESFORMER.DROP_PATH_RATE", "0.2", "SOLVER.LABEL_SMOOTHING", "0.1"]
    cfg = overfit(load_config(tiny_yaml, [*on, "TRAIN.BATCH_SIZE", "4"]), 3)
    assert cfg.DATA.OVERFIT_BATCHES == 3
    assert cfg.AUG.AUTO_AUGMENT == ""
    assert cfg.AUG.NUM_REPEATS == 1
    assert not cfg.MIXUP.ENABLED
    assert not cfg.TEST.ENABLE
    assert cfg.SOLVER.LABEL_SMOOTHING == 0
    assert cfg.TIMESFORMER.DROP_PATH_RATE == 0
    assert str(tmp_path / "out/overfit") == cfg.OUTPUT_DIR


def test_a_trial_has_its_own_folder_and_leaves_the_configuration_alone(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    values = {"SOLVER.MAX_EPOCH": 1, "TENSORBOARD.HISTOGRAM.TOPK": 3}
    trial = in_folder(cfg, "dry-run", values)
    assert str(tmp_path / "out/dry-run") == trial.OUTPUT_DIR
    assert (trial.SOLVER.MAX_EPOCH, trial.TENSORBOARD.HISTOGRAM.TOPK) == (1, 3)
    assert (str(tmp_path / "out"), 2) == (cfg.OUTPUT_DIR, cfg.SOLVER.MAX_EPOCH)
