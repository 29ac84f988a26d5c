"""Hostile ``.metadata`` of sharded checkpoints: refused, and the process is as it was."""

import pathlib
import pickle
import struct

import pytest
import torch
import torch.distributed.checkpoint.metadata as meta

from tests.checkpoint.test_load import model, same_weights
from timesformer.checkpoint.formats.sharded import METADATA
from timesformer.checkpoint.load import CheckpointError, load_weights
from timesformer.checkpoint.sharded import write_sharded

CLASSES = (pathlib.PosixPath, pathlib.Path, torch.Size, meta.Metadata, meta.MetadataIndex,
           meta.TensorStorageMetadata, meta.TensorProperties)  # fmt: skip


def text(string):
    return b"X" + struct.pack("<I", len(string)) + string.encode()


def named(module, name):
    return text(module) + text(name) + b"\x93"


def patched(module, name, attribute):
    """BUILD with slots: ``setattr`` on the class itself, for a reader that gives the real one."""
    changed = named("torch", "Size")
    return b"\x80\x04" + named(module, name) + b"N}" + text(attribute) + changed + b"s\x86b."


ATTACKS = {
    "a path is patched": patched("pathlib", "PosixPath", "is_file"),
    "the metadata are patched": patched(meta.__name__, "Metadata", "__init__"),
    "the properties are patched": patched(meta.__name__, "TensorProperties", "__setstate__"),
    "a state setter is called": b"\x80\x04"
    + named(meta.__name__, "TensorProperties")
    + b")\x81K\x01b.",
    "a function": b"\x80\x04" + named("os", "getcwd") + b")R.",
    "a number": b"\x80\x04K\x01.",
    "nothing": b"",
    "metadata without fields": b"\x80\x04" + named(meta.__name__, "Metadata") + b")\x81.",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_outlives_a_hostile_metadata_file(tmp_path, attack):
    net = model(seed=1)
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    write_sharded(tmp_path / "a.dcp", {"epoch": 0, "model_state": state, "optimizer_state": {}})
    before = [dict(vars(each)) for each in CLASSES]
    good = (tmp_path / "a.dcp" / METADATA).read_bytes()
    (tmp_path / "a.dcp" / METADATA).write_bytes(ATTACKS[attack])
    with pytest.raises(CheckpointError) as raised:
        load_weights(model(seed=2), tmp_path / "a.dcp")
    assert "\n" not in str(raised.value)
    assert [dict(vars(each)) for each in CLASSES] == before
    (tmp_path / "a.dcp" / METADATA).write_bytes(good)
    target = model(seed=2)
    load_weights(target, tmp_path / "a.dcp")  # as the same process could not, before
    assert same_weights(target, net)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: setattr(part, "length", -5), "a part of a tensor is at no place"),
        (lambda part: setattr(part, "relative_path", "/etc/passwd"), "a file outside the folder"),
        (lambda part: setattr(part, "transform_descriptors", ["x"]), "names a compression"),
    ],
)
def test_parts_at_odd_places_are_refused(tmp_path, change, message):
    state = {f"model.{name}": value for name, value in model().state_dict().items()}
    write_sharded(tmp_path / "a.dcp", {"epoch": 0, "model_state": state, "optimizer_state": {}})
    file = tmp_path / "a.dcp" / METADATA
    found = pickle.loads(file.read_bytes())
    change(next(iter(found.storage_data.values())))
    file.write_bytes(pickle.dumps(found))
    with pytest.raises(CheckpointError, match=message):
        load_weights(model(), tmp_path / "a.dcp")
