"""Names of devices."""

import pytest
import torch

from timesformer.config import ConfigError
from timesformer.inference.device import open_device


def test_auto_is_a_gpu_if_there_is_one():
    assert open_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert open_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [("gpu", "choose auto, cpu, cuda, or cuda:N"), ("cuda:99", "but this machine has"),
     ("meta", "which PyTorch cannot use here")],
)  # fmt: skip
def test_a_device_that_is_not_there_is_an_error(name, message):
    with pytest.raises(ConfigError, match=message):
        open_device(name)
