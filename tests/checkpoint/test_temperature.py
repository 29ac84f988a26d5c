"""A temperature in a checkpoint: all else stays, a training resumes from it, other formats are refused."""

import zipfile
from collections import OrderedDict

import pytest
import torch

from timesformer.checkpoint import metadata
from timesformer.checkpoint.convert import WRITERS, Source
from timesformer.checkpoint.files import CheckpointError, read_checkpoint
from timesformer.checkpoint.inspect import as_text, summarize
from timesformer.checkpoint.load import read_weights
from timesformer.checkpoint.metadata import Temperature, read_temperature
from timesformer.checkpoint.model_spec import read_model_spec
from timesformer.checkpoint.newest import newest_checkpoint
from timesformer.checkpoint.temperature import store_temperature
from timesformer.config import load_config
from timesformer.datasets import read_list
from timesformer.engine.run import launch_run

FITTED = {"list": "lists/val.csv", "sha256": "ab" * 32, "videos": 7}


def stored(path):
    """What torch itself reads."""
    return torch.load(path, weights_only=True)


def assert_same(one, other):
    """Same types, same order of keys, same bits; an OrderedDict becomes a dict, which has an order too."""
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert (type(one), len(one)) == (type(other), len(other))
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    elif isinstance(one, torch.Tensor):
        assert (one.dtype, one.stride()) == (other.dtype, other.stride())
        assert torch.equal(one, other)
    else:
        assert (type(one), one) == (type(other), other)


@pytest.fixture
def run(tiny_yaml, tmp_path):
    """Train two epochs, or what is left of them; returns the newest checkpoint."""

    def train():
        launch_run(load_config(tiny_yaml, ["TEST.ENABLE", "False"]))
        return newest_checkpoint(tmp_path / "out")

    return train


def test_a_checkpoint_with_a_temperature_is_the_same_otherwise_and_is_resumed_from(run, tiny_yaml):
    last = run()
    finished, path = stored(last), last.with_name("checkpoint_epoch_00001.pyth")
    last.unlink()
    before = stored(path)
    fitted = metadata.fingerprint(read_list(load_config(tiny_yaml), "val"))
    store_temperature(path, 9.0, fitted)
    store_temperature(path, 1.25, fitted)  # in place of the first
    after = stored(path)
    assert after.pop("temperature") == {"value": 1.25, **fitted}
    assert_same(after, before)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    assert read_checkpoint(path)["temperature"]["videos"] == 7
    assert [each.name for each in path.parent.glob(".*")] == []
    assert run() == last
    assert "temperature" not in stored(last)  # of other weights
    assert_same(stored(last)["model_state"], finished["model_state"])


def test_tensors_keep_their_types_and_shared_storages(tmp_path):
    shared = torch.arange(6.0)
    state = OrderedDict(
        a=shared[:3], b=shared[2:], half=torch.ones(2).bfloat16(), n=torch.tensor(3)
    )
    other = {"tuple": (1, "two", None), "list": [1.5, True], 7: b"bytes"}
    torch.save({"model_state": state, "mine": other}, tmp_path / "a.pyth")
    before = stored(tmp_path / "a.pyth")
    (tmp_path / "link.pyth").symlink_to("a.pyth")
    store_temperature(tmp_path / "link.pyth", 2, FITTED)
    after = stored(tmp_path / "a.pyth")
    assert (tmp_path / "link.pyth").is_symlink()
    del after["temperature"]
    assert_same(after, before)
    after["model_state"]["a"][2] = 5
    assert after["model_state"]["b"][0] == 5


def test_the_checkpoint_of_an_epoch_is_another_file_than_the_best(tmp_path):
    torch.save({"model_state": {"a": torch.ones(1)}}, tmp_path / "best.pyth")
    (tmp_path / "epoch.pyth").hardlink_to(tmp_path / "best.pyth")
    store_temperature(tmp_path / "best.pyth", 2, FITTED)
    assert "temperature" not in stored(tmp_path / "epoch.pyth")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_temperature_is_refused(tmp_path, value):
    with pytest.raises(
        CheckpointError, match="must be a number above 0, and this one is .*; fit it"
    ):
        store_temperature(tmp_path / "a.pyth", value, FITTED)


def test_formats_without_a_place_for_it_are_refused(trained, tmp_path):
    _, path = trained()
    payload = stored(path)
    torch.save(payload["model_state"], tmp_path / "bare.pyth")
    source = Source.of(read_model_spec(path))
    folder = WRITERS["sharded"](source, tmp_path / "parts.dcp", torch.float32)
    tensors = WRITERS["safetensors"](source, tmp_path / "a.safetensors", torch.float32)
    for file, reason in (
        (tmp_path / "bare.pyth", "holds bare weights"),
        (folder, "is not one file of PyTorch"),
        (tensors, "is not one file of PyTorch"),
    ):
        with pytest.raises(
            CheckpointError, match=f"{file.name} {reason}, so .*; convert it: times"
        ):
            store_temperature(file, 2, FITTED)
    with pytest.raises(CheckpointError, match=r"no\.pyth does not exist; check the path"):
        store_temperature(tmp_path / "no.pyth", 2, FITTED)


class Secret:
    """A class that a reader does not know."""


def test_objects_of_other_programs_are_not_written_again(tmp_path):
    torch.save({"model_state": {}, "theirs": Secret()}, tmp_path / "a.pyth")
    before = (tmp_path / "a.pyth").read_bytes()
    with pytest.raises(
        CheckpointError, match="holds .*Secret, which cannot be written again, so a"
    ):
        store_temperature(tmp_path / "a.pyth", 2, FITTED)
    assert (tmp_path / "a.pyth").read_bytes() == before


def test_a_damaged_checkpoint_does_not_become_a_valid_one(trained):
    _, path = trained()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pyth"):
        store_temperature(path, 2, FITTED)
    assert path.read_bytes() == content


@pytest.mark.parametrize("to", ["published", "safetensors", "hf", "sharded"])
def test_inspect_shows_it_and_convert_keeps_it(trained, tmp_path, to):
    _, path = trained()
    store_temperature(path, 1.5, FITTED)
    facts = summarize(path)
    assert facts["temperature"] == {"value": 1.5, **FITTED}
    assert "value                 1.5" in as_text(facts)
    written = WRITERS[to](Source.of(read_model_spec(path)), tmp_path / "out", torch.float32)
    found = read_temperature(read_weights(written).about)
    assert found == Temperature(1.5, **FITTED)
    assert str(found) == "temperature 1.5, fitted to 7 videos of lists/val.csv"


def test_an_entry_of_another_program_is_left_out(trained):
    _, path = trained()
    assert read_temperature(read_weights(path).about) is None
    torch.save({**stored(path), "temperature": 0.07}, path)  # that of CLIP, say
    weights = read_weights(path)
    assert read_temperature(weights.about) is None
    assert any(
        "its entry temperature is 0.07 (float), not a temp" in note for note in weights.notes
    )
