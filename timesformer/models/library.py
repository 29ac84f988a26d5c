"""A network of another library behind the names of ``classifier``.

The parameters keep the library's names, so that its weights load as they are, and the library's own
``forward`` computes. Two trees of modules share all but the way to the classifier: the library's has
the identity in its place and gives features, ours has the classifier and is what everybody sees.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.errors import InputError
from timesformer.models.classifier import CLASSIFIER_STD, RGB, Classifier
from timesformer.models.layer_groups import layer_groups
from timesformer.models.layouts import LAYOUTS
from timesformer.models.rewrite import modules


class TokenError(InputError, ValueError):
    """A model that has no features of places and times."""


class LibraryModel(Classifier):
    """Clip classifier, (B, C, T, H, W) -> logits (B, num_classes), that computes with ``net``.

    Args:
        net: of the library. Its last linear layer, or convolution of one place, is the classifier.
        kind: its name in MODEL.MODEL_NAME.
        num_classes: a classifier of other classes is replaced by a fresh one.
        input_spec: shape (C, T, H, W) of the clips that it was built for.
        layout: name of the row of ``layouts.LAYOUTS`` that makes its input.
        argument: name of the argument that takes it; empty: the first.
    """

    has_whole_state = False  # libraries compute tables of positions when a model is built

    def __init__(
        self,
        net: nn.Module,
        *,
        kind: str,
        num_classes: int,
        input_spec: tuple[int, int, int, int],
        layout: str = "clip",
        argument: str = "",
    ) -> None:
        super().__init__()
        self.kind, self.input_spec, self.layout, self.argument = kind, input_spec, layout, argument
        inflate_input(net, input_spec[0])
        for pool in modules(net, nn.AvgPool3d):
            pool.__class__ = FittingPool
        self.classifier_name, classifier = find_classifier(net)
        self.num_features = classifier.weight.shape[1]
        if classifier.weight.shape[0] != num_classes:
            classifier = fresh_classifier(classifier, num_classes)
        self._show(net)
        parent, _, leaf = self.classifier_name.rpartition(".")
        net.get_submodule(parent).add_module(leaf, nn.Identity())
        self.get_submodule(parent).add_module(leaf, pointwise(classifier))
        object.__setattr__(self, "_net", net)  # not a child: its parameters are ours already

    def forward_features(self, clip: Tensor) -> Tensor:
        """What the classifier gets, (B, C, T, H, W) -> (B, D)."""
        net: Callable[..., Any] = self._net  # type: ignore[assignment]
        made = LAYOUTS[self.layout](clip)
        found = net(**{self.argument: made}) if self.argument else net(made)
        features: Tensor = found if isinstance(found, Tensor) else found.logits
        return features.squeeze(1) if features.ndim == 3 else features  # (B, 1, D) of VideoPrism

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """``forward_features``, and the map that its last pooling got, (B, T', h, w, D).

        Raises:
            TokenError: it has no such map.
        """
        maps: list[Tensor] = []
        pools = (m for m in self.modules() if isinstance(m, nn.AvgPool3d | nn.AdaptiveAvgPool3d))
        hooks = [
            pool.register_forward_pre_hook(lambda _, inputs: maps.append(inputs[0]))
            for pool in pools
        ]
        try:
            features = self.forward_features(clip)
        finally:
            for hook in hooks:
                hook.remove()
        fitting = [each for each in maps if each.shape[1] == self.num_features]
        if not fitting:
            raise TokenError(
                f"{self.kind} has no map of features of places and times; use the features of the "
                "whole clip (--tokens cls)"
            )
        return features, fitting[-1].movedim(1, -1)

    def layer_groups(self) -> list[tuple[str, ...]]:
        return layer_groups(self, self.classifier_name)

    def train(self, mode: bool = True) -> "LibraryModel":
        super().train(mode)
        for module in self._way(self._net):  # type: ignore[arg-type]
            module.training = mode
        return self

    def _show(self, net: nn.Module) -> None:
        """Take the children of ``net``, with copies of the modules on the way to the classifier."""
        theirs = self._way(net)
        assert not any(True for module in theirs for _ in module.parameters(recurse=False))
        ours: nn.Module = self
        names = self.classifier_name.split(".")
        for depth, module in enumerate(theirs):
            for name, child in module.named_children():
                ours.add_module(name, child)
            if depth + 1 < len(theirs):
                copied = copy.copy(theirs[depth + 1])
                copied._modules = {}
                ours.add_module(names[depth], copied)
                ours = copied

    def _way(self, net: nn.Module) -> list[nn.Module]:
        """``net`` and the modules of it that contain the classifier."""
        parts = self.classifier_name.split(".")
        return [net.get_submodule(".".join(parts[:n])) for n in range(len(parts))]


class FittingPool(nn.AvgPool3d):
    """A pooling whose window is never larger than what it gets: small crops have a mean too."""

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        kernel = self.kernel_size
        wanted = (kernel,) * 3 if isinstance(kernel, int) else kernel
        window = tuple(map(min, wanted, size))
        if window == tuple(wanted):
            return super().forward(x)
        return F.avg_pool3d(x, window, self.stride)


class PointwiseClassifier(nn.Conv3d):
    """A convolution of one place, as a linear layer of features (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.flatten(1), self.bias)


def pointwise(classifier: nn.Module) -> nn.Module:
    """``classifier`` as a layer of features (B, D), its parameters as they are."""
    if isinstance(classifier, nn.Conv3d):
        classifier.__class__ = PointwiseClassifier
    return classifier


def find_classifier(net: nn.Module) -> tuple[str, nn.Linear | nn.Conv3d]:
    """Name and module of the last linear layer, or convolution of one place, of ``net``."""
    found = [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Linear)
        or (isinstance(module, nn.Conv3d) and set(module.kernel_size) == {1})
    ]
    return found[-1]


def fresh_classifier(classifier: nn.Linear | nn.Conv3d, num_classes: int) -> nn.Linear | nn.Conv3d:
    """A classifier of the same kind for other classes, drawn as ours is."""
    made = copy.deepcopy(classifier)
    weight = classifier.weight.detach().new_empty(num_classes, *classifier.weight.shape[1:])
    if not weight.is_meta:
        nn.init.trunc_normal_(weight, std=CLASSIFIER_STD)
    made.weight, made.bias = nn.Parameter(weight), nn.Parameter(weight.new_zeros(num_classes))
    setattr(made, "out_features" if isinstance(made, nn.Linear) else "out_channels", num_classes)
    return made


def inflate_input(net: nn.Module, in_channels: int) -> None:
    """Give the first convolutions of ``net``, those of RGB, other channels: the mean of their weights.

    Flow takes them so: a first layer of twenty fields starts as that of grey images (Wang et al. 2016).
    """
    if in_channels == RGB:
        return
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.in_channels == RGB:
            module.weight = nn.Parameter(over_channels(module.weight.detach(), in_channels))
            module.in_channels = in_channels


def over_channels(weight: Tensor, in_channels: int) -> Tensor:
    """A first layer (D, 3, ...) for other channels, (D, in_channels, ...): their mean, repeated.

    The sum over channels stays as it was, so that the next layer gets values of the usual size.
    """
    mean = weight.mean(dim=1, keepdim=True) * (weight.shape[1] / in_channels)
    return torch.cat([mean] * in_channels, dim=1)
