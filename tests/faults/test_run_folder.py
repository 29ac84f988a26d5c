"""Odd things in OUTPUT_DIR/checkpoints, a row each: what a start that looks for a checkpoint says."""

import os
import socket
from pathlib import Path

import pytest
import torch

from timesformer.checkpoint import save as run_checkpoint
from timesformer.checkpoint.load import CheckpointError
from timesformer.checkpoint.newest import candidates, newest_checkpoint, newest_entries, run_of
from timesformer.checkpoint.sharded import write_sharded
from timesformer.config import ConfigError, load_config
from timesformer.engine import run
from timesformer.engine.preflight import preflight
from timesformer.files import checkpoint_folder
from timesformer.runtime import log

NEXT = "checkpoint_epoch_00003.pyth"


class Foreign:
    """Code, or what a reader must take for it."""


def save(folder, epoch, name=None, **more):
    path = folder / (name or f"checkpoint_epoch_{epoch:05d}.pyth")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": epoch - 1, "model_state": {}, **more}, path)
    return path


def copy_of_epoch_1(folder):
    save(folder, 1, "checkpoint_epoch_00099.pyth")


def a_batch_that_it_is_not(folder):
    save(folder, 2, "checkpoint_epoch_00003_batch_000009.pyth", position={"epoch": 2, "batch": 4})


def of_another_run(folder):
    save(folder, 3, run="theirs")


def digits_of_other_scripts(folder):
    save(folder, 9, "checkpoint_epoch_٩.pyth")


def a_folder(folder):
    (folder / NEXT).mkdir()


def a_fifo(folder):
    os.mkfifo(folder / NEXT)


def a_socket(folder):
    here = Path.cwd()
    os.chdir(folder)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(NEXT)
    finally:
        os.chdir(here)


def a_device(folder):
    (folder / NEXT).symlink_to("/dev/zero")


def a_file_for_a_folder(folder):
    (folder / "checkpoint_epoch_00003.dcp").write_text("file")


def torn(folder):
    path = save(folder, 3, weights=torch.zeros(999))
    path.write_bytes(path.read_bytes()[:900])


PASSED_OVER = {
    copy_of_epoch_1: "passed over: its content is of epoch 1; rename it or remove it",
    a_batch_that_it_is_not: "passed over: its content is of batch 4 of epoch 3",
    of_another_run: "passed over: it is of another run (theirs, and run.json here is of ours)",
    digits_of_other_scripts: "",
    a_folder: "passed over: it is a folder, not a file; remove it",
    a_fifo: "passed over: it is a FIFO, not a file",
    a_socket: "passed over: it is a socket, not a file",
    a_device: "passed over: it is a device, not a file",
    a_file_for_a_folder: "passed over: it is a file, not a folder",
    torn: "left out, it is damaged",
}


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")
@pytest.mark.parametrize("make", PASSED_OVER, ids=lambda make: make.__name__)
def test_what_is_no_checkpoint_of_this_run_is_named_and_passed_over(tmp_path, caplog, make):
    folder = checkpoint_folder(tmp_path)
    newest = save(folder, 2, run="ours")
    (tmp_path / "run.json").write_text('{"run": "ours", "sessions": []}')
    make(folder)
    assert newest_checkpoint(tmp_path) == newest
    assert PASSED_OVER[make] in caplog.text
    assert bool(caplog.records) == bool(PASSED_OVER[make])
    caplog.clear()
    assert newest_entries(tmp_path).path == newest
    assert not caplog.records


@pytest.mark.parametrize("make", [copy_of_epoch_1, of_another_run, a_folder, torn])
def test_where_nothing_is_left_a_run_does_not_start_from_scratch(tmp_path, make):
    folder = checkpoint_folder(tmp_path)
    folder.mkdir()
    (tmp_path / "run.json").write_text('{"run": "ours"}')
    make(folder)
    with pytest.raises(CheckpointError, match="holds no checkpoint that can be used") as error:
        newest_checkpoint(tmp_path)
    assert PASSED_OVER[make] in str(error.value)
    assert "TRAIN.AUTO_RESUME False" in str(error.value)


def of_nobody(folder):
    save(folder, 3)
    return PermissionError(
        13, "Permission denied"
    ), "cannot be read: Permission denied. Nothing is known of its content"


def of_a_broken_disk(folder):
    save(folder, 3)
    return OSError(5, "Input/output error"), "cannot be read: Input/output error"


def a_dangling_link(folder):
    (folder / NEXT).symlink_to("/nowhere/a.pyth")
    return None, "is a link to /nowhere/a.pyth, which does not exist; bring that back, or remove"


def a_link_in_a_circle(folder):
    (folder / NEXT).symlink_to(NEXT)
    return None, "cannot be read: Too many levels of symbolic links"


