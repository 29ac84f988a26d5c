"""``timm/NAME+TIME``: an image model of timm on every frame, then one step over time.

Frame by frame with a mean is the baseline without order (Karpathy et al. 2014, Wang et al. 2016); a
recurrent step makes it CNN + LSTM (LRCN, https://arxiv.org/abs/1411.4389). Parameters of the image
model are called ``encoder.`` and timm's name, so TRAIN.FREEZE ['encoder.*'] freezes it.

frames  (B * T, C, H, W) -> features (B, T, D) -> (B, D) -> logits (B, K)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from timesformer.config import CfgNode, ConfigError
from timesformer.models.classifier import Classifier, fresh_linear
from timesformer.models.layer_groups import layer_groups
from timesformer.models.layouts import frames
from timesformer.models.library import TokenError
from timesformer.models.spec import unknown_name

PREFIX = "timm/"
ENCODER = "encoder"


class Mean(nn.Module):
    """(B, T, D) -> (B, D), the mean over time."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


class Max(Mean):
    """The maximum over time."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=1)


class Attention(nn.Module):
    """A weighted mean over time: the weights are a softmax of one learned score a frame."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.score(x).softmax(dim=1)
        return (weights * x).sum(dim=1)


class LSTM(nn.LSTM):
    """The last output of one layer that is as wide as the features."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        last: Tensor = super().forward(x)[0][:, -1]
        return last


class GRU(nn.GRU):
    """As ``LSTM``."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        last: Tensor = super().forward(x)[0][:, -1]
        return last


OVER_TIME: Mapping[str, type[nn.Module]] = {
    "mean": Mean,
    "max": Max,
    "attention": Attention,
    "lstm": LSTM,
    "gru": GRU,
}


class FrameWise(Classifier):
    """Clip classifier, (B, C, T, H, W) -> logits (B, num_classes).

    Args:
        encoder: an image model that gives features (B, D), as timm makes it for no classes.
        over_time: a row of ``OVER_TIME``.
    """

    has_whole_state = False  # libraries compute tables of positions when a model is built

    def __init__(
        self,
        encoder: nn.Module,
        over_time: str,
        *,
        kind: str,
        num_classes: int,
        input_spec: tuple[int, int, int, int],
    ) -> None:
        super().__init__()
        self.kind, self.input_spec = kind, input_spec
        self.num_features: int = getattr(encoder, "head_hidden_size", 0) or encoder.num_features  # type: ignore[assignment]
        self.encoder = encoder
        self.temporal = OVER_TIME[over_time](self.num_features)
        self.head = fresh_linear(self.num_features, num_classes)

    def forward_features(self, clip: Tensor) -> Tensor:
        """Features of the clip, (B, C, T, H, W) -> (B, D)."""
        each = rearrange(self.encoder(frames(clip)), "(b t) d -> b t d", t=clip.shape[2])
        features: Tensor = self.temporal(each)
        return features

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """``forward_features``, and the last map of every frame, (B, T, h, w, D).

        Raises:
            TokenError: the maps are not as wide as the features.
        """
        maps: Callable[..., list[Tensor]] = self.encoder.forward_intermediates  # type: ignore[assignment]
        made = maps(frames(clip), indices=1, intermediates_only=True)
        grid = rearrange(made[-1], "(b t) d h w -> b t h w d", t=clip.shape[2])
        if grid.shape[-1] != self.num_features:
            raise TokenError(
                f"{self.kind} has maps of {grid.shape[-1]} channels and features of "
                f"{self.num_features}; use the features of the whole clip (--tokens cls)"
            )
        return self.forward_features(clip), grid

    def no_weight_decay(self) -> set[str]:
        found: set[str] = getattr(self.encoder, "no_weight_decay", set)()
        names = {name for name, _ in self.named_parameters()}
        return {f"{ENCODER}.{name}" for name in found} & names

    def layer_groups(self) -> list[tuple[str, ...]]:
        return layer_groups(self, self.classifier_name, opened=(ENCODER,))


def build_frame_wise(cfg: CfgNode, in_channels: int) -> FrameWise:
    """The model ``timm/NAME+TIME``, with freshly drawn weights.

    Raises:
        ConfigError: timm has no such model, or there is no such step over time.
    """
    kind, side = cfg.MODEL.MODEL_NAME, cfg.DATA.TRAIN_CROP_SIZE
    name, over_time = split_name(kind)
    return FrameWise(
        image_model(name, in_channels, side),
        over_time,
        kind=kind,
        num_classes=cfg.MODEL.NUM_CLASSES,
        input_spec=(in_channels, cfg.DATA.NUM_FRAMES, side, side),
    )


def image_model(name: str, in_channels: int, side: int) -> nn.Module:
    """Timm's model without classifier, for frames of ``side`` pixels if it takes but one size."""
    import timm

    fixed = timm.get_pretrained_cfg(name, allow_unregistered=True)
    sizes: dict[str, Any] = (
        {"img_size": side} if fixed is not None and fixed.fixed_input_size else {}
    )
    return timm.create_model(name, num_classes=0, in_chans=in_channels, **sizes)


def split_name(kind: str) -> tuple[str, str]:
    """``timm/resnet18+lstm`` -> (``resnet18``, ``lstm``).

    Raises:
        ConfigError: timm has no such model, or there is no step over time, or no such one.
    """
    import timm

    name, _, over_time = kind.removeprefix(PREFIX).partition("+")
    if over_time not in OVER_TIME:
        steps = ", ".join(f"{PREFIX}{name}+{each}" for each in OVER_TIME)
        raise ConfigError(
            f"MODEL.MODEL_NAME is {kind!r}, and an image model needs a step over time; use {steps}"
        )
    if not timm.is_model(name):
        raise ConfigError(unknown_name(kind, names(over_time)))
    return name, over_time


def names(over_time: str = "") -> Iterator[str]:
    """All models of timm with every step over time, or with one."""
    return image_names(PREFIX, [over_time] if over_time else OVER_TIME)


def image_names(prefix: str, endings: Iterable[str]) -> Iterator[str]:
    """All models of timm between ``prefix`` and each of ``endings``."""
    import timm

    return (f"{prefix}{name}+{each}" for name in timm.list_models() for each in endings)


def defaults(name: str) -> dict[str, Any]:
    """The preprocessing that timm's weights assume; they say nothing of time."""
    import timm

    found = timm.get_pretrained_cfg(split_name(name)[0], allow_unregistered=False)
    assert found is not None
    side = found.input_size[-1]
    scale = round(side / found.crop_pct)
    return {
        "DATA.MEAN": list(found.mean),
        "DATA.STD": list(found.std),
        "DATA.TRAIN_CROP_SIZE": side,
        "DATA.TEST_CROP_SIZE": side,
        "DATA.TRAIN_JITTER_SCALES": [scale, scale * 5 // 4],
    }


def licence(name: str) -> str:
    """Of timm's weights, as timm states it."""
    import timm

    found = timm.get_pretrained_cfg(split_name(name)[0], allow_unregistered=False)
    return (found.license if found is not None else None) or "not stated"
