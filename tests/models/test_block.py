"""The plain block: what a user's hooks see."""

import pytest
import torch

from timesformer.models.attention import SCHEMES
from timesformer.models.timesformer import TimeSformer


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_hook_on_any_attention_is_called_once_a_forward_in_every_block(scheme):
    model = TimeSformer(
        img_size=16, patch_size=4, embed_dim=16, depth=3, num_heads=2, num_frames=4,
        attention_type=scheme,
    )  # fmt: skip
    calls = []
    names = [name for name, _ in model.named_modules() if name.endswith("attn")]
    for name in names:
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: calls.append((name, output.ndim))
        )
    model(torch.randn(2, 3, 4, 16, 16))
    assert len(names) == 3 * len(SCHEMES[scheme])
    assert sorted(calls) == sorted((name, 3) for name in names)  # (groups, tokens, D)