def with_code(folder):
    torch.save({"epoch": 2, "args": Foreign()}, folder / NEXT)
    return None, "code in a file is never run"


@pytest.mark.parametrize(
    "make", [of_nobody, of_a_broken_disk, a_dangling_link, a_link_in_a_circle, with_code],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_what_cannot_be_read_is_not_damaged_and_ends_the_start(tmp_path, monkeypatch, make):
    """Going back to an older one, or starting anew, would lose what it holds."""
    folder = checkpoint_folder(tmp_path)
    save(folder, 2)
    error, said = make(folder)
    opened = Path.open

    def refuse(path, *args, **kwargs):
        if path.name == NEXT:
            raise error
        return opened(path, *args, **kwargs)

    if error:
        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(
            "zipfile.is_zipfile", lambda _: False
        )  # as for a file that cannot be read
    with pytest.raises(CheckpointError) as raised:
        newest_checkpoint(tmp_path)
    assert said in str(raised.value)
    assert NEXT in str(raised.value)
    assert sorted(os.listdir(folder)) == ["checkpoint_epoch_00002.pyth", NEXT]


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    checkpoint_folder(tmp_path).mkdir()
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(Path, "iterdir", lambda _: (_ for _ in ()).throw(denied))
    with pytest.raises(CheckpointError, match="checkpoints cannot be read: Permission denied"):
        newest_checkpoint(tmp_path)


def test_what_another_process_deletes_meanwhile_is_no_error(tmp_path, monkeypatch):
    folder = checkpoint_folder(tmp_path)
    oldest, newest = (save(folder, epoch) for epoch in (1, 2))
    found = candidates(tmp_path)
    newest.unlink()
    monkeypatch.setattr("timesformer.checkpoint.newest.candidates", lambda _: found)
    assert newest_checkpoint(tmp_path) == oldest


def test_links_are_followed_and_deleted_themselves(tmp_path):
    elsewhere, folder = tmp_path / "disk", tmp_path / "out/checkpoints"
    (tmp_path / "out").mkdir()
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)  # the folder of checkpoints itself
    optimizer = {"state": {}, "param_groups": []}
    payload = {"model_state": {"a": torch.zeros(3)}, "optimizer_state": optimizer}
    for epoch in range(3):
        write_sharded(tmp_path / f"kept{epoch}", {**payload, "epoch": epoch})
        (folder / f"checkpoint_epoch_0000{epoch + 1}.dcp").symlink_to(tmp_path / f"kept{epoch}")
    (folder / "checkpoint_epoch_00007.dcp.tmp").symlink_to(tmp_path / "kept0")
    run_checkpoint.remove_leftovers(tmp_path / "out")
    run_checkpoint.prune(tmp_path / "out", 1)
    assert os.listdir(elsewhere) == ["checkpoint_epoch_00003.dcp"]
    assert all((tmp_path / f"kept{epoch}/plain.pyth").is_file() for epoch in range(3))
    assert newest_checkpoint(tmp_path / "out").name == "checkpoint_epoch_00003.dcp"


def test_a_start_removes_half_written_files_of_a_killed_run(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "start_logging", lambda folder: None)
    (tmp_path / "nonfinite").mkdir()
    names = "run.json", "config.yaml", "remarks-val.csv", "metrics.csv", "nonfinite/epoch_1.json"
    for place in map(tmp_path.joinpath, (*names, "theirs.txt")):
        place.with_name(f".{place.name}.123.tmp").write_text("ha")
    cfg = load_config("Motion/divST_6x6_32", ["OUTPUT_DIR", str(tmp_path)])
    run._open_folder(cfg, tmp_path, trains=False)
    assert [path.name for path in tmp_path.rglob("*.tmp")] == [".theirs.txt.123.tmp"]


@pytest.mark.parametrize(
    ("content", "run"),
    [('{"run": "a"}', "a"), ('{"run": 3}', ""), ("[1]", ""), ("{", ""), ("[" * 99999, ""), ("{}", "")],
)  # fmt: skip
def test_the_record_of_a_run_may_hold_anything(tmp_path, content, run):
    (tmp_path / "run.json").write_text(content)
    assert run_of(tmp_path) == run


@pytest.mark.parametrize(
    ("kind", "said"), [("file", "is a file"), ("link", "is a link to nowhere")]
)
def test_checkpoints_that_are_no_folder_are_found_before_training(tiny_yaml, tmp_path, kind, said):
    folder = tmp_path / "out/checkpoints"
    folder.parent.mkdir()
    folder.write_text("") if kind == "file" else folder.symlink_to("nowhere")
    with pytest.raises(ConfigError, match=f"checkpoints {said}, but must be a folder"):
        preflight(load_config(tiny_yaml))
