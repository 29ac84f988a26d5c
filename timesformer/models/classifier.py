"""What the rest of the package may ask of a model, whichever it is.

Freezing, rates by depth, probing, moving averages, sharding, recomputation, counts of operations and
memory, checkpoints and prediction use these names and no others.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

RGB = 3  # channels of a clip of colours
CLASSIFIER_STD = 0.02  # of the published classifier


class Classifier(nn.Module):
    """A classifier of clips: (B, C, T, H, W) float, normalised -> logits (B, K)."""

    classifier_name = "head"
    """Name of the module that makes logits (B, K) of features (B, D)."""
    kind: str
    """What it is, in a word."""
    num_features: int
    """D."""
    input_spec: tuple[int, int, int, int]
    """Shape of the clips that the model was built for, (C, T, H, W); many models take others too.

    C is 3, or the number of fields of flow.
    """

    has_whole_state = True
    """Whether it computes with nothing but its state: it may be built without values, then filled."""

    per_frame = False
    """Whether features are made of features of single frames, see ``forward_frames``."""

    def forward(self, clip: Tensor) -> Tensor:
        """Logits (B, K) of clips, or of their ``forward_features`` (B, D) computed before."""
        features = clip if clip.ndim == 2 else self.forward_features(clip)
        logits: Tensor = self.get_classifier()(features)
        return logits

    def forward_features(self, clip: Tensor) -> Tensor:
        """What the classifier gets, (B, C, T, H, W) -> (B, D)."""
        raise NotImplementedError

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Features of each frame, (B, C, T, H, W) -> (B, T, D), where the model is ``per_frame``.

        ``forward_features`` is ``pool_frames`` of them, so that clips can share their frames.
        """
        raise NotImplementedError

    def pool_frames(self, frames: Tensor) -> Tensor:
        """Features of clips from those of their frames, (B, T, D) -> (B, D)."""
        raise NotImplementedError

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """``forward_features`` and features of places and times, (B, T', h, w, D)."""
        raise NotImplementedError

    def get_classifier(self) -> nn.Module:
        """A linear layer from D features to K classes; the identity if there are none."""
        return self.get_submodule(self.classifier_name)

    def reset_classifier(self, num_classes: int) -> None:
        """A new classifier with random weights; the identity for 0 classes."""
        made: nn.Module = nn.Identity()
        if num_classes:
            made = fresh_linear(self.num_features, num_classes)
        like = next(self.parameters())
        parent, _, leaf = self.classifier_name.rpartition(".")
        self.get_submodule(parent).add_module(leaf, made.to(like.device, like.dtype))

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a file of the model's library by the names of the model, if they differ."""
        return state

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that are offsets as biases are, though they have several axes."""
        return set()

    def layer_groups(self) -> list[tuple[str, ...]]:
        """Names of the modules and parameters of each depth, from the input to the features.

        Together they are the model without its classifier. A group of one module that has parts is a
        layer by itself, see ``layers``.
        """
        raise NotImplementedError


def fresh_linear(num_features: int, num_classes: int) -> nn.Linear:
    """A classifier with random weights, drawn as those of the published one."""
    made = nn.Linear(num_features, num_classes)
    nn.init.trunc_normal_(made.weight, std=CLASSIFIER_STD)
    nn.init.zeros_(made.bias)
    return made


def layers(model: Classifier) -> list[nn.Module]:
    """The layers that can be sharded, or computed again, one by one; in order."""
    single = [group[0] for group in model.layer_groups() if len(group) == 1]
    modules = [model.get_submodule(name) for name in single]
    return [module for module in modules if any(True for _ in module.children())]


def classifier_parameters(model: Classifier) -> tuple[str, ...]:
    """Names of the parameters of the classifier."""
    prefix = f"{model.classifier_name}."
    return tuple(name for name, _ in model.named_parameters() if name.startswith(prefix))


def backbone_bytes(model: Classifier) -> Iterator[bytes]:
    """Names and values of all weights but those of the classifier, to be hashed."""
    classifier = classifier_parameters(model)
    for name, value in model.state_dict().items():
        if name not in classifier:
            yield name.encode()
            yield value.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes()


def parameter_depths(model: Classifier) -> dict[str, int]:
    """Index of the layer group of each parameter outside the classifier."""
    groups = model.layer_groups()
    owners = {name: i for i, group in enumerate(groups) for name in group}
    depths = {}
    for name, _ in model.named_parameters():
        parts = name.split(".")
        prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        owner = next((prefix for prefix in prefixes if prefix in owners), None)
        if owner is not None:
            depths[name] = owners[owner]
    return depths


def check_clip(clip: Tensor, patch_size: int, channels: int = 3) -> None:
    """Raise ValueError unless ``clip`` is a batch of clips of at least one patch."""
    if clip.ndim != 5 or clip.shape[1] != channels:
        raise ValueError(
            f"input is {tuple(clip.shape)}, but must be (batch, {channels}, frames, height, width)"
        )
    if min(clip.shape[3:]) < patch_size:
        raise ValueError(
            f"frames are {clip.shape[3]} x {clip.shape[4]}, less than one patch of {patch_size}"
        )
