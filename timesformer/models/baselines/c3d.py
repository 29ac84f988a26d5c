"""``c3d``: eight 3-D convolutions and three linear layers (https://arxiv.org/abs/1412.0767).

The names of parameters are the plain ones of the Caffe model, ``conv1 ... fc8``.

clip (B, 3, 16, 112, 112) -> conv5b (B, 512, 2, 7, 7) -> pool5 (B, 512, 1, 4, 4) -> fc6, fc7 (B, 4096)
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.config import CfgNode
from timesformer.models.classifier import Classifier
from timesformer.models.library import TokenError

CONVOLUTIONS = {  # name -> channels, and the pooling after it: of time and place; 0: none
    "conv1": (64, (1, 2)),
    "conv2": (128, (2, 2)),
    "conv3a": (256, None),
    "conv3b": (256, (2, 2)),
    "conv4a": (512, None),
    "conv4b": (512, (2, 2)),
    "conv5a": (512, None),
    "conv5b": (512, (2, 2)),
}
GRID = (1, 4, 4)  # of pool5, for clips of 16 x 112 x 112; others are brought to it by a mean
LINEAR = {"fc6": 4096, "fc7": 4096}
DROPOUT = 0.5
# The mean image of Sports-1M, as one value a channel, of pixels 0 .. 255; published in the order BGR.
SPORTS1M_RGB = (101.41, 97.66, 90.25)
PIXEL = 255


class C3D(Classifier):
    """Clip classifier, (B, C, T, H, W) -> logits (B, num_classes), for 16 frames or more.

    Args:
        widths: channels of the convolutions and linear layers, if not the published ones.
    """

    classifier_name = "fc8"
    kind = "c3d"

    def __init__(
        self,
        *,
        num_classes: int,
        input_spec: tuple[int, int, int, int],
        widths: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.input_spec = input_spec
        width = {name: row[0] for name, row in CONVOLUTIONS.items()} | LINEAR | (widths or {})
        before = input_spec[0]
        for name in CONVOLUTIONS:
            self.add_module(name, nn.Conv3d(before, width[name], kernel_size=3, padding=1))
            before = width[name]
        before *= GRID[0] * GRID[1] * GRID[2]
        for name in LINEAR:
            self.add_module(name, nn.Linear(before, width[name]))
            before = width[name]
        self.num_features = before
        self.fc8 = nn.Linear(before, num_classes)
        self.dropout = nn.Dropout(DROPOUT)
        self._draw()

    def forward_features(self, clip: Tensor) -> Tensor:
        """What ``fc8`` gets, (B, D)."""
        return self._features(self._conv(clip))

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Raises TokenError: no map is as wide as the features."""
        raise TokenError(
            "c3d has no map as wide as its features; use the features of the whole clip (--tokens cls)"
        )

    def layer_groups(self) -> list[tuple[str, ...]]:
        names = [*CONVOLUTIONS, *LINEAR]
        return [*((name,) for name in names[:-1]), (names[-1], "dropout")]

    def _conv(self, x: Tensor) -> Tensor:
        for name, (_, window) in CONVOLUTIONS.items():
            x = F.relu(self.get_submodule(name)(x))
            if window is not None:
                time, place = window
                edge = int(name == "conv5b")  # 7 places become 4
                x = F.max_pool3d(x, (time, place, place), padding=(0, edge, edge))
        return x if x.shape[2:] == GRID else F.adaptive_avg_pool3d(x, GRID)

    def _features(self, grid: Tensor) -> Tensor:
        x = grid.flatten(1)
        for name in LINEAR:
            x = self.dropout(F.relu(self.get_submodule(name)(x)))
        return x

    def _draw(self) -> None:
        """Weights for ReLU (He et al. 2015); those of the paper do not train from scratch."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def build_c3d(cfg: CfgNode, in_channels: int) -> C3D:
    """C3D with freshly drawn weights."""
    side = cfg.DATA.TRAIN_CROP_SIZE
    spec = (in_channels, cfg.DATA.NUM_FRAMES, side, side)
    return C3D(num_classes=cfg.MODEL.NUM_CLASSES, input_spec=spec)


def pixels(mean: tuple[float, float, float], *, bgr: bool) -> dict[str, Any]:
    """Mean of R, G and B in 0 .. 255 and a scale of 1, as keys of a configuration say them."""
    return {
        "DATA.MEAN": [value / PIXEL for value in mean],
        "DATA.STD": [1 / PIXEL] * len(mean),
        "DATA.REVERSE_INPUT_CHANNEL": bgr,
    }


def defaults(name: str) -> dict[str, Any]:
    """The clips of the paper, and the pixels of its Sports-1M weights."""
    return pixels(SPORTS1M_RGB, bgr=True) | {
        "DATA.NUM_FRAMES": 16,
        "DATA.SAMPLING_RATE": 1,
        "DATA.TRAIN_CROP_SIZE": 112,
        "DATA.TEST_CROP_SIZE": 112,
        "DATA.TRAIN_JITTER_SCALES": [128, 160],
        "TEST.NUM_SPATIAL_CROPS": 1,  # the centre of the scaled frame
    }
