"""Batches reach the device whole, also while it computes."""

import pytest
import torch

from timesformer.datasets.clips import Batch
from timesformer.engine.train_step import DevicePrefetcher


def batch(number, size=4):
    clips = torch.full((size, 3, 2, 8, 8), number, dtype=torch.uint8)
    labels = torch.full((size,), number)
    return Batch(clips, labels, torch.arange(size), (), torch.empty(0))


def test_on_a_cpu_nothing_is_copied():
    given = batch(3)
    assert DevicePrefetcher(torch.device("cpu"))(given) is given


@pytest.mark.cuda
def test_on_a_gpu_every_batch_arrives_as_it_was():
    device = torch.device("cuda")
    copy, work, sums = DevicePrefetcher(device), torch.randn(2048, 2048, device=device), []
    for number in range(20):
        given = batch(number, size=64)
        moved = copy(
            given._replace(clips=given.clips.pin_memory(), labels=given.labels.pin_memory())
        )
        assert moved.clips.device.type == moved.labels.device.type == "cuda"
        for _ in range(10):  # keep the GPU behind the program
            work = work @ work / 2048
        sums.append((moved.clips.double().mean(), moved.labels.double().mean()))
        del moved, given
    assert [(a.item(), b.item()) for a, b in sums] == [(i, i) for i in range(20)]
