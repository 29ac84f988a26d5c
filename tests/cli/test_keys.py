"""The list of configuration keys."""

import pytest

from timesformer.config.keys import KEYS


def test_every_key_has_its_default_its_range_and_its_meaning(run_here):
    status, out, _ = run_here("keys")
    assert status == 0
    assert sum(not line.startswith(" ") for line in out.splitlines()) == len(KEYS)
    assert "NUM_GPUS  1  (at least 0)\n    GPUs to use on this machine." in out
    assert 'AUG.AUTO_AUGMENT  ""  (one of ' in out


@pytest.mark.parametrize("pattern", ["loss_func", "model.*func"])
def test_a_pattern_is_a_part_of_a_name_or_a_whole_one(run_here, pattern):
    status, out, _ = run_here("keys", pattern)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == ["MODEL.LOSS_FUNC"]


def test_a_pattern_without_a_key_says_what_was_meant(run_here):
    status, _, error = run_here("keys", "SOLVER.BASE_LRR")
    assert status == 2
    assert "did you mean SOLVER.BASE_LR?" in error
