"""The files of ``torch.save``, of all releases since 0.1.10, read without running anything of theirs.

The pickle inside names storages, whose bytes lie beside it: as records of a zip archive, or behind it
in a legacy file. Tensors are views of them; those that are not dense are named, see
``torch_tensors.NO_VALUES``.
"""

import io
import pickle
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import UntypedStorage

from timesformer.checkpoint.formats.pickle_data import DATA
from timesformer.checkpoint.formats.pickles import InertUnpickler, Table
from timesformer.checkpoint.formats.torch_tensors import CONSTANTS, TENSORS, Storage

MAGIC = bytes.fromhex("6cfc9c46f9206aa850")  # the number that legacy files begin with
MAGIC_TEXT = b"119547037146038801333356"  # the same in pickles of protocol 0
_ZIP = b"PK\x03\x04"  # the first bytes of an archive; what says that it is whole is at its end
_PROTOCOL = 1001  # of legacy files
_PIECE = 1 << 20  # bytes
_ALIGNED = 8  # bytes; storages elsewhere in a file are copied


def is_torch_file(path: Path) -> bool:
    """Whether ``torch.save`` of any release wrote it, by what it begins and ends with."""
    with path.open("rb") as file:
        head = file.read(64)
        is_legacy = MAGIC in head or MAGIC_TEXT in head
        return is_legacy or head.startswith(_ZIP) or zipfile.is_zipfile(file) or is_tar(file)


def read_torch(path: Path, *, mmap: bool = False, meta: bool = False, verify: bool = False) -> Any:
    """The object of a file, which is read once.

    Args:
        path: the file.
        mmap: tensors stay in the file.
        meta: tensors have no values and are not read.
        verify: compare the checksums of all records, also of records without a tensor.

    Raises:
        pickle.UnpicklingError: it names what only an attack names, or it is of another kind.
        OSError, ValueError and others: truncated.
    """
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                found = _Archive(archive, path if mmap else None, is_meta=meta)
                content = found.read()
                if verify:
                    found.verify_others()
                return content
        file.seek(0)
        if file.read(len(_ZIP)) == _ZIP:
            raise ValueError("a zip archive without its end")
        if is_tar(file):
            raise pickle.UnpicklingError("a tar archive, as PyTorch before 0.1.10 wrote them")
        return read_legacy(file, is_meta=meta)


def read_legacy(file: IO[bytes], *, is_meta: bool = False) -> Any:
    """The object of a file of releases before 1.6, at the place of ``file``."""
    start = [InertUnpickler(file, DATA).load() for _ in range(3)]
    if start[1] != _PROTOCOL or not isinstance(start[2], dict):
        raise pickle.UnpicklingError("it is not a PyTorch file")
    storages: dict[Any, Storage] = {}

    def find(pid: Any) -> Storage:
        _, kind, key, _, count, view = pid
        if key not in storages:
            _check_count(count, kind, _bytes_left(file))
            device = "meta" if is_meta else "cpu"
            storages[key] = Storage(UntypedStorage(count * kind.itemsize, device=device), kind)
        if view is None:
            return storages[key]
        _, offset, size = view
        width = kind.itemsize
        if is_meta:
            return Storage(UntypedStorage(size * width, device="meta"), kind)
        return Storage(storages[key].content[offset * width : (offset + size) * width], kind)

    found = _unpickle(file, find)
    keys = InertUnpickler(file, DATA).load()
    if not is_meta:
        if set(keys) != storages.keys():
            raise ValueError("its tensors are not the ones that it lists")
        for key in keys:
            _read_storage(file, storages[key])
    return found


