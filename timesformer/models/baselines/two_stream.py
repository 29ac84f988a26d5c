"""``two_stream/NAME+FUSION``: an image model of timm on colours, and one on optical flow, at every frame.

Simonyan and Zisserman, 2014 (https://arxiv.org/abs/1406.2199); the fusion of the last convolutions is that
of Feichtenhofer et al., 2016. Clips are those of DATA.MODALITY rgb+flow: R, G, B, then the fields of flow.

    late   features of both streams (B, 2 D), means over time; the classifier of both side by side adds the
           scores that each stream would have with a classifier of its own
    conv   the last maps of both streams (B * T, 2 D, h, w), one convolution of each place
           -> (B * T, D, h, w) -> mean over places and time (B, D); it begins as the mean of the two maps
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from timesformer.config import CfgNode, ConfigError
from timesformer.models.baselines import frame_wise
from timesformer.models.classifier import RGB, Classifier, fresh_linear
from timesformer.models.layer_groups import layer_groups
from timesformer.models.layouts import clip_and_flow, frames
from timesformer.models.library import TokenError
from timesformer.models.spec import unknown_name

PREFIX = "two_stream/"
STREAMS = ("rgb", "flow")


class Late(nn.Module):
    """Features of both streams side by side."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        width: int = getattr(encoder, "head_hidden_size", 0) or encoder.num_features  # type: ignore[assignment]
        self.dim = 2 * width

    def forward(self, rgb: nn.Module, flow: nn.Module, parts: Sequence[Tensor]) -> Tensor:
        """Features (B * T, 2 D) of frames (B * T, C, H, W) of both streams."""
        return torch.cat([rgb(parts[0]), flow(parts[1])], dim=1)


class Conv(nn.Module):
    """The last maps of both streams, by one convolution of each place.

    What an encoder does after its last map (a norm, a wider layer) has no part in it.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        info: Any = encoder.feature_info
        dim: int = info[-1]["num_chs"]
        self.dim = dim
        self.mix = nn.Conv2d(2 * dim, dim, kernel_size=1)
        if not self.mix.weight.is_meta:
            half = torch.eye(dim) / 2
            self.mix.weight.data.copy_(torch.cat([half, half], dim=1)[..., None, None])
            nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, rgb: nn.Module, flow: nn.Module, parts: Sequence[Tensor]) -> Tensor:
        """Features (B * T, D) of frames (B * T, C, H, W) of both streams."""
        maps = torch.cat([last_map(rgb, parts[0]), last_map(flow, parts[1])], dim=1)
        features: Tensor = reduce(self.mix(maps), "n d h w -> n d", "mean")
        return features


FUSIONS: Mapping[str, type[nn.Module]] = {"late": Late, "conv": Conv}


def last_map(encoder: nn.Module, images: Tensor) -> Tensor:
    """The last map of an image model, (N, C, H, W) -> (N, D, h, w)."""
    maps: Callable[..., list[Tensor]] = encoder.forward_intermediates  # type: ignore[assignment]
    return maps(images, indices=1, intermediates_only=True)[-1]


class TwoStream(Classifier):
    """Clip classifier, (B, 3 + 2 L, T, H, W) -> logits (B, num_classes).

    Args:
        rgb: an image model that gives features (B, D), as timm makes it for no classes.
        flow: the same model, of 2 L channels.
        fusion: a row of ``FUSIONS``.
    """

    has_whole_state = False  # libraries compute tables of positions when a model is built

    def __init__(
        self,
        rgb: nn.Module,
        flow: nn.Module,
        fusion: str,
        *,
        kind: str,
        num_classes: int,
        input_spec: tuple[int, int, int, int],
    ) -> None:
        super().__init__()
        self.kind, self.input_spec = kind, input_spec
        self.rgb, self.flow = rgb, flow
        self.fusion = FUSIONS[fusion](rgb)
        self.num_features: int = self.fusion.dim  # type: ignore[assignment]
        self.head = fresh_linear(self.num_features, num_classes)

    def forward_features(self, clip: Tensor) -> Tensor:
        """Features of the clip, the mean over its frames, (B, 3 + 2 L, T, H, W) -> (B, D or 2 D)."""
        each: Tensor = self.fusion(self.rgb, self.flow, [frames(x) for x in clip_and_flow(clip)])
        return rearrange(each, "(b t) d -> b t d", t=clip.shape[2]).mean(dim=1)

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """There are no features of places that are as wide as those of the clip.

        Raises:
            TokenError: always.
        """
        raise TokenError(
            f"{self.kind} has maps of each stream; use the features of the whole clip (--tokens cls)"
        )

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of the image model, without its classifier, for both streams; the fusion stays."""
        names = self.rgb.state_dict().keys()
        own = {name: value for name, value in state.items() if name in names}
        if len(own) < len(names) / 2:  # of something else
            return state
        both = {f"{stream}.{name}": value for stream in STREAMS for name, value in own.items()}
        return both | {f"fusion.{name}": value for name, value in self.fusion.state_dict().items()}

    def no_weight_decay(self) -> set[str]:
        names = {name for name, _ in self.named_parameters()}
        found: set[str] = set()
        for stream in STREAMS:
            own: set[str] = getattr(self.get_submodule(stream), "no_weight_decay", set)()
            found |= {f"{stream}.{name}" for name in own}
        return found & names

    def layer_groups(self) -> list[tuple[str, ...]]:
        """The same depth of both streams is one group; the fusion is the last."""
        groups = layer_groups(self, self.classifier_name, opened=STREAMS)
        rgb, flow = ([g for g in groups if g[0].startswith(f"{name}.")] for name in STREAMS)
        rest = [group for group in groups if group not in rgb and group not in flow]
        return [(*one, *two) for one, two in zip(rgb, flow, strict=True)] + rest


