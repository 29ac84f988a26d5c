import pytest

from timesformer.config import ConfigError, load_config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.LOSS_FUNC", "bce_logit"], "LOSS_FUNC must be cross_entropy, but DATA.EXTRA_TRAIN"),
        (["MIXUP.ENABLED", "True"], "MIXUP.ENABLED mixes clips of both lists.* set .* False"),
        (["DATA.OVERFIT_BATCHES", "1"], "OVERFIT_BATCHES trains on one list.* set .* 0"),
        (
            ["DATA.MULTI_LABEL", "True", "MODEL.LOSS_FUNC", "bce_logit"],
            "MULTI_LABEL needs one classifier.* set DATA.MULTI_LABEL False",
        ),
    ],
)
def test_what_a_classifier_for_each_list_excludes(tiny_yaml, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(tiny_yaml, ["DATA.EXTRA_TRAIN", "extra.csv", *overrides])


def test_a_test_alone_may_keep_the_key(tiny_yaml):
    options = [
        "DATA.EXTRA_TRAIN",
        "extra.csv",
        "MODEL.LOSS_FUNC",
        "bce_logit",
        "TRAIN.ENABLE",
        "False",
    ]
    assert load_config(tiny_yaml, options).DATA.EXTRA_TRAIN == "extra.csv"
