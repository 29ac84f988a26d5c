"""``pytorchvideo/NAME``: SlowFast, Slow, I3D, C2D, X3D, R(2+1)D, CSN and MViT of PyTorchVideo.

The names are those of ``pytorchvideo.models.hub``, and so are the names of parameters, so its
checkpoints load as they are. Logits are those before the softmax that some heads of it have. A crop
larger than the pooling of the head gets the mean of the logits of several places; PySlowFast, whose
files load too, has the mean of their probabilities there.
"""

import re
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import nn

from timesformer.config import CfgNode, ConfigError
from timesformer.models.library import LibraryModel
from timesformer.models.spec import unknown_name

PREFIX = "pytorchvideo/"
SLOW_FAST = f"{PREFIX}slowfast"
INSTALL = 'pip install "timesformer[pytorchvideo]"'
_OTHERS = re.compile(r"detection|efficient|mvit_base_16$")  # of boxes, of phones, of images


def build_pytorchvideo(cfg: CfgNode, in_channels: int) -> LibraryModel:
    """The model that PyTorchVideo's hub calls so, with freshly drawn weights.

    Raises:
        ConfigError: the extra is not installed, or it has no such model.
    """
    kind, side = cfg.MODEL.MODEL_NAME, cfg.DATA.TRAIN_CROP_SIZE
    if kind not in names():
        raise ConfigError(unknown_name(kind, names()))
    hub = load_hub()
    with torch.device("cpu"):  # its transformers read numbers back
        net = getattr(hub, kind.removeprefix(PREFIX))(pretrained=False)
    for module in list(net.modules()):
        if isinstance(getattr(module, "activation", None), nn.Softmax):
            module.activation = None  # logits are what losses and scores want
    return LibraryModel(
        net.to(torch.get_default_device()),
        kind=kind,
        num_classes=cfg.MODEL.NUM_CLASSES,
        input_spec=(in_channels, cfg.DATA.NUM_FRAMES, side, side),
        layout="slow_fast" if kind.startswith(SLOW_FAST) else "clip",
    )


def names() -> list[str]:
    """All classifiers of clips of the hub; errors as ``load_hub``."""
    hub = load_hub()
    found = (name for name in dir(hub) if callable(getattr(hub, name)))
    return [PREFIX + name for name in found if name[0] != "_" and not _OTHERS.search(name)]


def load_hub() -> ModuleType:
    """PyTorchVideo's builders, by name.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of its use of torch.jit
            from pytorchvideo.models import hub
    except ImportError as error:
        raise ConfigError(
            f"the models {PREFIX}NAME need the package pytorchvideo ({error}); install it with {INSTALL}"
        ) from error
    found: ModuleType = hub
    return found


CLIPS = {  # of the published weights: frames, step between them at 30 frames a second, crop
    "x3d_xs": (4, 12, 160),
    "x3d_s": (13, 6, 160),
    "x3d_m": (16, 5, 224),
    "x3d_l": (16, 5, 312),
    "slowfast": (32, 2, 224),
    "slowfast_16x8": (64, 2, 224),
    "csn": (32, 2, 224),
    "r2plus1d": (16, 4, 224),
    "mvit_base_16x4": (16, 4, 224),
    "mvit_base_32x3": (32, 3, 224),
    "": (8, 8, 224),
}


def defaults(name: str) -> dict[str, Any]:
    """The clips and pixels that the published weights assume."""
    name = name.removeprefix(PREFIX)
    frames, rate, crop = CLIPS[max(filter(name.startswith, CLIPS), key=len)]
    scale = max(crop * 8 // 7, crop)
    return {
        "DATA.NUM_FRAMES": frames,
        "DATA.SAMPLING_RATE": rate,
        "DATA.TRAIN_CROP_SIZE": crop,
        "DATA.TEST_CROP_SIZE": crop,
        "DATA.TRAIN_JITTER_SCALES": [scale, scale * 5 // 4],
        "DATA.MEAN": [0.45, 0.45, 0.45],
        "DATA.STD": [0.225, 0.225, 0.225],
    }
