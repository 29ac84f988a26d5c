"""Batch norms of several processes: on two they are PyTorch's own on the whole batch."""

import copy
import os

import pytest
import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import multiprocessing as mp
from torch import nn

from timesformer.config import load_config
from timesformer.engine import train
from timesformer.engine.run import run
from timesformer.engine.sync_batchnorm import OnCPU, is_synchronized, synchronize
from timesformer.evaluation.evaluators import Evaluator
from timesformer.files import checkpoint_path
from timesformer.models.recompute import checkpointed

RECOMPUTED = "timm's with an activation"
SHAPES = {1: (4, 6), 2: (4, 6, 3, 2), 3: (4, 6, 2, 3, 2)}
NORMS = {
    "batch of features": (nn.BatchNorm1d(6), SHAPES[1]),
    "no scale": (nn.BatchNorm2d(6, affine=False, eps=1e-3), SHAPES[2]),
    "mean of all batches": (nn.BatchNorm3d(6, momentum=None), SHAPES[3]),
    "no running statistics": (nn.BatchNorm3d(6, track_running_stats=False), SHAPES[3]),
    RECOMPUTED: (BatchNormAct2d(6, act_layer=nn.ReLU), SHAPES[2]),
}
CASES = [*((name, "cpu", False) for name in NORMS), (RECOMPUTED, "cpu", True)]


class Net(nn.Module):
    """A norm after a layer with weights, whose gradients pass through it."""

    def __init__(self, name):
        super().__init__()
        norm, self.shape = NORMS[name]
        self.scale, self.norm = nn.Parameter(torch.full(self.shape[1:], 1.5)), copy.deepcopy(norm)

    def forward(self, x):
        return self.norm(self.scale * x)


def batches(net):
    generator = torch.Generator().manual_seed(0)
    return [3 + 2 * torch.randn(net.shape, generator=generator) for _ in range(2)]


def trained(net, rows, device):
    """Outputs, gradients of the sum over clips, and buffers, of two batches of these rows."""
    net = net.to(device)
    outputs = []
    for x in batches(net):
        made = net(x[rows].to(device))
        (made * x[rows].to(device).cos()).exp().sum().backward()
        outputs.append(made.detach().cpu())
    grads = [parameter.grad.cpu() for parameter in net.parameters()]
    return outputs, grads, [buffer.cpu() for buffer in net.buffers()]


def prepared(name, device, again):
    net = synchronize(Net(name), torch.device(device))
    assert is_synchronized(net)
    return checkpointed(net) if again else net


def join(rank, folder):
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)


def work(rank, folder, cases):
    join(rank, folder)
    rows = slice(2 * rank, 2 * rank + 2)
    found = [trained(prepared(*case), rows, case[1]) for case in cases]
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


def close(a, b):
    return all(torch.allclose(x, y, atol=1e-5) for x, y in zip(a, b, strict=True))


def compare(folder, cases):
    """Each case on two processes, whose results are in ``folder``, with PyTorch's on the whole batch."""
    both = [torch.load(folder / f"{rank}.pt") for rank in range(2)]
    for case, first, second in zip(cases, *both, strict=True):
        outputs, grads, buffers = trained(Net(case[0]), slice(0, 4), "cpu")
        joined = [torch.cat(pair) for pair in zip(first[0], second[0], strict=True)]
        assert close(joined, outputs), case
        assert close([a + b for a, b in zip(first[1], second[1], strict=True)], grads), case
        assert close(first[2], buffers), case
        assert close(second[2], buffers), case


def test_two_processes_compute_as_one_with_the_whole_batch(tmp_path):
    mp.start_processes(work, args=(tmp_path, CASES), nprocs=2, start_method="fork")
    compare(tmp_path, CASES)


@pytest.mark.cuda
def test_two_processes_of_a_gpu_compute_as_one_with_the_whole_batch(tmp_path):
    cases = [(name, "cuda", again) for name, _, again in CASES]
    mp.spawn(work, args=(tmp_path, cases), nprocs=2)
    compare(tmp_path, cases)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", NORMS)
def test_alone_or_in_evaluation_they_are_pytorchs(name, device):
    net, x = Net(name), batches(Net(name))[0]
    changed = synchronize(copy.deepcopy(net), torch.device(device))
    assert torch.allclose(changed(x), net(x), atol=1e-6)
    assert torch.allclose(changed.eval()(x), net.eval()(x), atol=1e-6)


def test_half_precision_is_normalised_in_full():
    x = torch.randn(64, 6) * 100 + 1000
    norm = synchronize(nn.BatchNorm1d(6), torch.device("cpu"))
    assert isinstance(norm, OnCPU)
    found = norm(x.bfloat16())
    assert found.dtype == torch.bfloat16
    expected = nn.BatchNorm1d(6)(x.bfloat16().float())
    assert torch.allclose(found.float(), expected, atol=0.02)


def keep_evaluated(rank, folder, cfg):
    """Train; what an evaluation gets goes to a file."""

    def keep(model, epoch, scalars):
        assert not is_synchronized(model)
        torch.save(model.state_dict(), folder / f"{rank}.pt")
        return {}

    join(rank, folder)
    train.build_evaluators = lambda *_: {"kept": Evaluator(1, keep)}
    run(cfg)


def test_without_them_all_processes_evaluate_with_the_statistics_of_the_first(tiny_yaml, tmp_path):
    words = ["MODEL.MODEL_NAME", "timm/test_resnet+mean", "DIST.SYNC_BATCHNORM", "False"]
    words += ["SOLVER.MAX_EPOCH", "1", "DATA.LIMIT_TRAIN_BATCHES", "2", "TEST.ENABLE", "False"]
    cfg = load_config(tiny_yaml, words)
    mp.start_processes(keep_evaluated, args=(tmp_path, cfg), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    saved = torch.load(checkpoint_path(tmp_path / "out", 0), weights_only=True)["model_state"]
    assert all(torch.equal(value, saved[f"model.{name}"]) for name, value in first.items())
