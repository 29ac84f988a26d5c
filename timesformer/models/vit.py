"""The import path and the constructor of the published README."""

from typing import Any

from timesformer.models import timesformer


class TimeSformer(timesformer.TimeSformer):
    """``timesformer.models.TimeSformer`` with the arguments of the published class.

    (B, 3, T, H, W) -> logits (B, num_classes).

    Args:
        pretrained_model: a file or folder of any known format, or ``timm/NAME``; ``imagenet`` for
            the ImageNet ViT of this shape (timm downloads it once); empty: freshly drawn weights.
            Different on purpose: the published class downloaded ImageNet weights for the empty
            string, so it could not be built offline.
        kwargs: sizes and rates of ``timesformer.models.timesformer.TimeSformer``.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        num_classes: int = 400,
        num_frames: int = 8,
        attention_type: str = "divided_space_time",
        pretrained_model: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_size=img_size,
            patch_size=patch_size,
            num_classes=num_classes,
            num_frames=num_frames,
            attention_type=attention_type,
            **kwargs,
        )
        if pretrained_model == "imagenet":
            from timesformer.checkpoint.pretrained import load_imagenet

            load_imagenet(self)
        elif pretrained_model:
            from timesformer.checkpoint.load import load_weights

            load_weights(self, pretrained_model)

    @property
    def model(self) -> "TimeSformer":
        """The network itself: published code reaches it as ``TimeSformer(...).model``."""
        return self
