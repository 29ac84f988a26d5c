"""Any file to its content; what is no weights file is named for what it is."""

import argparse
import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoint.python2_pickle import dump_python2
from timesformer.checkpoint.files import CheckpointError, read_file
from timesformer.checkpoint.formats import paddle
from timesformer.checkpoint.formats.pickle_data import DATA
from timesformer.checkpoint.formats.pickles import read_pickle

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
    "half": np.ones(3, np.float16),
    "number": np.array(7, np.int64),
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 4), np.float32),
}


class Code:
    """A pickle that would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def read_arrays(content):
    return paddle.from_pickle(read_pickle(content, DATA))


class Other:
    """Of a package that is not here, where it is read."""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_arrays_give_them_back(protocol):
    found = read_arrays(pickle.dumps({**ARRAYS, "epoch": 3}, protocol=protocol))
    assert found.pop("epoch") == 3
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name].numpy(), array), name


def test_pickles_of_python_2_are_read_as_the_public_loader_reads_them(tmp_path):
    arrays = {"a_w": np.float32([[-1.5, 2], [0, 3e8]]), "b": np.arange(300)}
    content = {"blobs": arrays, "step": np.float64(-0.3), "name": "x"}
    path = tmp_path / "old.pkl"
    with path.open("wb") as file:
        dump_python2(content, file)
    with path.open("rb") as file:
        public = pickle.load(file, encoding="latin1")
    ours = read_file(path)
    assert (ours["name"], ours["step"]) == (public["name"], public["step"]) == ("x", -0.3)
    for name, array in public["blobs"].items():
        assert np.array_equal(ours["blobs"][name], array)
        assert ours["blobs"][name].dtype == array.dtype


def test_paddle_writes_bfloat16_as_uint16_and_cuts_big_arrays():
    values = torch.tensor([1.5, -2.0, 3.0])
    content = {
        "half": values.bfloat16().view(torch.int16).numpy().view(np.uint16),
        "big@@.0": np.arange(4.0),
        "big@@.1": np.arange(4.0, 6.0),
        "UnpackBigParamInfor@@": {"big": {"OriginShape": (2, 3), "slices": ["big@@.0", "big@@.1"]}},
        "StructuredToParameterName@@": {"half": "linear_0.w_0"},
    }
    found = read_arrays(pickle.dumps(content))
    assert found.keys() == {"half", "big"}
    assert torch.equal(found["half"].float(), values)
    assert torch.equal(found["big"], torch.arange(6.0, dtype=torch.float64).view(2, 3))


@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle"])
def test_code_is_named_and_never_run(tmp_path, writer):
    path, trace = tmp_path / "file", tmp_path / "ran"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"weight": ARRAYS["a"], "evil": Code(trace)}))
    else:
        torch.save({"evil": Code(trace)}, path, _use_new_zipfile_serialization=writer == "zip")
    with pytest.raises(CheckpointError, match=r"it holds (posix|nt).system, and code .* never run"):
        read_file(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "other", [np.array([{}], dtype=object), np.zeros(2, "V8"), np.zeros(2, [("a", "f4")]), Other()]
)
def test_only_numbers_of_a_pickle_become_tensors(other):
    found = read_arrays(pickle.dumps({"other": other, "a": ARRAYS["a"]}))
    assert not isinstance(found["other"], torch.Tensor)
    assert isinstance(found["a"], torch.Tensor)


def test_a_function_of_the_interpreter_is_refused():
    with pytest.raises(pickle.UnpicklingError, match=r"unsupported class builtins\.eval"):
        read_arrays(pickle.dumps({"evil": eval}))


def test_another_class_than_tensors_is_inert_or_data(tmp_path):
    torch.save({"args": argparse.Namespace(lr=1), "log": Other()}, tmp_path / "file")
    found = read_file(tmp_path / "file")
    assert found["args"] == argparse.Namespace(lr=1)
    assert found["log"].name == "tests.checkpoint.test_files.Other"


@pytest.mark.parametrize("size", [1, 100, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["pickle", "safetensors", "legacy"])
def test_truncated_files_of_every_kind_are_named(tmp_path, kind, size):
    path = tmp_path / "file"
    state = {"weight": torch.randn(64, 64)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"weight": state["weight"].numpy()}))
    elif kind == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        save_file(state, path)
    data = path.read_bytes()
    path.write_bytes(data[: size if size >= 1 else int(len(data) * size)])
    with pytest.raises(CheckpointError, match="cannot be read .* truncated"):
        read_file(path)


def test_a_video_is_called_a_video(numbered_video, tmp_path):
    path = numbered_video(3, name="weights.pyth.mp4").rename(tmp_path / "weights.pyth")
    with pytest.raises(CheckpointError, match=r"but a video \(h264, 96 x 64\); weights are wanted"):
        read_file(path)


def test_a_picture_is_called_a_picture(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(CheckpointError, match=r"but a picture \(png, 6 x 4\)"):
        read_file(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "git lfs pull"),
        ("\n<!DOCTYPE html><html>404</html>", "a web page"),
    ],
)
def test_downloads_that_went_wrong_are_named(tmp_path, text, what):
    (tmp_path / "file").write_text(text)
    with pytest.raises(CheckpointError, match=what):
        read_file(tmp_path / "file")


def test_folders_and_shards_that_lack_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no weights \(model.safetensors"):
        read_file(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    save_file({"c": torch.zeros(1)}, tmp_path / "1.safetensors")
    with pytest.raises(CheckpointError, match=r"names 2 files, of which 2.safetensors is not"):
        read_file(tmp_path)
    save_file({"b": torch.zeros(1)}, tmp_path / "2.safetensors")
    with pytest.raises(CheckpointError, match=r"names tensors that its files lack: a"):
        read_file(index)
    index.write_text("{}")
    with pytest.raises(CheckpointError, match="is JSON, but no index of shards"):
        read_file(index)


def test_safetensors_carry_a_description(tmp_path):
    about = {"timesformer": json.dumps({"class_names": ["run"]})}
    save_file({"a": torch.ones(2)}, tmp_path / "file", metadata=about)
    found = read_file(tmp_path / "file")
    assert found["class_names"] == ["run"]
    assert torch.equal(found["model_state"]["a"], torch.ones(2))


def test_a_stream_of_zeros_is_nothing(tmp_path):
    (tmp_path / "file").write_bytes(io.BytesIO(bytes(5000)).getvalue())
    with pytest.raises(CheckpointError, match="truncated or not a PyTorch file"):
        read_file(tmp_path / "file")


@pytest.mark.parametrize("left", [100, 2000])
def test_a_torn_archive_is_named_as_one(tmp_path, left):
    torch.save({"a": torch.zeros(999)}, tmp_path / "whole")
    (tmp_path / "file").write_bytes((tmp_path / "whole").read_bytes()[:left])
    with pytest.raises(CheckpointError, match=r"a zip archive without its end\); it is truncated"):
        read_file(tmp_path / "file")


def test_a_text_file_is_refused_without_advice_to_load_it_unsafely(tmp_path):
    (tmp_path / "a.py").write_text("import torch\nprint(torch)\n")
    with pytest.raises(CheckpointError, match=r"a\.py cannot be read \(26 bytes, ") as error:
        read_file(tmp_path / "a.py")
    assert "weights_only" not in str(error.value)
    assert "it is truncated or not a PyTorch file: copy it again" in str(error.value)
