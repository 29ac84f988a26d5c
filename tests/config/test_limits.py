import pytest

from tests.test_project import flat
from timesformer.config import defaults, limits
from timesformer.config.data_defaults import data_defaults
from timesformer.config.training_defaults import training_defaults


@pytest.mark.parametrize("table", [limits.CHOICES, limits.AT_LEAST, limits.FRACTIONS])
def test_every_limit_is_of_a_key_that_exists(table):
    assert set(table) <= set(flat(defaults()))


def test_the_three_files_of_defaults_do_not_overlap():
    whole, data, training = defaults(), type(defaults())(), type(defaults())()
    data_defaults(data)
    training_defaults(training)
    assert set(data) == {"DATA", "DATA_LOADER", "AUG", "MIXUP"}
    assert set(training) == {"TRAIN", "TEST", "SOLVER"}
    assert set(data) | set(training) < set(whole)
