"""Weights at odd places: named at once, and what cannot be read is not called damaged."""

import errno
import io
import os
from pathlib import Path

import pytest
import torch

from tests.checkpoint.test_load import model
from timesformer.checkpoint.files import read_checkpoint, read_file
from timesformer.checkpoint.load import CheckpointError, UnreadableError, load_weights


def make(folder, kind):
    path = folder / "place"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/nowhere/at\x1b[31m/all")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        return Path("/dev/zero")
    else:
        path.write_bytes(kind)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pipe", "is not a file, but a named pipe"),
        ("device", "is not a file, but a device"),
        ("link", r"is a link to /nowhere/at\\x1b\[31m/all, which does not exist"),
        ("loop", "is a link to|cannot be read"),
        ("folder", "holds no weights"),
        (b"", "0 bytes"),
        (b"\xff" * 7 + b"\x00{", "cannot be read"),
        ((1 << 26).to_bytes(8, "little") + b'{"a":', "cannot be read"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"weight_map": ' + b"[" * 100_000, "cannot be read"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_file_of_weights_is_named(tmp_path, kind, message):
    with pytest.raises(CheckpointError, match=message) as raised:
        load_weights(model(), make(tmp_path, kind))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("read", [read_file, read_checkpoint])
def test_what_the_system_does_not_give_is_not_damaged(tmp_path, monkeypatch, number, read):
    torch.save({"a": torch.ones(1)}, tmp_path / "file")
    opened = io.open

    def refuse(file, *args, **kwargs):
        if str(file) == str(tmp_path / "file"):
            raise OSError(number, os.strerror(number))
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(io, "open", refuse)
    with pytest.raises(UnreadableError, match=os.strerror(number)):
        read(tmp_path / "file")
