"""``torchvision/NAME``: the video models of torchvision, with its names of parameters.

3-D residual networks (https://arxiv.org/abs/1711.11248), S3D (https://arxiv.org/abs/1712.04851), MViT
(https://arxiv.org/abs/2112.01526), Video Swin (https://arxiv.org/abs/2106.13230).
"""

import re
from typing import Any

from timesformer.config import CfgNode, ConfigError
from timesformer.models.library import LibraryModel
from timesformer.models.spec import unknown_name

PREFIX = "torchvision/"
FPS = 15  # to which rates of frames are referred; those of all weights divide it
_MEASURED = re.compile(r"frame_rate=([\d.]+)`.*`clip_len=(\d+)")  # in the words about the weights


def build_torchvision(cfg: CfgNode, in_channels: int) -> LibraryModel:
    """The model that torchvision calls so, with freshly drawn weights.

    Raises:
        ConfigError: it has no such video model.
    """
    from torchvision import models

    kind = cfg.MODEL.MODEL_NAME
    name = known_name(kind)
    num_frames, side = cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE
    return LibraryModel(
        models.get_model(name, weights=None, num_classes=cfg.MODEL.NUM_CLASSES),
        kind=kind,
        num_classes=cfg.MODEL.NUM_CLASSES,
        input_spec=(in_channels, num_frames, side, side),
    )


def known_name(kind: str) -> str:
    """``torchvision/r3d_18`` and ``r3d_18`` -> ``r3d_18``; errors as ``build_torchvision``."""
    name = kind.removeprefix(PREFIX)
    if PREFIX + name not in names():
        raise ConfigError(unknown_name(kind, names()))
    return name


def names() -> list[str]:
    """All that this torchvision has."""
    from torchvision import models

    return [PREFIX + name for name in models.list_models(module=models.video)]


def weights_of(name: str) -> dict[str, Any]:
    """The published weights of ``torchvision/NAME`` by their names, as KINETICS400_V1."""
    from torchvision import models

    return dict(models.get_model_weights(known_name(name)).__members__)


def preprocessing(weights: Any) -> dict[str, Any]:
    """Keys and values of the configuration, of the transforms that published weights were trained with.

    Torchvision scales both sides of a frame to fixed sizes; here the short side becomes the smaller.
    """
    found = weights.transforms()
    crop, scale = min(found.crop_size), min(found.resize_size)
    measured = _MEASURED.search(weights.meta["_docs"])
    assert measured is not None
    return {
        "DATA.NUM_FRAMES": int(measured[2]),
        "DATA.TARGET_FPS": FPS,
        "DATA.SAMPLING_RATE": round(FPS / float(measured[1])),
        "DATA.MEAN": list(found.mean),
        "DATA.STD": list(found.std),
        "DATA.TRAIN_CROP_SIZE": crop,
        "DATA.TEST_CROP_SIZE": crop,
        "DATA.TRAIN_JITTER_SCALES": [scale, max(scale * 5 // 4, crop)],
        "TEST.NUM_SPATIAL_CROPS": 1,  # the centre of the scaled frame
    }


def defaults(name: str) -> dict[str, Any]:
    """The preprocessing of the first published weights of ``name``."""
    return preprocessing(next(iter(weights_of(name).values())))
