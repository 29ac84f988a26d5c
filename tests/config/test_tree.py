import pytest

from timesformer.config import ConfigError, changed, load_config
from timesformer.config.tree import value_of


def test_a_changed_configuration_is_a_frozen_copy(tiny_yaml):
    cfg = load_config(tiny_yaml)
    other = changed(cfg, {"SOLVER.MAX_EPOCH": 7, "TENSORBOARD.HISTOGRAM.TOPK": 3})
    assert (other.SOLVER.MAX_EPOCH, other.TENSORBOARD.HISTOGRAM.TOPK) == (7, 3)
    assert other.is_frozen()
    assert cfg.SOLVER.MAX_EPOCH == 2
    assert changed(other, {"SOLVER.MAX_EPOCH": 2, "TENSORBOARD.HISTOGRAM.TOPK": 10}) == cfg


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"SOLVER.MAX_EPOCHS": 1},
            "unknown config key SOLVER.MAX_EPOCHS; did you mean SOLVER.MAX_EP",
        ),
        ({"SOLVER.MAX_EPOCH": "x"}, "SOLVER.MAX_EPOCH is 'x', but must be a whole number"),
        ({"SOLVER.MAX_EPOCH": 0}, "SOLVER.MAX_EPOCH is 0, but must be at least 1"),
        ({"TIMESFORMER.NUM_HEADS": 7}, r"NUM_HEADS \(7\) must divide it"),
    ],
)
def test_a_change_is_checked_as_a_file_is(tiny_yaml, values, message):
    with pytest.raises(ConfigError, match=f"^{message}" if "unknown" in message else message):
        changed(load_config(tiny_yaml), values)


def test_a_value_is_read_by_its_full_name(tiny_yaml):
    cfg = load_config(tiny_yaml)
    assert value_of(cfg, "SOLVER.MAX_EPOCH") == cfg.SOLVER.MAX_EPOCH
    assert value_of(cfg, "SOLVER") == cfg.SOLVER
