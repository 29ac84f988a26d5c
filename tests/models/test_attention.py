"""Each scheme against the definition: which tokens a token sees, and a naive loop over groups."""

import pytest
import torch
from einops import rearrange
from torch import nn

from timesformer.models import attention as attention_module
from timesformer.models.attention import (
    GLOBAL,
    HEIGHT,
    JOINT,
    LOCAL,
    SCHEMES,
    SPACE,
    TIME,
    WIDTH,
    SelfAttention,
    attention,
    merge,
    split,
)
from timesformer.models.block import Block

T, H, W, D = 4, 4, 6, 8


def same_time(a, b):
    return a[0] == b[0]


VISIBLE = {  # step -> whether the token at a = (t, y, x) sees the one at b
    TIME: lambda a, b: a[1:] == b[1:],
    SPACE: same_time,
    JOINT: lambda a, b: True,
    WIDTH: lambda a, b: a[:2] == b[:2],
    HEIGHT: lambda a, b: (a[0], a[2]) == (b[0], b[2]),
    LOCAL: lambda a, b: (a[1] // 2, a[2] // 3) == (b[1] // 2, b[2] // 3),
    GLOBAL: lambda a, b: all((i - j) % 2 == 0 for i, j in zip(a, b, strict=True)),
}


def block(scheme, **kwargs):
    torch.manual_seed(0)
    made = Block(D, num_heads=2, mlp_ratio=2.0, scheme=scheme, **kwargs)
    for layer in made.fc_layers():
        nn.init.normal_(layer.weight)
    return made.double()


def scheme_with(step):
    return next(name for name, steps in SCHEMES.items() if step in steps)


@pytest.mark.parametrize("step", VISIBLE, ids=lambda step: step.groups)
@pytest.mark.parametrize("at", [(0, 0, 0), (1, 2, 3), (3, 3, 5)])
def test_a_token_sees_exactly_its_group(step, at):
    grid = torch.randn(1, T, H, W, D, dtype=torch.float64, requires_grad=True)
    cls = torch.randn(1, 1, D, dtype=torch.float64)
    _, out = block(scheme_with(step)).attend(step, cls, grid)
    out[(0, *at)].sum().backward()
    seen = grid.grad[0].abs().sum(dim=-1) > 0
    for t in range(T):
        for y in range(H):
            for x in range(W):
                assert seen[t, y, x] == VISIBLE[step](at, (t, y, x)), (t, y, x)


@pytest.mark.parametrize("step", VISIBLE, ids=lambda step: step.groups)
def test_tokens_of_one_clip_never_reach_another(step):
    grid = torch.randn(3, T, H, W, D, dtype=torch.float64, requires_grad=True)
    cls = torch.randn(3, 1, D, dtype=torch.float64, requires_grad=True)
    new_cls, out = block(scheme_with(step)).attend(step, cls, grid)
    (out[1].sum() + new_cls[1].sum()).backward()
    for i in (0, 2):
        assert grid.grad[i].abs().sum() == 0
        assert cls.grad[i].abs().sum() == 0


@pytest.mark.parametrize("step", VISIBLE, ids=lambda step: step.groups)
def test_merge_is_the_inverse_of_split(step):
    grid = torch.randn(2, T, H, W, D)
    assert torch.equal(merge(step, split(step, grid), grid.shape), grid)


def naive_divided(blk, cls, grid):
    """Paper section 3 and official_behaviour 4.3, one token sequence at a time."""

    def attend(attn, tokens):
        qkv = attn.qkv(tokens).unflatten(-1, (3, attn.num_heads, -1))
        heads = []
        for m in range(attn.num_heads):
            q, k, v = (qkv[:, i, m] for i in range(3))
            heads.append((q @ k.T / q.shape[1] ** 0.5).softmax(dim=-1) @ v)
        return attn.proj(torch.cat(heads, dim=1))

    cls, grid = cls.clone(), grid.clone()
    for b in range(len(grid)):
        after_time = grid[b].clone()
        for y in range(grid.shape[2]):
            for x in range(grid.shape[3]):
                series = grid[b, :, y, x]
                update = blk.temporal_fc(attend(blk.temporal_attn, blk.temporal_norm1(series)))
                after_time[:, y, x] = series + update
        class_updates = []
        for t in range(grid.shape[1]):
            tokens = torch.cat([cls[b], after_time[t].flatten(0, 1)])
            update = attend(blk.attn, blk.norm1(tokens))
            class_updates.append(update[0])
            after_time[t] += update[1:].view_as(after_time[t])
        cls[b, 0] += torch.stack(class_updates).mean(dim=0)
        grid[b] = after_time
    return cls + blk.mlp(blk.norm2(cls)), grid + blk.mlp(blk.norm2(grid))


def test_divided_attention_equals_a_naive_loop():
    blk = block("divided_space_time").eval()
    cls, grid = torch.randn(2, 1, D).double(), torch.randn(2, T, H, W, D).double()
    with torch.no_grad():
        ours, naive = blk(cls, grid), naive_divided(blk, cls, grid)
    for a, b in zip(ours, naive, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_untrained_block_of_one_frame_is_the_image_block(scheme):
    torch.manual_seed(0)
    blk = Block(D, num_heads=2, mlp_ratio=2.0, scheme=scheme).double().eval()
    for layer in blk.fc_layers():
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    cls, grid = torch.randn(1, 1, D).double(), torch.randn(1, T, H, W, D).double()
    last = SCHEMES[scheme][-1]
    expected = blk.attend(last, cls, grid)
    got = cls, grid
    for step in blk.steps:
        got = blk.attend(step, *got)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_attention_weights_reproduce_the_fused_output():
    attn = SelfAttention(D, 2).double()
    x = torch.randn(3, 5, D, dtype=torch.float64)
    _, _, v = attn.heads(x)
    y = rearrange(_weights(attn, x) @ v, "b m n d -> b n (m d)")
    assert torch.allclose(attn.proj(y), attn(x), atol=1e-12)


def _weights(attn, x):
    q, k, _ = attn.heads(x)
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1)


@pytest.mark.cuda
def test_more_groups_than_a_kernel_launch_takes(monkeypatch):
    q = torch.randn(attention_module.CUDA_BATCHES + 10, 1, 4, 16, device="cuda")
    expected = attention(*(x.cpu() for x in (q, q, q)))
    assert torch.allclose(attention(q, q, q).cpu(), expected, atol=1e-4)
    monkeypatch.setattr(attention_module, "CUDA_BATCHES", 1000)
    assert torch.allclose(attention(q, q, q).cpu(), expected, atol=1e-4)
    heads = attention(*(x.transpose(0, 1) for x in (q, q, q)))
    assert torch.allclose(heads.transpose(0, 1).cpu(), expected, atol=1e-4)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"embed_dim is 8, but num_heads \(3\) must divide it"):
        SelfAttention(8, 3)


