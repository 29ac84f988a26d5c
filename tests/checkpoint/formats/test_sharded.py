"""Folders of torch.distributed.checkpoint: those of others are read, code in them is not run."""

import pickle
import shutil
import warnings

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import _MEM_FORMAT_ENCODING

from tests.checkpoint.test_load import model, same_weights
from timesformer.checkpoint.formats.sharded import METADATA, PLAIN
from timesformer.checkpoint.load import CheckpointError, load_weights, read_file
from timesformer.checkpoint.sharded import write_sharded


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def folder(tmp_path):
    net = model(seed=1)
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    payload = {"epoch": 3, "model_state": state, "optimizer_state": {"state": {}}, "cfg": "A: 1\n"}
    write_sharded(tmp_path / "a.dcp", payload)
    return tmp_path / "a.dcp"


def metadata(folder):
    return pickle.loads((folder / METADATA).read_bytes())


def test_a_folder_is_recognised_by_its_content(folder, tmp_path):
    renamed = shutil.move(folder, tmp_path / "some name")
    other = model(seed=2)
    assert load_weights(other, renamed).exact
    assert same_weights(other, model(seed=1))


def test_a_folder_that_something_else_wrote_gives_its_weights(tmp_path):
    """Under another name, in two files, beside an object that is never looked at."""
    net, bomb = model(seed=1), tmp_path / "bomb"
    state = {"model": net.state_dict(), "config": Bomb(bomb), "step": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer = dcp.FileSystemWriter(tmp_path / "other", single_file_per_rank=False)
        dcp.save(state, storage_writer=writer)
    other = model(seed=2)
    assert load_weights(other, tmp_path / "other").exact
    assert same_weights(other, net)
    assert not bomb.exists()


@pytest.mark.parametrize("place", ["whole", "planner", "plain"])
def test_code_in_a_folder_is_refused_before_it_runs(folder, tmp_path, place):
    bomb = tmp_path / "bomb"
    if place == "plain":
        torch.save({"parts": Bomb(bomb)}, folder / "plain.pyth")
    else:
        found = metadata(folder)
        found.planner_data["x"] = Bomb(bomb)
        content = Bomb(bomb) if place == "whole" else found
        (folder / METADATA).write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=r"it holds _?io\.\w+, and code in a file is"):
        read_file(folder)
    assert not bomb.exists()


def test_a_class_is_not_a_door_to_its_module(folder):
    """A dotted name would walk from an admitted class to its globals."""
    name = b"Metadata.__init__.__globals__"
    module = b"torch.distributed.checkpoint.metadata"
    short = [b"\x8c" + bytes([len(text)]) + text for text in (module, name)]
    (folder / METADATA).write_bytes(b"\x80\x04" + short[0] + short[1] + b"\x93.")
    with pytest.raises(
        CheckpointError, match=r"it holds torch\.dist.*Metadata.__init__.__globals__"
    ):
        read_file(folder)


class Attribute:
    """Pickled as ``getattr(owner, name)``, as Python 3.11.2 does with members of enumerations."""

    def __init__(self, owner, name):
        self.pair = owner, name

    def __reduce__(self):
        return getattr, self.pair


def test_members_of_enumerations_are_read_as_any_python_writes_them(folder):
    found = metadata(folder)
    found.storage_meta = Attribute(_MEM_FORMAT_ENCODING, "TORCH_CHANNELS_LAST")
    (folder / METADATA).write_bytes(pickle.dumps(found))
    (folder / PLAIN).unlink()  # which has its checksum
    assert read_file(folder)["model_state"]


@pytest.mark.parametrize(
    ("owner", "name", "reason"),
    [
        (_MEM_FORMAT_ENCODING, "__init__", "cannot be read"),
        (torch.Size, "count", r"it holds builtins\.getattr, and code in a file is"),
    ],
)
def test_getattr_leads_to_nothing_but_members(folder, owner, name, reason):
    found = metadata(folder)
    found.planner_data["x"] = Attribute(owner, name)
    (folder / METADATA).write_bytes(pickle.dumps(found))
    with pytest.raises(CheckpointError, match=reason):
        read_file(folder)


def test_metadata_that_are_something_else_are_refused(folder):
    (folder / METADATA).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match=r"\.metadata holds a dict\); it is not whole: copy"):
        read_file(folder)


def test_a_file_outside_the_folder_is_not_opened(folder):
    found = metadata(folder)
    for part in found.storage_data.values():
        part.relative_path = f"../{folder.name}/{part.relative_path}"
    (folder / METADATA).write_bytes(pickle.dumps(found))
    with pytest.raises(CheckpointError, match="names a file outside the folder, ../a.dcp/__0_0"):
        read_file(folder)


@pytest.mark.parametrize("harm", ["missing", "truncated", "metadata"])
def test_what_is_not_whole_is_named(folder, harm):
    part = folder / (METADATA if harm == "metadata" else "__0_0.distcp")
    content = part.read_bytes()
    part.unlink() if harm == "missing" else part.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        CheckpointError, match=r"sharded checkpoint .*a.dcp cannot be read \(.*: copy the folder"
    ):
        read_file(folder)
