import pytest

from timesformer.config import ConfigError, finetuning, load_config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["SOLVER.LAYER_DECAY", 0], "LAYER_DECAY is 0.0, but must be above 0 and at most 1"),
        (["SOLVER.LAYER_DECAY", 1.1], "LAYER_DECAY is 1.1, but must be above 0 and at most 1"),
        (["SOLVER.HEAD_LR_RATIO", -1], "HEAD_LR_RATIO is -1.0, but must be at least 0"),
        (["SOLVER.LABEL_SMOOTHING", 1], r"LABEL_SMOOTHING is 1.0, but must be in \[0, 1\)"),
        (
            ["SOLVER.LABEL_SMOOTHING", 0.1, "MODEL.LOSS_FUNC", "bce_logit"],
            "LABEL_SMOOTHING is 0.1, but MODEL.LOSS_FUNC is bce_logit; it needs cross_entropy",
        ),
        (["TRAIN.FINETUNE", 1], "FINETUNE is True, but TRAIN.CHECKPOINT_FILE_PATH names no file"),
    ],
)
def test_what_fine_tuning_cannot_use(tiny_yaml, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(tiny_yaml, [str(item) for item in overrides])


def test_the_published_recipe_has_no_such_problem(tiny_yaml):
    assert not list(finetuning.finetuning_problems(load_config(tiny_yaml)))
