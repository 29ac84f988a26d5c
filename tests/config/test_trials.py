import pytest

from timesformer.config import ConfigError, load_config
from timesformer.config.trials import in_folder, overfit_overrides


def test_overfitting_turns_off_whatever_keeps_the_loss_from_zero(tiny_yaml):
    on = ["AUG.AUTO_AUGMENT", "randaugment", "AUG.NUM_REPEATS", "2", "MIXUP.ENABLED", "True"]
    on += ["TIMESFORMER.DROP_PATH_RATE", "0.2", "SOLVER.LABEL_SMOOTHING", "0.1"]
    cfg = load_config(tiny_yaml, [*on, *overfit_overrides(3)])
    assert cfg.DATA.OVERFIT_BATCHES == 3
    assert cfg.AUG.AUTO_AUGMENT == ""
    assert cfg.AUG.NUM_REPEATS == 1
    assert not cfg.MIXUP.ENABLED
    assert not cfg.TEST.ENABLE
    assert cfg.SOLVER.LABEL_SMOOTHING == 0
    assert cfg.TIMESFORMER.DROP_PATH_RATE == 0


def test_a_trial_has_a_folder_of_its_own_and_leaves_the_configuration_alone(tiny_yaml, tmp_path):
    cfg = load_config(tiny_yaml)
    trial = in_folder(cfg, "dry-run", SOLVER__MAX_EPOCH=1, TENSORBOARD__HISTOGRAM__TOPK=3)
    assert str(tmp_path / "out/dry-run") == trial.OUTPUT_DIR
    assert (trial.SOLVER.MAX_EPOCH, trial.TENSORBOARD.HISTOGRAM.TOPK) == (1, 3)
    assert trial.is_frozen()
    assert (str(tmp_path / "out"), 2) == (cfg.OUTPUT_DIR, cfg.SOLVER.MAX_EPOCH)


@pytest.mark.parametrize("key", ["DATA.LIMIT_TRAIN_BATCHES", "DATA.LIMIT_VAL_BATCHES"])
def test_a_limit_is_whole_or_a_share(tiny_yaml, key):
    rule = rf"{key} is 2\.5, but must be a whole number of batches, a share below 1, .*; use 2"
    with pytest.raises(ConfigError, match=rule):
        load_config(tiny_yaml, [key, "2.5"])
    with pytest.raises(ConfigError, match=f"{key} is -1.0, but must be at least 0"):
        load_config(tiny_yaml, [key, "-1"])
    assert load_config(tiny_yaml, [key, "0.5"])


def test_overfitting_shows_one_clip_of_a_video(tiny_yaml):
    with pytest.raises(ConfigError, match="AUG.NUM_REPEATS is 2, but DATA.OVERFIT_BATCHES shows"):
        load_config(tiny_yaml, ["AUG.NUM_REPEATS", "2", "DATA.OVERFIT_BATCHES", "1"])
