"""Files of torch.save come back as PyTorch reads them, tensor by tensor."""

import pickle

import pytest
import torch

from tests.checkpoint.test_load import model
from tests.checkpoint.test_state_search import save
from timesformer.checkpoint.formats.torch_file import is_torch_file, read_torch
from timesformer.checkpoint.formats.torch_tensors import unreadable_kind
from timesformer.checkpoint.load import CheckpointError, read_file


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float8_e5m2,
                                   torch.complex64, torch.bool, torch.int16])  # fmt: skip
@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle"])
def test_tensors_come_back_as_pytorch_reads_them(tmp_path, dtype, writer):
    whole = torch.arange(24).reshape(4, 6).to(dtype)
    content = {"view": whole[1:, ::2], "turned": whole.T, "same": whole, "empty": whole[:0]}
    save(content, tmp_path / "file", writer)
    found = read_file(tmp_path / "file")
    for name, value in content.items():
        assert torch.equal(found[name].cfloat(), value.cfloat()), name
        assert found[name].stride() == value.stride()
    if writer != "pickle":  # which writes every view alone
        starts = {found[name].untyped_storage().data_ptr() for name in ("view", "turned", "same")}
        assert len(starts) == 1


def test_a_file_that_is_mapped_equals_one_that_is_read(tmp_path):
    net = model(seed=1)
    torch.save(net.state_dict(), tmp_path / "file.safetensors")  # of another format, by its name
    mapped, read = (read_file(tmp_path / "file.safetensors", mmap=mmap) for mmap in (True, False))
    assert all(torch.equal(mapped[name], read[name]) for name in net.state_dict())


def test_a_flipped_bit_in_a_tensor_is_noticed(tmp_path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "file")
    data = bytearray((tmp_path / "file").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(CheckpointError, match="Bad CRC-32"):
        read_file(tmp_path / "file")


@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle"])
def test_a_file_is_known_by_its_content(tmp_path, writer):
    save({"a": torch.ones(1)}, tmp_path / "file", writer)
    assert is_torch_file(tmp_path / "file") == (writer != "pickle")


@pytest.mark.parametrize("writer", ["zip", "legacy"])
def test_entries_are_read_without_the_values_of_tensors(tmp_path, writer):
    whole = torch.arange(6.0).reshape(2, 3)
    save({"epoch": 3, "a": whole, "b": whole[1:]}, tmp_path / "file", writer)
    found = read_torch(tmp_path / "file", meta=True)
    assert (found["epoch"], found["b"].shape, found["b"].is_meta) == (3, (1, 3), True)


def test_parameters_and_subclasses_are_their_values_and_sparse_ones_are_named(tmp_path):
    content = {"p": torch.nn.Parameter(torch.ones(2)), "s": torch.eye(2).to_sparse()}
    torch.save(content, tmp_path / "file")
    found = read_file(tmp_path / "file")
    assert type(found["p"]) is torch.Tensor
    assert unreadable_kind(found["s"]) == "sparse"


def test_plain_pickles_of_tensors_and_of_other_things_are_read(tmp_path):
    (tmp_path / "file").write_bytes(pickle.dumps([torch.ones(2), "text"]))
    assert read_file(tmp_path / "file")[0].tolist() == [1, 1]
