"""Smaller parts after running out of memory give the gradients of the whole batch."""

import pytest
import torch
import torch.distributed as dist
from torch.nn import functional as F

from timesformer.engine.microbatch import TRIAL_STEPS, MicroBatches, OutOfMemory
from timesformer.engine.sync_batchnorm import synchronize
from timesformer.models.timesformer import TimeSformer
from timesformer.runtime import collectives

CLIPS = 7  # odd: parts of unequal size


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = TimeSformer(img_size=16, patch_size=8, num_classes=3, num_frames=2, embed_dim=16,
                       depth=2, num_heads=2, drop_path_rate=0.0)  # fmt: skip
    torch.nn.init.normal_(made.head.weight)
    return made.double()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(CLIPS, 3, 2, 16, 16, generator=generator).double(), torch.arange(CLIPS) % 3


def forward_of(model, fits, *, fails_in_backward=False):
    """Forward pass that runs out of memory above ``fits`` clips; keeps the sizes it was given."""

    def forward(clips, targets):
        sizes.append(len(clips))
        if len(clips) > fits and not fails_in_backward:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate")
        if len(clips) > fits:  # when the gradients of the last layers are there
            handles.append(model.blocks[0].norm2.weight.register_hook(explode))
        logits = model(clips)
        return F.cross_entropy(logits, targets), logits

    def explode(_):
        handles.pop().remove()
        raise torch.OutOfMemoryError("CUDA out of memory")

    handles = []
    sizes = []
    forward.sizes = sizes
    return forward


def grads(model):
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    return found


def whole(model, batch, times=1):
    for _ in range(times):
        F.cross_entropy(model(batch[0]), batch[1]).backward()
    return grads(model)


def close(a, b):
    return all(torch.allclose(x, y, rtol=0, atol=1e-6) for x, y in zip(a, b, strict=True))


def run(micro, forward, batch, *, is_last=True):
    return micro.run(forward, lambda loss: loss.backward(), *batch, is_last=is_last)


@pytest.mark.parametrize("in_backward", [False, True])
@pytest.mark.parametrize(("fits", "sizes"), [(7, [7]), (4, [7, 4, 3]), (2, [7, 4, 2, 2, 2, 1])])
def test_a_batch_in_parts_has_the_gradients_loss_and_logits_of_the_whole(
    model, batch, fits, sizes, in_backward, caplog
):
    expected, logits = whole(model, batch), model(batch[0])
    forward = forward_of(model, fits, fails_in_backward=in_backward)
    micro = MicroBatches(model)
    loss, found = run(micro, forward, batch)
    assert forward.sizes == sizes
    assert close(grads(model), expected)
    assert torch.allclose(found, logits, atol=1e-6)
    assert loss == pytest.approx(F.cross_entropy(logits, batch[1]).item(), abs=1e-6)
    assert not found.requires_grad
    assert ("are computed 4 at a time: the same samples" in caplog.text) == (fits < 7)
    forward.sizes.clear()
    run(micro, forward, batch)
    assert max(forward.sizes) <= max(fits, 1)  # what has failed is not tried again


def test_gradients_of_the_batches_before_survive(model, batch):
    """Mixed targets, and a failure in the backward pass of the second of three batches."""
    batch = (batch[0], F.one_hot(batch[1], 3) * 0.9 + 0.1 / 3)
    expected = whole(model, batch, times=3)
    micro = MicroBatches(model)
    for i, fits in enumerate((7, 4, 7)):
        forward = forward_of(model, fits, fails_in_backward=True)
        run(micro, forward, batch, is_last=i == 2)
    assert micro.parts == 2
    assert close(grads(model), expected)


def test_a_clip_that_does_not_fit_alone_ends_with_the_remedy(model, batch):
    micro = MicroBatches(model)
    with pytest.raises(OutOfMemory, match="a single clip does not fit.*ACTIVATION_CHECKPOINT 1"):
        run(micro, forward_of(model, 0), batch)


def test_after_the_trial_a_process_alone_still_tries_again(model, batch):
    expected = whole(model, batch)
    micro = MicroBatches(model)
    for _ in range(TRIAL_STEPS):
        run(micro, forward_of(model, 7), batch)
        model.zero_grad()
    assert micro.steps_on_trial == 0
    run(micro, forward_of(model, 4), batch)
    assert close(grads(model), expected)
    micro.steps_on_trial = 0
    run(micro, forward_of(model, 4), batch, is_last=False)
    with pytest.raises(OutOfMemory, match=r"out of memory. Tried; lower TRAIN.BATCH_SIZE"):
        run(micro, forward_of(model, 2), batch)


def test_with_synchronised_batch_norms_nothing_is_tried_again():
    """Another process would wait in the forward pass for the one that has failed."""
    model = synchronize(torch.nn.Sequential(torch.nn.BatchNorm3d(3)), torch.device("cpu"))
    with pytest.raises(OutOfMemory, match="lower TRAIN.BATCH_SIZE"):
        run(MicroBatches(model), forward_of(model, 4), (torch.zeros(7, 3), torch.zeros(7)))


def test_processes_split_together_and_average_their_gradients(model, batch, monkeypatch):
    """One of two processes runs out of memory; then DDP exchanges as usual. See the module itself."""
    from torch.nn.parallel import DistributedDataParallel

    votes = {"asked": 0}
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        monkeypatch.setattr(collectives, "world_size", lambda: 2)

        def gather(item):
            votes["asked"] += 1
            return [item, votes["asked"] == 1]  # the other one fails at its first attempt

        monkeypatch.setattr(collectives, "gather", gather)
        expected = whole(model, batch)
        wrapped = DistributedDataParallel(model)
        micro = MicroBatches(wrapped)
        forward = forward_of(wrapped, 7)
        run(micro, forward, batch)
        assert forward.sizes == [7, 4, 3]
        halved = [2 * grad for grad in grads(model)]  # the sum over a group of one, by two
        assert close(halved, expected)
        run(micro, forward, batch)
        model.zero_grad()
        forward.sizes.clear()
        run(micro, forward, batch)  # by DDP: exchanged while the last part computes
        assert close(grads(model), expected)
        assert (votes["asked"], forward.sizes) == (3, [4, 3])
        with pytest.raises(OutOfMemory, match=r"lower TRAIN.BATCH_SIZE"):
            run(micro, forward_of(wrapped, 2), batch)
    finally:
        dist.destroy_process_group()
