"""Checkpoints of a run on the disk: whole or not there, found, checked, deleted, gone on from."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoint.test_load import model
from timesformer.checkpoint import save as run_checkpoint
from timesformer.checkpoint.load import CheckpointError, read_file
from timesformer.checkpoint.newest import damage, newest_checkpoint
from timesformer.files import best_checkpoint, checkpoint_folder, checkpoint_path, temporary_path


def trained(seed, steps=3):
    """A model and an optimizer after some steps."""
    net = model(seed=seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        net(torch.randn(2, 3, 4, 16, 16)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return net, optimizer


def save(folder, net, optimizer, epoch):
    path = checkpoint_path(folder, epoch)
    payload = {
        "epoch": epoch,
        "model_state": run_checkpoint.named_state(net),
        "optimizer_state": optimizer.state_dict(),
        "cfg": "A: 1\n",
    }
    run_checkpoint.write_checkpoint(path, payload)
    return path


def test_checkpoints_have_the_published_name_fields_and_prefix(tmp_path):
    path = save(tmp_path, *trained(0), epoch=4)
    assert path == tmp_path / "checkpoints" / "checkpoint_epoch_00005.pyth"
    content = torch.load(path, weights_only=True)
    assert content.keys() == {"epoch", "model_state", "optimizer_state", "cfg"}
    assert (content["epoch"], content["cfg"]) == (4, "A: 1\n")
    assert all(key.startswith("model.") for key in content["model_state"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing temporary left


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk of Linux")
def test_a_full_disk_leaves_the_last_good_one_and_says_so(tmp_path):
    net, optimizer = trained(0)
    path = save(tmp_path, net, optimizer, epoch=0)
    before = path.read_bytes()
    for epoch in (0, 1):  # over an old one; and a new one
        other = checkpoint_path(tmp_path, epoch)
        temporary_path(other).symlink_to("/dev/full")
        with pytest.raises(
            CheckpointError,
            match=rf"{other.name} cannot be written: No space left on device \(\d+ MiB are free.*"
            rf"last good one is .*{path.name}\. Make room \(TRAIN.KEEP_CHECKPOINTS",
        ):
            save(tmp_path, net, optimizer, epoch=epoch)
        assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before
    assert newest_checkpoint(tmp_path) == path


def test_the_reason_of_the_system_is_said_where_the_zip_writer_hides_it(tmp_path, monkeypatch):
    def fail(payload, file):
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match="cannot be written: No space left on device"):
        save(tmp_path, *trained(0), epoch=0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(CheckpointError, match=r"cannot be written: .*; there is no earlier one"):
        save(tmp_path, *trained(0), epoch=0)


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "text"])
def test_the_newest_valid_checkpoint_is_found_and_a_damaged_one_named(tmp_path, caplog, harm):
    net, optimizer = trained(0)
    good, bad = (save(tmp_path, net, optimizer, epoch=epoch) for epoch in (0, 1))
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 4
    harmed = {"truncated": data[:-100], "flipped": data, "empty": b"", "text": b"no zip" * 99}
    bad.write_bytes(harmed[harm])
    assert newest_checkpoint(tmp_path) == good
    assert f"{bad} is left out, it is damaged" in caplog.text
    good.unlink()  # a run must not start from scratch as if nothing had been there
    with pytest.raises(CheckpointError, match="holds no checkpoint that can be used:\n  .*damaged"):
        newest_checkpoint(tmp_path)


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path):
    """The headers of a zip file have no checksum, but no tensor and no number depends on them."""
    path = save(tmp_path, *trained(0, steps=1), epoch=0)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    before = torch.load(path, weights_only=True)["model_state"]
    noticed = 0
    for at in rng.integers(0, len(whole), size=100).tolist():
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        if damage(path):
            noticed += 1
            continue
        after = read_file(path)["model_state"]
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert noticed > 50


def test_a_copy_is_as_valid_as_the_file(tmp_path):
    path = save(tmp_path, *trained(0), epoch=0)
    copy = tmp_path / "elsewhere.pyth"
    copy.write_bytes(path.read_bytes())
    assert damage(copy) == ""


def test_files_of_pytorch_before_1_6_are_not_called_damaged(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    assert damage(tmp_path / "old") == ""


def test_the_same_content_gets_several_names(tmp_path, monkeypatch):
    best = best_checkpoint(tmp_path)
    path = checkpoint_path(tmp_path, 0)
    for links in (True, False):
        if not links:
            monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
        run_checkpoint.write_checkpoint(path, {"epoch": 0, "links": links}, also=[best])
        assert torch.load(best, weights_only=True)["links"] == links
        assert path.samefile(best) == links
        assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (0, ["00001", "00002", "00003", "00004_batch_000007", "00005"]),
        (2, ["00003", "00004_batch_000007", "00005"]),
    ],
)
def test_old_checkpoints_are_deleted(tmp_path, keep, left):
    folder = checkpoint_folder(tmp_path)
    folder.mkdir()
    names = ["00001", "00001_batch_000003", "00002", "00003_batch_000009", "00003",
             "00004_batch_000007", "00005"]  # fmt: skip
    for name in (*names, "best"):
        (folder / f"checkpoint_epoch_{name}.pyth").touch()
    run_checkpoint.prune(tmp_path, keep)
    stayed = sorted(path.stem.removeprefix("checkpoint_epoch_") for path in folder.iterdir())
    assert stayed == sorted([*left, "best"])


def test_an_old_checkpoint_that_cannot_be_deleted_is_named_and_ends_nothing(
    tmp_path, monkeypatch, caplog
):
    paths = [save(tmp_path, *trained(0, steps=1), epoch=epoch) for epoch in range(3)]
    unlink = Path.unlink

    def refuse(path, **options):
        if path == paths[0]:
            raise PermissionError(13, "Permission denied")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    run_checkpoint.prune(tmp_path, 1)
    assert f"old checkpoint {paths[0]} cannot be deleted: Permission denied" in caplog.text
    assert [path.exists() for path in paths] == [True, False, True]


def test_checkpoints_that_a_run_would_take_for_its_own_are_set_aside(tmp_path):
    folder = checkpoint_folder(tmp_path)
    assert (
        run_checkpoint.set_aside(tmp_path, after=Path("checkpoint_epoch_00000.pyth"), best=True)
        is None
    )
    folder.mkdir()
    names = ["00004", "00005_batch_000002", "00005_batch_000010", "00005", "00010"]
    files = [folder / f"checkpoint_epoch_{name}.pyth" for name in names]
    for path in [*files, best_checkpoint(tmp_path), folder / "mine.pyth"]:
        path.write_text(path.name)
    moved = run_checkpoint.set_aside(tmp_path, after=files[1], best=False)
    assert sorted(path.read_text() for path in moved.iterdir()) == sorted(p.name for p in files[2:])
    assert run_checkpoint.set_aside(tmp_path, after=files[1], best=False) is None
    moved = run_checkpoint.set_aside(tmp_path, after=Path("checkpoint_epoch_00000.pyth"), best=True)
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["earlier-1", "earlier-2", "mine.pyth"]
    assert len(list(moved.iterdir())) == 3


def test_files_are_set_aside_on_another_disk_too(tmp_path, monkeypatch):
    (tmp_path / "nonfinite").mkdir()
    (tmp_path / "nonfinite" / "step.json").write_text("{}")
    (tmp_path / "run.json").symlink_to("elsewhere.json")

    def rename(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", rename)  # of files whose folder is a link to another disk
    aside = run_checkpoint.move_aside(tmp_path, [tmp_path / "nonfinite", tmp_path / "run.json"])
    assert (aside / "nonfinite" / "step.json").read_text() == "{}"
    assert os.readlink(aside / "run.json") == "elsewhere.json"
    assert os.listdir(tmp_path) == ["checkpoints"]


def test_what_was_half_written_is_deleted(tmp_path):
    path = save(tmp_path, *trained(0), epoch=0)
    path.with_name(f"{path.name}.tmp").write_bytes(b"half")
    run_checkpoint.remove_leftovers(tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_newest_checkpoint_is_the_one_that_has_seen_most(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    assert newest_checkpoint(tmp_path) is None
    names = ["epoch_00009_batch_000002", "epoch_00009_batch_000010", "epoch_00009", "epoch_99999",
             "epoch_100000_batch_000001"]  # fmt: skip
    for name in names:
        torch.save({}, folder / f"checkpoint_{name}.pyth")
        assert newest_checkpoint(tmp_path).name == f"checkpoint_{name}.pyth"
    for other in (
        "my_checkpoint_epoch_999999.pyth",
        "checkpoint_best.pyth",
        "checkpoint_epoch_2.pyth.tmp",
    ):
        (folder / other).touch()
    assert newest_checkpoint(tmp_path).name == f"checkpoint_{names[-1]}.pyth"
