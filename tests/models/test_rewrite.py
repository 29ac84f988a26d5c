"""Classes change; parameters, names, hooks and copies do not."""

import copy

import torch
from torch import nn

from timesformer.models.rewrite import become, modules, plain, rewrite


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Negated(nn.Linear):
    def forward(self, x):
        return -super().forward(x)


def test_rewrites_are_applied_once_and_stack_and_can_be_undone():
    net, x, calls = nn.Sequential(nn.Linear(2, 3)), torch.randn(4, 2), []
    net[0].register_forward_hook(lambda *_: calls.append(1))
    before, names = net(x), list(net.state_dict())
    for _ in range(2):
        rewrite(net, nn.Linear, Doubled)
        rewrite(net, nn.Linear, Negated)
    assert torch.equal(net(x), -2 * before)
    assert torch.equal(copy.deepcopy(net)(x), -2 * before)
    assert torch.equal(plain(net)(x), before)
    assert type(net[0]) is nn.Linear
    assert list(net.state_dict()) == names
    assert len(calls) == 4


def test_the_same_rewrite_makes_the_same_class():
    first, second = (become(nn.Linear(2, 3), Doubled) for _ in range(2))
    assert type(first) is type(second)
    assert [*modules(nn.Sequential(first, nn.ReLU(), second), Doubled)] == [first, second]
