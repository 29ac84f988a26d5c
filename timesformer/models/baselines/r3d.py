"""R3D-18, a residual network of 3-D convolutions (https://arxiv.org/abs/1711.11248), by torchvision.

Parameters carry torchvision's names, so its weights of Kinetics-400 load as they are.
"""

from torch import Tensor
from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple, VideoResNet

from timesformer.models.classifier import Classifier

STAGES = ("layer1", "layer2", "layer3", "layer4")
BLOCKS = 2  # of a stage
NUM_FEATURES = 512


class R3D18(VideoResNet, Classifier):  # type: ignore[misc]  # torchvision has no types
    """Clip classifier, (B, 3, T, H, W) -> logits (B, num_classes), for any T, H and W."""

    classifier_name = "fc"
    kind = "r3d_18"

    def __init__(self, *, num_classes: int, num_frames: int, img_size: int) -> None:
        makers = [Conv3DSimple] * len(STAGES)
        super().__init__(BasicBlock, makers, [BLOCKS] * len(STAGES), BasicStem, num_classes)
        self.input_spec = (3, num_frames, img_size, img_size)
        self.num_features = NUM_FEATURES

    def forward(self, clip: Tensor) -> Tensor:
        return Classifier.forward(self, clip)

    def forward_features(self, clip: Tensor) -> Tensor:
        """Mean of the last feature map over places and times, (B, D)."""
        return self.forward_tokens(clip)[0]

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """``forward_features``, and the last feature map (B, T / 8, H / 16, W / 16, D), rounded up."""
        x = clip
        for name in ("stem", *STAGES):
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3, 4)), x.movedim(1, -1)

    def layer_groups(self) -> list[tuple[str, ...]]:
        return [("stem",), *((f"{stage}.{i}",) for stage in STAGES for i in range(BLOCKS))]
