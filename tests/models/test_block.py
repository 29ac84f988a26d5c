"""What a block spares, against the block that computes everything."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from timesformer.models import block as block_module
from timesformer.models.attention import SCHEMES
from timesformer.models.block import Block

T, H, W, D = 4, 4, 6, 8
GRID = (2, T, H, W, D)


def blocks(scheme, **kwargs):
    """The same block twice; the second computes as published and keeps everything."""
    made = []
    for published in (False, True):
        torch.manual_seed(0)
        one = Block(D, num_heads=2, mlp_ratio=2.0, scheme=scheme, **kwargs).double()
        for parameter in one.parameters():  # also where an untrained block has zeros
            nn.init.normal_(parameter, std=0.5)
        one.as_published, one.lean = published, not published
        made.append(one)
    return made


def run(block, *, seed=1, patches=True):
    """Outputs, and gradients of the inputs and the parameters."""
    torch.manual_seed(seed)
    cls = torch.randn(2, 1, D, dtype=torch.float64, requires_grad=True)
    grid = torch.randn(GRID, dtype=torch.float64, requires_grad=True)
    outputs = [x for x in block(cls, grid, patches=patches) if x is not None]
    sum(x.sin().sum() for x in outputs).backward()
    return outputs, [cls.grad, grid.grad, *(p.grad for p in block.parameters())]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "rates", [{}, {"drop_path": 0.5}, {"drop": 0.3, "attn_drop": 0.3}], ids=str
)
def test_sparing_changes_neither_results_nor_gradients(scheme, rates):
    (outputs, gradients), (expected, expected_gradients) = map(run, blocks(scheme, **rates))
    for a, b in zip(outputs + gradients, expected + expected_gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_the_class_token_alone_is_the_same_class_token(scheme, drop_path):
    spared, published = blocks(scheme, drop_path=drop_path)
    (cls,), gradients = run(spared, patches=False)

    torch.manual_seed(1)
    inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 1, D), GRID)
    ]
    expected, _ = published(*inputs)
    expected.sin().sum().backward()
    assert torch.allclose(cls, expected, rtol=1e-9)
    wanted = [*(x.grad for x in inputs), *(p.grad for p in published.parameters())]
    for a, b in zip(gradients, wanted, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)


def flops(block, *, patches):
    block = block.to("meta").eval()
    cls, grid = torch.empty(2, 1, D, device="meta"), torch.empty(GRID, device="meta")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        block.float()(cls, grid, patches=patches)
    return counter.get_total_flops() // 2


def test_what_divided_attention_spares():
    """Multiply-adds: one product of tokens for one of matrices; in a last block all but keys, values."""
    tokens, square = 2 * T * H * W, D * D
    spared, published = blocks("divided_space_time")
    merged = flops(published, patches=True) - flops(spared, patches=True)
    assert merged == tokens * square - square * D
    cls = 2 * T  # a class token for each frame
    rows = tokens + cls  # of the spatial step
    projections = (rows - cls) * square * 2  # of queries and results
    products = (rows - cls) * (H * W + 1) * D * 2  # with keys, then with values
    mlp = tokens * square * 4
    last = flops(spared, patches=True) - flops(spared, patches=False)
    assert last == projections + products + mlp
    assert flops(published, patches=True) == flops(published, patches=False)


def test_few_tokens_pass_two_matrices():
    spared, _ = blocks("divided_space_time")
    calls = []
    spared.temporal_fc.register_forward_hook(lambda *_: calls.append(1))
    cls, grid = torch.randn(1, 1, D).double(), torch.randn(1, 2, 2, 2, D).double()
    spared(cls, grid)
    assert calls == [1]
    spared(cls, torch.randn(1, 4, 2, 2, D).double())
    assert calls == [1]


def test_one_matrix_is_computed_in_full_precision_under_autocast():
    first, second = nn.Linear(D, D), nn.Linear(D, D)
    with torch.autocast("cpu", torch.bfloat16):
        weight, bias = block_module._one_matrix(first, second)
    assert weight.dtype == bias.dtype == torch.float32
    x = torch.randn(5, D)
    assert torch.allclose(x @ weight.T + bias + second.bias, second(first(x)), atol=1e-5)
