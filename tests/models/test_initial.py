"""Initial values are the published ones."""

import pytest
import torch

from timesformer.models.timesformer import TimeSformer


def test_initial_values_are_the_published_ones():
    model = TimeSformer(embed_dim=192, depth=2, num_heads=3)
    state = model.state_dict()
    assert torch.all(state["time_embed"] == 0)
    for i in range(2):
        assert torch.all(state[f"blocks.{i}.temporal_fc.weight"] == 0)
    for name, value in state.items():
        if name.endswith("bias") and not name.startswith("patch_embed"):
            assert torch.all(value == 0), name
        elif "norm" in name:
            assert torch.all(value == 1), name
        elif name.endswith("qkv.weight") or name in ("pos_embed", "head.weight"):
            assert value.std().item() == pytest.approx(0.02, rel=0.05), name
