"""RAFT small of torchvision as a method of optical flow, with weights from a local file."""

import functools
import pickle
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from timesformer.errors import InputError

SIDES = 8  # the network halves an image three times
LEAST_SIDE = 128  # of its images: it compares them at an eighth and three halvings below
URL = "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth"


class RaftWeightsError(InputError, ValueError):
    """The weights of RAFT are missing, or are others."""


@functools.cache
def raft_small(weights: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """From two images (H, W, 3) uint8 RGB to the flow (H, W, 2) float32 between them.

    Args:
        weights: file of torchvision's ``Raft_Small_Weights.C_T_V2``.

    Raises:
        RaftWeightsError: there is no such file, or it holds something else.
    """
    remedy = f"download {URL} where there is a network, copy it here, and name the file"
    if not weights:
        raise RaftWeightsError(f"optical flow raft_small needs a file of weights; {remedy}")
    from torchvision.models.optical_flow import raft_small as build  # takes seconds

    model = build(weights=None).eval()
    try:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise RaftWeightsError(
            f"{weights}: no such file of weights of raft_small; {remedy}"
        ) from None
    except (RuntimeError, TypeError, AttributeError, OSError, EOFError, pickle.UnpicklingError):
        raise RaftWeightsError(
            f"{weights}: not the weights of torchvision's raft_small; {remedy}"
        ) from None

    @torch.inference_mode()
    def between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        flow: Tensor = model(_input(first), _input(second))[-1]
        return flow[0, :, :height, :width].permute(1, 2, 0).numpy()

    return between


def _input(image: np.ndarray) -> Tensor:
    """(1, 3, H', W') in -1 .. 1, its border repeated up to sides that the network takes."""
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()
    below, right = (max(-(-side // SIDES) * SIDES, LEAST_SIDE) - side for side in image.shape[:2])
    return functional.pad(planes / 127.5 - 1, (0, right, 0, below), mode="replicate")
