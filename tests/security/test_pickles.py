"""Hostile pickles in every kind of weights file: nothing of them runs, nothing of the process changes."""

import argparse
import collections
import io
import os
import pathlib
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from tests.checkpoint.test_load import model, same_weights
from timesformer.checkpoint.formats.pickle_data import DATA
from timesformer.checkpoint.formats.pickles import InertUnpickler, NumberType, Unknown
from timesformer.checkpoint.load import CheckpointError, load_weights, read_file

CLASSES = (
    pathlib.PosixPath, pathlib.Path, pathlib.PurePosixPath, torch.Tensor, torch.nn.Module, torch.Size,
    torch.FloatStorage, torch.UntypedStorage, torch.storage.TypedStorage, collections.OrderedDict,
    argparse.Namespace, np.ndarray, Unknown, NumberType, InertUnpickler,
)  # fmt: skip


def state_of_process():
    """What an attack could change that outlives the load."""
    functions = torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter
    return (
        [dict(vars(each)) for each in CLASSES],
        [(f.__defaults__, f.__kwdefaults__, f.__code__, dict(vars(f))) for f in functions],
        dict(DATA), os.getcwd(), {k: v for k, v in os.environ.items() if "PYTEST" not in k},
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def warm(tmp_path_factory):
    """PyTorch fills a few of its classes when it is first used."""
    path = tmp_path_factory.mktemp("warm") / "file"
    torch.save(model().state_dict(), path)
    load_weights(model(), path)


@pytest.fixture(autouse=True)
def unchanged(tmp_path):
    before = state_of_process()
    yield
    assert state_of_process() == before
    assert not (tmp_path / "ran").exists()


class Calls:
    """Pickled as a call of ``function`` with ``arguments``, and what may follow one."""

    def __init__(self, function, *arguments, state=None, items=None, pairs=None):
        self.reduced = function, arguments, state, items, pairs

    def __call__(self):
        """So that the pickler takes it for a function."""

    def __reduce__(self):
        function, arguments, state, items, pairs = self.reduced
        return function, arguments, state, iter(items or ()), iter(pairs or ())


def touch(tmp_path):
    return f"touch {tmp_path / 'ran'}"


ATTACKS = {
    "os.system": lambda t: Calls(os.system, touch(t)),
    "os.popen": lambda t: Calls(os.popen, touch(t)),
    "eval": lambda t: Calls(eval, f"open({str(t / 'ran')!r}, 'w')"),
    "exec": lambda t: Calls(exec, f"open({str(t / 'ran')!r}, 'w')"),
    "open": lambda t: Calls(open, str(t / "ran"), "w"),
    "pathlib": lambda t: Calls(pathlib.Path.touch, t / "ran"),
    "a call of a call": lambda t: Calls(Calls(getattr, Calls(__import__, "os"), "system"), touch(t)),
    "getattr of a class": lambda t: Calls(Calls(getattr, pathlib.Path, "touch"), t / "ran"),
    "torch.load": lambda t: Calls(torch.load, str(t / "x")),
    "torch.save": lambda t: Calls(torch.save, {}, str(t / "ran")),
    "torch.hub": lambda t: Calls(torch.hub.load, str(t), "ran"),
    "numpy writes": lambda t: Calls(np.save, str(t / "ran"), 1),
    "in items": lambda t: Calls(list, items=[Calls(os.system, touch(t))]),
    "state of a class": lambda _: Calls(type, pathlib.PosixPath, state={"is_file": 1}),
    "state of a function": lambda _: Calls(
        torch._utils._rebuild_tensor_v2, state=(None, {"__defaults__": (1,)})
    ),
    "state of a tensor": lambda _: Calls(torch._utils._rebuild_parameter, torch.ones(1), 0, {},
                                         state={"data": 3}),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("writer", ["zip", "legacy", 0, 1, 4])
def test_nothing_of_an_attack_runs(tmp_path, attack, writer):
    """Either the weights beside it load, or the file is refused with one line."""
    source, target = model(seed=1), model(seed=2)
    content = {"model": source.state_dict(), "extra": ATTACKS[attack](tmp_path)}
    path = tmp_path / "file"
    if isinstance(writer, int):
        try:
            path.write_bytes(pickle.dumps(content, protocol=writer))
        except (TypeError, pickle.PicklingError):
            pytest.skip("this protocol cannot say it")
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "zip")
    said = outcome(target, path)
    assert "code in a file is never run" in said or same_weights(source, target)
    assert "never run" in said or "not run" in said or attack == "state of a tensor"


def outcome(target, path):
    """The report, or the one line of the error."""
    try:
        return str(load_weights(target, path))
    except CheckpointError as error:
        assert_one_line(error)
        return str(error)


def assert_one_line(error):
    text = str(error)
    assert "\n" not in text
    assert "\x1b" not in text
    assert "weights_only" not in text
    assert "trust the source" not in text


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def stack_global(module, name):
    return text(module) + text(name) + b"\x93"


def array(code, shape, content):
    """An array of numpy of the type ``code``; ``shape`` and ``content`` are commands."""
    made = stack_global("numpy.core.multiarray", "_reconstruct") + b")R"
    return b"\x80\x04" + made + b"(K\x01" + shape + dtype(code) + b"\x89" + content + b"tb."


def dtype(code):
    made = stack_global("numpy", "dtype") + text(code) + b"K\x00K\x01\x87R"
    return made + b"(K\x03" + text("|") + b"NNNK\x00K\x00K\x00tb"


PATH = stack_global("pathlib", "PosixPath")
RAW = {  # programs that no pickler writes; {0} is the marker's command
    "stack_global system": b"\x80\x04" + stack_global("posix", "system") + text("{0}") + b"\x85R.",
    "inst": b"(S'{0}'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'{0}'\no.",
    "global of python 2": b"c__builtin__\neval\n(S'1'\ntR.",
    "extension number": b"\x80\x02\x82\x01.",
    "extension of four bytes": b"\x80\x02\x84\xff\xff\xff\x7f.",
    "build of a class": b"\x80\x04" + PATH + b"N}" + text("is_file") + b"K\x01s\x86b.",
    "build of a class by dict": b"\x80\x04" + PATH + b"}" + text("is_file") + b"K\x01sb.",
    "build of a storage class": b"\x80\x04" + stack_global("torch", "FloatStorage") + b"N}"
    + text("dtype") + b"K\x01s\x86b.",
    "build of a function": b"\x80\x04" + stack_global("torch._utils", "_rebuild_tensor_v2") + b"N}"
    + text("__defaults__") + b")s\x86b.",
    "build of a dtype": b"\x80\x04" + stack_global("torch", "float32") + b"}" + text("a") + b"K\x01sb.",
    "a dotted name": b"\x80\x04" + stack_global("torch", "Tensor.__init__.__globals__") + b".",
    "setitem on a class": b"\x80\x04" + PATH + text("a") + b"K\x01s.",
    "newobj of a number": b"\x80\x02K\x01)\x81.",
    "newobj_ex": b"\x80\x04" + PATH + b")}\x92.",
    "reduce of a text": b"\x80\x02" + text("a") + b")R.",
    "items of a number": b"\x80\x02K\x01(K\x02e.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "a huge memo number": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "huge bytes": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f.",
    "a huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 50) + b".",
    "huge text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 50) + b".",
    "huge bytes by a call": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + b"\xff" * 5 + b"\x0f\x85R.",
    "an endless range": b"\x80\x02cbuiltins\nlist\ncbuiltins\nrange\n\x8a\x08" + b"\xff" * 7
    + b"\x0f\x85R\x85R.",
    "a persistent name": b"\x80\x02" + text("os.system") + b"Q.",
    "a buffer from outside": b"\x80\x05\x97.",
    "an empty stack": b"\x80\x02..",
    "no end": b"\x80\x02K\x01",
    "another protocol": b"\x80\x63K\x01.",
    "an int of many digits": b"I" + b"9" * 5000 + b"\n.",
    "deep lists": b"\x80\x02" + b"]" * 20_000 + b"a" * 19_999 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 20_000 + b".",
    "an array of objects that are not there": array("O8", b"J\xa0\x86\x01\x00\x85", b"](K\x01e"),
    "an array of text": array("T", b"J\xa0\x86\x01\x00\x85", b"](K\x01e"),
    "an array of a huge number": b"\x80\x04" + stack_global("numpy.core.numeric", "_frombuffer")
    + b"(\x8a\x06" + b"\xff" * 5 + b"\x0f" + dtype("f4") + b"K\x01\x85tR.",
    "nested keys": b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x01s.",
}  # fmt: skip


@pytest.mark.parametrize("program", RAW)
def test_programs_that_no_pickler_writes_are_refused_or_inert(tmp_path, program):
    code = RAW[program].replace(b"{0}", touch(tmp_path).encode())
    for place in ("alone", "zip", "legacy"):
        put(code, tmp_path / place, place)
        with pytest.raises(CheckpointError) as raised:
            load_weights(model(), tmp_path / place)
        assert_one_line(raised.value)


def put(code, path, place):
    """A weights file whose pickle is ``code``."""
    if place == "alone":
        path.write_bytes(code)
    elif place == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("file/data.pkl", code)
            archive.writestr("file/version", "3")
    else:
        start = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
        path.write_bytes(b"".join([*start, code, pickle.dumps([], 2)]))


def test_a_legacy_tar_is_refused_before_anything_of_it_is_unpacked(tmp_path):
    with tarfile.open(tmp_path / "file", "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(Calls(os.system, touch(tmp_path)))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(
        CheckpointError, match=r"a tar archive, as PyTorch before 0\.1\.10 wrote them"
    ):
        read_file(tmp_path / "file")


def test_a_torchscript_archive_is_no_data(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"it holds torch\.jit\.ScriptModule, and code"):
        read_file(tmp_path / "file")


def storage(count, *, key="0", kind="FloatStorage", size=(2,), stride=(1,), offset=0):
    """A pickle that names a tensor of these numbers."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value if isinstance(value, tuple) and value[:1] == ("storage",) else None

    pid = ("storage", getattr(torch, kind), key, "cpu", count)
    made = Calls(torch._utils._rebuild_tensor_v2, pid, offset, size, stride, False, {})
    file = io.BytesIO()
    Pickler(file, 2).dump({"a": made})
    return file.getvalue()


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 1 << 60},
        {"count": -1},
        {"count": 2, "size": (1 << 40,)},
        {"count": 2, "size": (-2,)},
        {"count": 2, "stride": (1 << 50,)},
        {"count": 2, "offset": 100},
        {"count": 2, "offset": -1},
        {"count": 2, "key": "../../data.pkl"},
        {"count": 2, "key": "9"},
        {"count": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("mmap", [True, False])
def test_tensors_beyond_their_bytes_are_refused(tmp_path, wrong, mmap):
    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("a/data.pkl", storage(**wrong))
        archive.writestr("a/data/0", b"\0" * 8)
    with pytest.raises(CheckpointError, match="cannot be read") as raised:
        read_file(tmp_path / "file", mmap=mmap)
    assert_one_line(raised.value)