def build_two_stream(cfg: CfgNode, in_channels: int) -> TwoStream:
    """The model ``two_stream/NAME+FUSION``, with freshly drawn weights.

    Raises:
        ConfigError: timm has no such model, there is no such fusion, or clips are not of both.
    """
    kind, side = cfg.MODEL.MODEL_NAME, cfg.DATA.TRAIN_CROP_SIZE
    name, fusion = split_name(kind)
    if cfg.DATA.MODALITY != "rgb+flow":
        raise ConfigError(
            f"MODEL.MODEL_NAME is {kind!r}, which sees colours and flow, but DATA.MODALITY is "
            f"{cfg.DATA.MODALITY}; set DATA.MODALITY rgb+flow"
        )
    rgb, flow = (
        frame_wise.image_model(name, channels, side) for channels in (RGB, in_channels - RGB)
    )
    return TwoStream(
        rgb,
        flow,
        fusion,
        kind=kind,
        num_classes=cfg.MODEL.NUM_CLASSES,
        input_spec=(in_channels, cfg.DATA.NUM_FRAMES, side, side),
    )


def split_name(kind: str) -> tuple[str, str]:
    """``two_stream/resnet18+conv`` -> (``resnet18``, ``conv``); without a fusion, late.

    Raises:
        ConfigError: timm has no such model, or there is no such fusion.
    """
    import timm

    name, _, fusion = kind.removeprefix(PREFIX).partition("+")
    fusion = fusion or "late"
    if fusion not in FUSIONS:
        both = " or ".join(f"{PREFIX}{name}+{each}" for each in FUSIONS)
        raise ConfigError(f"MODEL.MODEL_NAME is {kind!r}, and there is no such fusion; use {both}")
    if not timm.is_model(name):
        raise ConfigError(unknown_name(kind, names(fusion)))
    return name, fusion


def names(fusion: str = "") -> Iterator[str]:
    """All models of timm with every fusion, or with one."""
    return frame_wise.image_names(PREFIX, [fusion] if fusion else FUSIONS)


def defaults(name: str) -> dict[str, Any]:
    """The preprocessing that timm's weights assume, of both colours and flow."""
    image, _ = split_name(name)
    return {**frame_wise.defaults(f"{frame_wise.PREFIX}{image}+mean"), "DATA.MODALITY": "rgb+flow"}


def licence(name: str) -> str:
    """Of timm's weights, as timm states it."""
    return frame_wise.licence(f"{frame_wise.PREFIX}{split_name(name)[0]}+mean")