def test_a_grid_that_cannot_be_cut_is_named():
    with pytest.raises(ValueError, match=r"3 x 4 x 4 patches .* cannot be cut into 2 x 2 x 2"):
        split(GLOBAL, torch.zeros(1, 3, 4, 4, D))


def test_stochastic_depth_drops_whole_groups_and_keeps_the_bias_of_temporal_fc():
    """Published granularity: (clip, place) in time, (clip, frame) in space, clip in the MLP."""
    blk = block("divided_space_time", drop_path=0.5).train()
    nn.init.constant_(blk.temporal_fc.bias, 7.0)
    cls, grid = torch.zeros(2, 1, D).double(), torch.randn(2, T, H, W, D).double()
    _, out = blk.attend(TIME, cls, grid)
    update = out - grid
    dropped = (update == 7.0).all(dim=-1)  # (B, T, H, W): only the bias is left
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))  # all frames of a place, or none
    assert 0 < dropped[:, 0].float().mean() < 1
    kept = blk.eval().attend(TIME, cls, grid)[1] - grid
    scaled = 2 * (kept - 7.0) + 7.0
    assert torch.allclose(update[~dropped], scaled[~dropped])

    blk.train()
    _, out = blk.attend(SPACE, cls, grid)
    dropped = (out == grid).all(dim=-1)
    assert torch.equal(dropped, dropped[:, :, :1, :1].expand_as(dropped))
    assert 0 < dropped[:, :, 0, 0].float().mean() < 1


def test_the_mlp_of_a_clip_is_dropped_for_all_its_tokens_at_once():
    blk = block("joint_space_time", drop_path=0.5).train()
    for parameter in blk.attn.parameters():
        nn.init.zeros_(parameter)
    cls, grid = torch.randn(64, 1, D).double(), torch.randn(64, 1, 2, 2, D).double()
    new_cls, new_grid = blk(cls, grid)
    cls_kept = (new_cls != cls).any(dim=-1)[:, 0]
    grid_kept = (new_grid != grid).any(dim=-1).flatten(1)
    assert torch.equal(grid_kept, cls_kept[:, None].expand_as(grid_kept))
    assert 0.2 < cls_kept.float().mean() < 0.8
