import threading

import pytest
import torch

from timesformer.checkpoint import save
from timesformer.checkpoint.async_save import AsyncWriter, snapshot
from timesformer.checkpoint.load import CheckpointError
from timesformer.files import checkpoint_path


def test_a_snapshot_does_not_change_with_what_it_was_taken_of():
    tree = {"a": [torch.zeros(2), (torch.ones(1), "text")], "b": {1: 2.5}}
    taken = snapshot(tree)
    tree["a"][0].add_(1)
    tree["a"].append(3)
    tree["b"][1] = 0
    assert taken["a"][0].tolist() == [0, 0]
    assert taken["a"][1][1] == "text"
    assert (len(taken["a"]), taken["b"]) == (2, {1: 2.5})


def test_saving_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    disk, write = threading.Event(), save.write_checkpoint
    monkeypatch.setattr(save, "write_checkpoint", lambda *a, **k: (disk.wait(20), write(*a, **k)))
    weights, saver = torch.zeros(3), AsyncWriter(tmp_path, keep=0)
    path = checkpoint_path(tmp_path, 0)
    saver.save({"w": weights}, path)
    weights.add_(1)  # training goes on
    assert not path.exists()
    assert not saver.failed()
    disk.set()
    saver.wait()
    assert torch.load(path, weights_only=True)["w"].tolist() == [0, 0, 0]


def test_what_goes_wrong_in_the_thread_is_known_and_raised_once(tmp_path):
    (tmp_path / "checkpoints").write_text("a file, no folder")
    saver = AsyncWriter(tmp_path, keep=0)
    path = checkpoint_path(tmp_path, 0)
    saver.save({}, path)
    saver._thread.shutdown()  # the write has ended
    assert saver.failed()
    with pytest.raises(CheckpointError, match="cannot be written"):
        saver.wait()
    assert not saver.failed()
    saver.wait()