class _Archive:
    """A zip archive of ``torch.save``; each record has a checksum, which is compared when it is read."""

    def __init__(self, archive: zipfile.ZipFile, mapped: Path | None, *, is_meta: bool) -> None:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if not names:
            raise pickle.UnpicklingError("a zip archive without data.pkl")
        self._archive, self._is_meta = archive, is_meta
        self._root = min(names, key=len).removesuffix("data.pkl")
        if f"{self._root}constants.pkl" in archive.namelist():
            raise pickle.UnpicklingError("unsupported class torch.jit.ScriptModule")
        order = f"{self._root}byteorder"
        self._is_swapped = order in archive.namelist() and (
            archive.read(order).decode("ascii") != sys.byteorder
        )
        self._storages: dict[Any, Storage] = {}
        self._verified = {f"{self._root}data.pkl", order}
        self._whole: UntypedStorage | None = None
        if mapped is not None and not self._is_swapped:
            size = mapped.stat().st_size
            self._whole = UntypedStorage.from_file(str(mapped), shared=False, nbytes=size)

    def read(self) -> Any:
        content = io.BytesIO(self._archive.read(f"{self._root}data.pkl"))
        return _unpickle(content, self._find)

    def verify_others(self) -> None:
        """Read the records that were not read yet.

        Raises:
            zipfile.BadZipFile: one does not have its checksum.
        """
        for name in set(self._archive.namelist()) - self._verified:
            with self._archive.open(name) as record:
                _read_to_end(record)

    def _find(self, pid: Any) -> Storage:
        _, kind, key, _, count = pid
        if key not in self._storages:
            self._storages[key] = Storage(self._load(str(key), kind, count), kind)
        return Storage(self._storages[key].content, kind)

    def _load(self, key: str, kind: torch.dtype, count: int) -> UntypedStorage:
        info = self._archive.getinfo(f"{self._root}data/{key}")
        _check_count(count, kind, info.file_size)
        num_bytes = count * kind.itemsize
        if self._is_meta:
            return UntypedStorage(num_bytes, device="meta")
        if self._whole is not None and info.compress_type == zipfile.ZIP_STORED:
            start = self._place(info)
            if start % _ALIGNED == 0 and start + num_bytes <= self._whole.nbytes():
                return self._whole[start : start + num_bytes]
        made = UntypedStorage(num_bytes)
        with self._archive.open(info) as record:
            _fill(made, record)
            _read_to_end(record)  # where its checksum is compared
        self._verified.add(info.filename)
        if self._is_swapped:
            made.byteswap(kind)
        return made

    def _place(self, info: zipfile.ZipInfo) -> int:
        """Where in the file the bytes of a record begin: behind its own header."""
        file = self._archive.fp
        assert file is not None
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
        return info.header_offset + 30 + int(name) + int(extra)


def _unpickle(file: IO[bytes], find: Callable[[Any], Storage]) -> Any:
    """The object of the pickle at the place of ``file``, whose storages ``find`` gives."""

    def persistent_load(pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module":
            return pid[1]  # the class of a whole model; its source is of no use here
        if not (isinstance(pid, tuple) and pid[0] == "storage" and _is_storage(pid)):
            raise pickle.UnpicklingError("it names a storage in no known way")
        return find(pid)

    unpickler = InertUnpickler(file, TORCH, CONSTANTS)
    unpickler.persistent_load = persistent_load  # type: ignore[method-assign]
    return unpickler.load()


def _is_storage(pid: tuple[Any, ...]) -> bool:
    return (
        len(pid) in (5, 6)
        and isinstance(pid[1], torch.dtype)
        and isinstance(pid[2], str | int)
        and type(pid[4]) is int
    )


def _check_count(count: int, kind: torch.dtype, available: int) -> None:
    if not 0 <= count * kind.itemsize <= available:
        raise ValueError(f"a tensor of {count} numbers is not whole in it")


def _bytes_left(file: IO[bytes]) -> int:
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    return end - here


def _read_storage(file: IO[bytes], storage: Storage) -> None:
    """A storage of a legacy file: the count of its numbers, and these."""
    (count,) = struct.unpack("<q", file.read(8))
    if count * storage.dtype.itemsize != storage.content.nbytes():
        raise ValueError("a tensor has another size than its pickle says")
    _fill(storage.content, file)


def _fill(storage: UntypedStorage, file: IO[bytes]) -> None:
    """All of a storage from a file.

    Raises:
        ValueError: the file ends before.
    """
    view = memoryview(torch.tensor([], dtype=torch.uint8).set_(storage).numpy())
    while len(view):
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it ends inside a tensor")
        view = view[count:]


def _read_to_end(record: IO[bytes]) -> None:
    while record.read(_PIECE):
        pass


def is_tar(file: IO[bytes]) -> bool:
    """Whether ``file`` is a tar archive; it is at its beginning then."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return archive.next() is not None
    except tarfile.TarError:
        return False
    finally:
        file.seek(0)


def _inner(content: Any) -> Any:
    """A storage as plain pickles have it: a legacy file in its own right."""
    if not isinstance(content, bytes):
        raise TypeError
    return read_legacy(io.BytesIO(content))


TORCH: Table = {**TENSORS, ("torch.storage", "_load_from_bytes"): _inner}
