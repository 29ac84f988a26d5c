"""Names of devices to devices that PyTorch can use on this machine."""

import torch

from timesformer.config import ConfigError
from timesformer.io.terminal import first_line


def open_device(name: str) -> torch.device:
    """The device called ``name``; auto is a GPU if there is one.

    Raises:
        ConfigError: no such device, or PyTorch cannot use it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device is {name!r}; choose auto, cpu, cuda, or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {name!r}, but this machine has {torch.cuda.device_count()} GPUs; use auto"
        )
    try:
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # as builds lack devices
        raise ConfigError(
            f"device is {name!r}, which PyTorch cannot use here ({first_line(error)}); use auto"
        ) from error
    return device
