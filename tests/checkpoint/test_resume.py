"""A checkpoint goes back into the training that wrote it, and into no other one."""

import pytest
import torch

from tests.checkpoint.test_load import model, same_weights
from tests.checkpoint.test_save import save, trained
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.resume import load_train_state, refuse_diverged
from timesformer.models.timesformer import TimeSformer


def test_training_goes_on_from_model_optimizer_and_epoch(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=4)
    other = model(seed=9)
    fresh = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    position, report, _ = load_train_state(path, other, fresh)
    assert (position, report.exact) == ((5, 0), True)
    clip = torch.randn(2, 3, 4, 16, 16)
    for one, its in ((net, optimizer), (other, fresh)):
        one.eval()(clip).square().sum().backward()
        its.step()
    assert same_weights(net, other)


def test_the_options_of_the_optimizer_are_those_of_the_configuration(tmp_path):
    """Not of the file: its decay, its factors of the learning rate, the kernels of its machine."""
    net, optimizer = trained(0)
    optimizer.param_groups[0] |= {"lr_scale": 1.0, "weight_decay": 0.5}
    path = save(tmp_path, net, optimizer, epoch=4)
    group = {"params": list(net.parameters()), "lr_scale": 3.0}
    fresh = torch.optim.SGD([group], lr=0.2, momentum=0.5, weight_decay=0.25, fused=True)
    before = {key: value for key, value in fresh.param_groups[0].items() if key != "params"}
    load_train_state(path, net, fresh)
    now = fresh.param_groups[0]
    assert {key: now[key] for key in before} == before
    assert (now["weight_decay"], now["lr_scale"], now["fused"]) == (0.25, 3.0, True)
    buffers = [fresh.state[p]["momentum_buffer"] for p in net.parameters()]
    originals = [optimizer.state[p]["momentum_buffer"] for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(buffers, originals, strict=True))


def test_the_optimizer_state_of_a_published_checkpoint_is_taken(shared):
    io = torch.load(shared / "golden/shared_official_divided_space_time_io.pt", weights_only=True)
    path = shared / "golden/shared_official_divided_space_time.pyth"
    net = TimeSformer(**io["spec"])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    resumed = load_train_state(path, net, optimizer)
    assert resumed.position == (torch.load(path, weights_only=True)["epoch"] + 1, 0)


def test_empty_groups_of_published_optimizer_states_are_dropped(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    content = torch.load(path, weights_only=True)
    groups = content["optimizer_state"]["param_groups"]
    content["optimizer_state"]["param_groups"] = [{**groups[0], "params": []}, *groups]
    torch.save(content, path)
    fresh = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    load_train_state(path, net, fresh)
    buffers = [fresh.state[p]["momentum_buffer"] for p in net.parameters()]
    originals = [optimizer.state[p]["momentum_buffer"] for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(buffers, originals, strict=True))


def test_another_model_or_optimizer_is_not_gone_on_from(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    other = model(num_classes=9)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of this model.*AUTO_RESUME False"):
        load_train_state(path, other, torch.optim.SGD(other.parameters(), lr=0.1))
    groups = [{"params": [p]} for p in net.parameters()]
    with pytest.raises(CheckpointError, match="optimizer state .* does not fit"):
        load_train_state(path, net, torch.optim.SGD(groups, lr=0.1))
    torch.save(net.state_dict(), tmp_path / "weights")
    with pytest.raises(CheckpointError, match=r"no epoch and optimizer state.*FINETUNE True"):
        load_train_state(tmp_path / "weights", net, optimizer)


@pytest.mark.parametrize("entry", ["model_state", "ema_state"])
def test_weights_that_are_not_finite_are_not_gone_on_from(tmp_path, entry):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    refuse_diverged(path)
    content = torch.load(path, weights_only=True)
    state = {name: value.clone() for name, value in content["model_state"].items()}
    state["model.norm.bias"][0] = torch.inf
    torch.save({**content, entry: state}, path)
    for read in (refuse_diverged, lambda path: load_train_state(path, net, optimizer)):
        with pytest.raises(
            CheckpointError, match=r"infinity in 1 of 49 .*norm.bias.*one before, delete this one"
        ):
            read(path)
