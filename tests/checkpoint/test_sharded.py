"""Sharded checkpoints on the disk: whole or not there, found, checked, deleted."""

import os
import shutil

import pytest
import torch

from tests.checkpoint.test_save import trained
from timesformer.checkpoint import save as run_checkpoint
from timesformer.checkpoint import sharded
from timesformer.checkpoint.convert import WRITERS, Source, refuse_overwriting
from timesformer.checkpoint.inspect import summarize
from timesformer.checkpoint.load import CheckpointError, read_file
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.files import checkpoint_path


def payload(epoch, seed=0):
    net, optimizer = trained(seed, steps=1)
    state = run_checkpoint.named_state(net)
    return {"epoch": epoch, "model_state": state, "optimizer_state": optimizer.state_dict()}


def save(folder, epoch, **options):
    path = checkpoint_path(folder, epoch, is_sharded=True, **options)
    run_checkpoint.write_sharded(path, payload(epoch))
    return path


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_all_entries_come_back_and_nothing_temporary_stays(tmp_path):
    path = save(tmp_path, 4)
    assert path == tmp_path / "checkpoints" / "checkpoint_epoch_00005.dcp"
    assert names(path) == [path.name]
    expected, found = payload(4), read_file(path)
    assert found.keys() == expected.keys()
    assert found["optimizer_state"]["param_groups"] == expected["optimizer_state"]["param_groups"]
    for key, value in expected["model_state"].items():
        assert torch.equal(found["model_state"][key], value), key
    for i, state in expected["optimizer_state"]["state"].items():
        assert torch.equal(found["optimizer_state"]["state"][i]["momentum_buffer"],
                           state["momentum_buffer"])  # fmt: skip


def test_values_that_are_no_tensors_stay_in_the_optimizer_state(tmp_path):
    content = payload(0)
    for state in content["optimizer_state"]["state"].values():
        state["momentum_buffer"] = None
    run_checkpoint.write_sharded(tmp_path / "a.dcp", content)
    assert read_file(tmp_path / "a.dcp")["optimizer_state"] == content["optimizer_state"]


@pytest.mark.parametrize("harm", ["flipped", "missing", "no metadata", "no entries", "empty"])
def test_a_torn_folder_is_named_and_passed_over(tmp_path, caplog, harm):
    good, bad = save(tmp_path, 0), save(tmp_path, 1)
    part = bad / "__0_0.distcp"
    if harm == "flipped":
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 4
        part.write_bytes(data)
    elif harm == "empty":
        shutil.rmtree(bad)
        bad.mkdir()
    else:
        {"missing": part, "no metadata": bad / ".metadata", "no entries": bad / "plain.pyth"}[
            harm
        ].unlink()
    assert newest_checkpoint(tmp_path) == good
    assert f"{bad} is left out, it is damaged: " in caplog.text
    assert "delete it" in caplog.text


def test_the_newest_of_either_kind_is_found(tmp_path):
    first = save(tmp_path, 0)
    file = checkpoint_path(tmp_path, 0)
    run_checkpoint.write_checkpoint(file, payload(0))
    assert newest_checkpoint(tmp_path) == file
    os.utime(first / "plain.pyth", (2e9, 2e9))
    assert newest_checkpoint(tmp_path) == first
    inside = save(tmp_path, 1, batch=2)
    assert newest_checkpoint(tmp_path) == inside
    last = checkpoint_path(tmp_path, 1)
    run_checkpoint.write_checkpoint(last, payload(1))
    assert newest_checkpoint(tmp_path) == last


