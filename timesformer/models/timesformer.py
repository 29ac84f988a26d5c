"""TimeSformer: an image ViT whose blocks also attend over time (https://arxiv.org/abs/2102.05095).

clip   (B, C, T, H, W)   float, normalised; C is 3, or the channels of optical flow
cls    (B, 1, D)         the classification token
grid   (B, T, h, w, D)   one token per patch of P x P pixels: h = H // P, w = W // P
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from timesformer.models.attention import LAYER_NORM_EPS, SCHEMES
from timesformer.models.block import Block
from timesformer.models.classifier import Classifier, check_clip
from timesformer.models.initial import INIT_STD, draw_weights
from timesformer.tables import choose


class TimeSformer(Classifier):
    """Clip classifier, (B, 3, T, H, W) -> logits (B, num_classes).

    Parameters carry the names and the order of the published release (a5ef29a, models/vit.py);
    ``load_state_dict`` takes its checkpoints strictly, with or without their ``model.`` prefix.
    Other frame counts and sizes than the model was built for are served by resizing the time and
    position embeddings to the nearest neighbour, as published, and pixels beyond the last whole
    patch are cut off. Different on purpose: a non-square input with as many patches as the square
    one gets its embedding resized in 2-D too; the published code added it in the wrong layout.
    """

    def __init__(  # noqa: PLR0913  the published names, all of them facts of an architecture
        self,
        *,
        img_size: int = 224,
        patch_size: int = 16,
        num_classes: int = 400,
        num_frames: int = 8,
        attention_type: str = "divided_space_time",
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        linear_std: float = INIT_STD,
        pos_embed_std: float = INIT_STD,
        time_embed_std: float = 0.0,
        norm_eps: float = LAYER_NORM_EPS,
        pre_norm: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        choose(SCHEMES, attention_type, key="attention_type")
        if img_size < patch_size:
            raise ValueError(f"img_size is {img_size}, less than one patch of {patch_size}")
        self.input_spec = (in_channels, num_frames, img_size, img_size)
        self.num_features = embed_dim
        self.num_heads = num_heads  # which no shape tells
        self.kind = self.attention_type = attention_type  # the second name is the published one
        self.per_frame = attention_type == "space_only"  # frames never meet before the head
        self.patch_size = patch_size
        self.grid_size = img_size // patch_size
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.empty(1, self.grid_size**2 + 1, embed_dim))
        if not self.per_frame:
            self.time_embed = nn.Parameter(torch.empty(1, num_frames, embed_dim))
        self.patch_embed = PatchEmbed(patch_size, embed_dim, in_channels)
        self.embed_drop = nn.Dropout(drop_rate)
        self.norm_pre = nn.LayerNorm(embed_dim) if pre_norm else nn.Identity()  # CLIP has one
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads=num_heads,
                mlp_ratio=mlp_ratio,
                scheme=attention_type,
                drop=drop_rate,
                attn_drop=attn_drop_rate,
                drop_path=drop_path_rate * i / max(depth - 1, 1),
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = norm_eps
        draw_weights(
            self, linear_std=linear_std, pos_embed_std=pos_embed_std, time_embed_std=time_embed_std
        )
        self.register_load_state_dict_pre_hook(_strip_published_prefix)  # type: ignore[no-untyped-call]

    def forward_features(self, clip: Tensor) -> Tensor:
        """Normalised class token, (B, C, T, H, W) -> (B, D).

        Raises:
            ValueError: the input is not a batch of clips of C channels, or smaller than one patch.
        """
        features: Tensor = self.norm(self.pool(self.encode_cls(clip), clip))
        return features

    def forward_frames(self, clip: Tensor) -> Tensor:
        """Class token of each frame before the norm, of the space-only scheme; errors as above."""
        cls: Tensor = self.encode_cls(clip).unflatten(0, (-1, clip.shape[2]))
        return cls[:, :, 0]

    def pool_frames(self, frames: Tensor) -> Tensor:
        features: Tensor = self.norm(frames.mean(dim=1))
        return features

    def forward_tokens(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised class token (B, D) and patch tokens (B, T, h, w, D), errors as above."""
        cls, grid = self.encode(clip)
        return self.norm(cls), self.norm(grid)

    def encode(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The same before the norm."""
        cls, grid = self.through_blocks(clip)
        if self.per_frame:
            grid = grid.squeeze(1).unflatten(0, (-1, clip.shape[2]))
        return self.pool(cls, clip), grid

    def encode_cls(self, clip: Tensor) -> Tensor:
        """Class token after the last block, (B, 1, D); of the space-only scheme B is B * T."""
        return self.through_blocks(clip)[0]

    def through_blocks(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """``embed`` and all blocks."""
        cls, grid = self.embed(clip)
        for block in self.blocks:
            cls, grid = block(cls, grid)
        return cls, grid

    def pool(self, cls: Tensor, clip: Tensor) -> Tensor:
        """Class token of each clip, (B, D); the space-only scheme has one for each frame."""
        if self.per_frame:
            cls = cls.unflatten(0, (-1, clip.shape[2])).mean(dim=1)
        return cls[:, 0]

    def embed(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Class token (B, 1, D) and patch grid (B, T, h, w, D) with their position embeddings.

        The space-only scheme returns one single-frame clip per frame: B is B * T and T is 1.
        """
        grid = self.patch_embed(clip)
        b, t, h, w, _ = grid.shape
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(b, -1, -1)
        grid = grid + self.space_embedding(h, w)
        if self.per_frame:
            cls, grid = cls.repeat_interleave(t, dim=0), grid.flatten(0, 1).unsqueeze(1)
        else:
            grid = grid + self.time_embedding(t)
        return self.norm_pre(self.embed_drop(cls)), self.norm_pre(self.embed_drop(grid))

    def space_embedding(self, h: int, w: int) -> Tensor:
        """Position embedding of an h x w grid, nearest-resized if need be, (h, w, D)."""
        embed = rearrange(self.pos_embed[:, 1:], "1 (h w) d -> 1 d h w", h=self.grid_size)
        if (h, w) != (self.grid_size, self.grid_size):
            embed = F.interpolate(embed, size=(h, w), mode="nearest")
        return rearrange(embed, "1 d h w -> h w d")

    def time_embedding(self, t: int) -> Tensor:
        """Frame embedding, nearest-resized if need be, (T, 1, 1, D)."""
        embed: Tensor = self.time_embed
        if t != embed.shape[1]:
            embed = F.interpolate(embed.mT, size=t, mode="nearest").mT
        return rearrange(embed, "1 t d -> t 1 1 d")

    def no_weight_decay(self) -> set[str]:
        return {name for name, _ in self.named_parameters(recurse=False)}

    def layer_groups(self) -> list[tuple[str, ...]]:
        own = tuple(name for name, _ in self.named_parameters(recurse=False))
        blocks = [(f"blocks.{i}",) for i in range(len(self.blocks))]
        return [(*own, "patch_embed", "embed_drop", "norm_pre"), *blocks, ("norm",)]


class PatchEmbed(nn.Module):
    """Cut frames into patches and project them, (B, C, T, H, W) -> (B, T, H // P, W // P, D)."""

    def __init__(self, patch_size: int, dim: int, in_channels: int = 3) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, self.proj.kernel_size[0], self.proj.in_channels)
        return self.project(clip)

    def project(self, clip: Tensor) -> Tensor:
        patches: Tensor = self.proj(rearrange(clip, "b c t h w -> (b t) c h w"))
        return rearrange(patches, "(b t) d h w -> b t h w d", t=clip.shape[2])


def _strip_published_prefix(
    module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Rename ``model.x`` to ``x`` in place: the published classes wrap the network in ``model``."""
    wrapped = f"{prefix}model."
    for key in [key for key in state if key.startswith(wrapped)]:
        state[prefix + key[len(wrapped) :]] = state.pop(key)
