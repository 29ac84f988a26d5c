"""Every rewrite, alone and with the others, against the plain model: logits, gradients, operations."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from timesformer.models.attention import SCHEMES, TIME, WIDTH, SelfAttention, merge, split
from timesformer.models.block import Block
from timesformer.models.speedups import (
    GRID_LAYOUTS,
    SPEEDUPS,
    ShortAttention,
    is_short,
    mix_short,
    one_matrix,
    product,
    speed_up,
    untransposed,
)
from timesformer.models.timesformer import PatchEmbed, TimeSformer

SIZES = {"img_size": 16, "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2}
T, H, W, D = 4, 4, 6, 8
REWRITES = {**SPEEDUPS, "all": speed_up}


def plain_model(scheme, dtype=torch.float64, **kwargs):
    torch.manual_seed(0)
    model = TimeSformer(**SIZES, num_frames=4, num_classes=5, attention_type=scheme, **kwargs)
    for parameter in model.parameters():  # also where an untrained model has zeros
        nn.init.normal_(parameter, std=0.2)
    return model.to(dtype)


def run(model):
    """Logits, and gradients of the input and the parameters."""
    torch.manual_seed(1)
    clip = torch.randn(2, 3, 4, 16, 16, dtype=model.cls_token.dtype, requires_grad=True)
    logits = model(clip)
    logits.sin().sum().backward()
    return [logits, clip.grad, *(parameter.grad for parameter in model.parameters())]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize("rates", [{}, {"drop_path_rate": 0.5}], ids=str)
def test_a_rewrite_changes_neither_logits_nor_gradients_nor_names(name, scheme, rates):
    dtype = torch.float32 if name == "onednn" else torch.float64
    model = plain_model(scheme, dtype, drop_path_rate=rates.get("drop_path_rate", 0.0))
    rewritten = REWRITES[name](copy.deepcopy(model))
    assert list(rewritten.state_dict()) == list(model.state_dict())
    error = 1e-4 if dtype == torch.float32 else 1e-9
    for a, b in zip(run(rewritten), run(model), strict=True):
        assert torch.allclose(a, b, rtol=error, atol=error)


@pytest.mark.parametrize("name", ["onednn", "short_attention", "one_matrix", "recompute_cheap"])
def test_a_rewrite_draws_the_dropout_of_the_plain_model(name):
    """The others drop in tensors of another shape or order."""
    model = plain_model("divided_space_time", drop_rate=0.3, attn_drop_rate=0.3)
    for a, b in zip(run(SPEEDUPS[name](copy.deepcopy(model))), run(model), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_patch_tokens_are_those_of_the_plain_model(scheme):
    model = plain_model(scheme).eval()
    clip = torch.randn(2, 3, 4, 16, 16, dtype=torch.float64)
    expected = model.forward_tokens(clip)
    for a, b in zip(speed_up(model).forward_tokens(clip), expected, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_number_of_threads_changes_no_bit_of_a_clip(scheme):
    """Processes that share a machine have fewer threads each, and must score alike."""
    model, before = speed_up(plain_model(scheme, torch.float32)).eval(), torch.get_num_threads()
    clip, found = torch.randn(1, 3, 4, 16, 16), []
    with torch.inference_mode():
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(model(clip))
    torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tokens_lie_in_order_from_block_to_block(scheme):
    """Else every norm and product would copy them first."""
    model = speed_up(plain_model(scheme, torch.float32)).eval()
    cls, grid = model.embed(torch.randn(2, 3, 4, 16, 16))
    for block in model.blocks:
        cls, grid = block(cls, grid)
        assert grid.is_contiguous()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rewritten_model_compiles_without_graph_breaks(scheme):
    model = speed_up(plain_model(scheme, torch.float32)).eval()
    clip = torch.randn(2, 3, 4, 16, 16)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(clip), model(clip), atol=1e-4)


@pytest.mark.parametrize("size", [(16, 16), (29, 40)])
def test_patches_by_product_are_those_of_the_convolution_and_lie_in_order(size):
    embed, clip = PatchEmbed(8, 12), torch.randn(2, 3, 4, *size)
    expected = embed(clip)
    got = SPEEDUPS["patches_by_product"](embed)(clip)
    assert torch.allclose(got, expected, atol=1e-5)
    assert got.is_contiguous()


def a_block(scheme, *, rewrites=(), **kwargs):
    torch.manual_seed(0)
    made = Block(D, num_heads=2, mlp_ratio=2.0, scheme=scheme, **kwargs).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    for rewrite in rewrites:
        rewrite(made)
    return made


@pytest.mark.parametrize(
    ("step", "scheme"), [(TIME, "divided_space_time"), (WIDTH, "axial")], ids=["time", "width"]
)
def test_groups_are_drawn_in_the_order_of_their_pattern(step, scheme):
    """So that a seed gives the masks that it always gave."""
    block = a_block(scheme, rewrites=[untransposed, one_matrix], drop_path=0.5).train()
    cls, grid = torch.zeros(2, 1, D).double(), torch.randn(2, T, H, W, D).double()
    plain = a_block(scheme, drop_path=0.5).train()
    torch.manual_seed(3)
    _, got = block.attend(step, cls, grid)
    torch.manual_seed(3)
    _, expected = plain.attend(step, cls, grid)
    assert torch.allclose(got, expected, atol=1e-12)


def test_the_temporal_step_copies_no_queries_keys_or_values():
    block = a_block("divided_space_time", rewrites=[untransposed])
    for x in block.temporal_attn.heads(torch.randn(2, T, H, W, D).double()):
        assert x.shape == (2, H * W * 2, T, D // 2)
        assert x._base is not None  # a view
        assert x.stride(3) == 1  # what fused kernels ask for


@pytest.mark.parametrize("step", GRID_LAYOUTS, ids=["time", "width"])
def test_an_untransposed_grid_attends_like_its_groups(step):
    scheme = "divided_space_time" if step is TIME else "axial"
    attn, grid = f"{step.prefix}attn", torch.randn(2, T, H, W, D, dtype=torch.float64)
    got = getattr(a_block(scheme, rewrites=[untransposed]), attn)(grid)
    expected = getattr(a_block(scheme), attn)(split(step, grid))
    assert torch.allclose(got, merge(step, expected, grid.shape), atol=1e-12)


@pytest.mark.parametrize("tokens", [8, 197, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_short_attention_is_softmax_of_products(dtype, tokens):
    q, k, v = torch.randn(3, 2, 3, tokens, 16).to(dtype).requires_grad_().unbind()
    got = mix_short(SelfAttention(48, 3), q, k, v, torch.Size((2, tokens, 48)))
    weights = ((q.double() @ k.double().mT) / 4).softmax(dim=-1)
    expected = (weights @ v.double()).transpose(1, 2).flatten(2)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    assert got.dtype == dtype
    assert torch.allclose(got.double(), expected, atol=tolerance)
    weight = torch.randn_like(expected)
    for x in (q, k, v):
        (a,) = torch.autograd.grad(got, x, weight.to(dtype), retain_graph=True)
        (b,) = torch.autograd.grad(expected, x, weight, retain_graph=True)
        assert torch.allclose(a.double(), b.double(), atol=4 * tolerance, rtol=4 * tolerance)


@pytest.mark.parametrize("tokens", [8, 300])
def test_dropout_of_attention_keeps_the_mean_in_either_form(tokens):
    x = torch.ones(64, 2, tokens, 16, dtype=torch.bfloat16)
    assert is_short(x) == (tokens == 8)
    dropped = mix_short(SelfAttention(32, 2, attn_drop=0.5), x, x, x, torch.Size((64, tokens, 32)))
    assert not torch.equal(dropped, torch.ones_like(dropped))
    assert dropped.float().mean() == pytest.approx(1.0, abs=0.05)


def flops(block, **kwargs):
    """Multiply-adds, without computing anything."""
    block = copy.deepcopy(block).to("meta").float().eval()
    cls, grid = torch.empty(2, 1, D, device="meta"), torch.empty(2, T, H, W, D, device="meta")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        block(cls, grid, **kwargs)
    return counter.get_total_flops() // 2


def test_what_the_rewrites_spare_of_divided_attention():
    """Multiply-adds: one product of tokens for one of matrices; in a last block all but keys, values."""
    tokens, square = 2 * T * H * W, D * D
    plain = flops(a_block("divided_space_time"))
    assert plain - flops(a_block("divided_space_time", rewrites=[one_matrix])) == (
        tokens * square - square * D
    )
    model = plain_model("divided_space_time")
    model.blocks[-1] = a_block("divided_space_time")
    last = SPEEDUPS["class_token_only"](model).blocks[-1]
    cls = 2 * T  # a class token for each frame
    rows = tokens + cls  # of the spatial step
    projections = (rows - cls) * square * 2  # of queries and results
    products = (rows - cls) * (H * W + 1) * D * 2  # with keys, then with values
    mlp = tokens * square * 4
    assert flops(last) == plain
    assert plain - flops(last, patches=False) == projections + products + mlp


def test_few_tokens_pass_two_matrices():
    block, calls = a_block("divided_space_time", rewrites=[one_matrix]), []
    block.temporal_fc.register_forward_hook(lambda *_: calls.append(1))
    cls, grid = torch.randn(1, 1, D).double(), torch.randn(1, 2, 2, 2, D).double()
    block(cls, grid)
    assert calls == [1]
    block(cls, torch.randn(1, 4, 2, 2, D).double())
    assert calls == [1]


def test_one_matrix_is_computed_in_full_precision_under_autocast():
    first, second = nn.Linear(D, D), nn.Linear(D, D)
    with torch.autocast("cpu", torch.bfloat16):
        weight, bias = product(first, second)
    assert weight.dtype == bias.dtype == torch.float32
    x = torch.randn(5, D)
    assert torch.allclose(x @ weight.T + bias + second.bias, second(first(x)), atol=1e-5)


def test_what_is_left_out_is_not_applied_and_other_models_stay():
    model = speed_up(plain_model("divided_space_time"), without=["short_attention"])
    assert not any(isinstance(module, ShortAttention) for module in model.modules())
    net = speed_up(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.GELU()))
    assert [type(module) for module in net] == [nn.Linear, nn.LayerNorm, nn.GELU]
