"""What every test relies on: seeds of its own, and GPUs where they are promised."""

import contextlib
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests import conftest


def draws():
    return random.random(), np.random.rand(), float(torch.rand(()))


def test_a_test_draws_from_fixed_seeds_and_leaves_no_trace():
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = draws()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    with conftest.seeded():
        first = draws()
    with contextlib.suppress(ZeroDivisionError), conftest.seeded():
        assert draws() == first
        raise ZeroDivisionError
    assert draws() == expected
    assert set(first).isdisjoint(expected)


@pytest.mark.parametrize(
    ("promise", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_promised_gpu_that_is_missing_fails_its_tests(monkeypatch, promise, outcome):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("TIMESFORMER_REQUIRE_CUDA", promise)
    conftest.pytest_runtest_setup(SimpleNamespace(keywords={"slow"}))
    with pytest.raises(outcome, match="NVIDIA GPU"):
        conftest.pytest_runtest_setup(SimpleNamespace(keywords={"cuda"}))