@pytest.mark.parametrize(
    "moment", ["parts", "entries", "first rename", "second rename", "deletion"]
)
def test_wherever_a_process_dies_there_is_a_whole_one(tmp_path, monkeypatch, moment):
    """Over an old one, which is the only one."""
    path = save(tmp_path, 0)
    step, nth = {
        "parts": ((sharded, "_sums"), 1),
        "entries": ((os, "replace"), 1),
        "first rename": ((os, "replace"), 2),
        "second rename": ((os, "replace"), 3),
        "deletion": ((os, "replace"), 4),
    }[moment]
    real, calls = getattr(*step), []

    def die(*arguments, **options):
        calls.append(arguments)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(*step, die)
    with pytest.raises(KeyboardInterrupt):
        run_checkpoint.write_sharded(path, payload(0, seed=1))
    monkeypatch.undo()
    found = newest_checkpoint(tmp_path)
    assert found.name in (path.name, f"{path.name}.old")
    bias = read_file(found)["model_state"]["model.norm.bias"]
    is_new = moment == "deletion"
    assert torch.equal(bias, payload(0, seed=int(is_new))["model_state"]["model.norm.bias"])
    run_checkpoint.remove_leftovers(tmp_path)
    assert names(path) == [found.name]
    save(tmp_path, 0)
    assert names(path) == [path.name]


def test_a_full_disk_leaves_the_last_good_one_and_says_so(tmp_path, monkeypatch):
    path = save(tmp_path, 0)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    for epoch in (0, 1):
        with pytest.raises(
            CheckpointError,
            match=r"cannot be written: No space left on device.* good one is .*1.dcp",
        ):
            save(tmp_path, epoch)
        assert names(path) == [path.name]
    assert newest_checkpoint(tmp_path) == path


def test_parts_on_the_disk_of_another_machine_are_an_error(tmp_path, monkeypatch):
    others = [("__1_0.distcp", (7, 7))]
    monkeypatch.setattr(sharded, "_sums", lambda _: others)
    with pytest.raises(
        CheckpointError, match="parts of other machines are not here; OUTPUT_DIR must"
    ):
        save(tmp_path, 0)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_old_folders_are_deleted_like_files(tmp_path):
    paths = [save(tmp_path, epoch) for epoch in range(3)]
    run_checkpoint.prune(tmp_path, 2)
    assert names(paths[0]) == [path.name for path in paths[1:]]


def test_what_is_no_training_does_not_become_a_sharded_checkpoint(tmp_path):
    torch.save({"model_state": payload(0)["model_state"]}, tmp_path / "bare.pyth")
    made = Source.of(
        read_model_spec(tmp_path / "bare.pyth", overrides=["TIMESFORMER.NUM_HEADS", "2"])
    )
    with pytest.raises(CheckpointError, match="holds no training to resume"):
        WRITERS["sharded"](made, tmp_path / "a.dcp", torch.float32)


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    torch.save(payload(0), tmp_path / "a.pyth")
    made = Source.of(read_model_spec(tmp_path / "a.pyth", overrides=["TIMESFORMER.NUM_HEADS", "2"]))
    with pytest.raises(CheckpointError, match="is not a sharded checkpoint; give a new name"):
        WRITERS["sharded"](made, tmp_path, torch.float32)


def test_a_folder_is_replaced_by_a_conversion_but_not_by_itself(tmp_path):
    path = save(tmp_path, 0)
    torch.save(payload(6), tmp_path / "a.pyth")
    made = Source.of(read_model_spec(tmp_path / "a.pyth", overrides=["TIMESFORMER.NUM_HEADS", "2"]))
    refuse_overwriting(str(tmp_path / "a.pyth"), path, to="sharded")
    WRITERS["sharded"](made, path, torch.float32)
    assert read_file(path)["epoch"] == 6
    with pytest.raises(CheckpointError, match="--out is the input"):
        refuse_overwriting(str(path), path, to="sharded")


def test_all_that_is_known_of_a_folder(tmp_path):
    facts = summarize(save(tmp_path, 4))
    expected = {"format": "TimeSformer", "epoch": 4, "tensors": 49}
    assert {key: facts[key] for key in expected} == expected
    assert facts["bytes"] == sum(file.stat().st_size for file in tmp_path.glob("*/*.dcp/*"))
