"""Pickles read without running them: a class or function that is not known becomes an inert stand-in.

A pickle is a program that names classes and functions and calls them. This reader looks nothing up by
such a name: it has a table of functions of its own, by name, for what is plain data. Everything else
is an ``Unknown``, which keeps what it was given and does nothing with it. No state setter of the file
is called, and no attribute is set on anything but on what this reader has made.
"""

import argparse
import io
import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

Table = Mapping[tuple[str, str], Callable[..., Any]]

TEXT = "utf-8", "surrogateescape"  # of strings of Python 2; any bytes come back from it
_MOST_KEYS = 64  # items of a tuple as a key: nested ones can take for ever to hash
_OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg", "pathlib._local": "pathlib"}
_ATTACKS = {  # no trainer writes these: such a file is not to be trusted in anything
    **dict.fromkeys(("os", "posix", "nt"), "system popen execv execve execl execvp spawnv spawnl "
                    "fork kill remove unlink rmdir rename chmod putenv"),
    "builtins": "eval exec execfile compile open input breakpoint __import__",
    **dict.fromkeys(("io", "_io"), "open open_code FileIO"),
    "subprocess": "Popen call run check_call check_output getoutput getstatusoutput",
    **dict.fromkeys(("commands", "pty"), "spawn getoutput"),
    "shutil": "rmtree move copy copyfile",
    "runpy": "run_path run_module _run_code",
    "importlib": "import_module reload",
    "sys": "exit modules settrace setprofile",
    "ctypes": "CDLL cdll PyDLL",
    "webbrowser": "open",
    "socket": "socket create_connection",
    "pickle": "loads load",
    "torch": "load",
    "torch.hub": "load",
    "code": "interact",
    "timeit": "timeit",
    "pdb": "run",
}  # fmt: skip


_SUBCLASSES = ("torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type")


class Unknown:
    """A class, a function or an object of a pickle that is not known: its name and what it was given.

    ``args`` are those of its call, ``state`` and ``items`` what was set on it later.
    """

    __slots__ = ("args", "items", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] | None = None) -> None:
        self.name = name
        self.args = args  # None: it was named only
        self.state: Any = None
        self.items: list[Any] = []

    def __repr__(self) -> str:
        return f"<{self.name}>"


class NumberType:
    """What numpy calls a dtype, as ``<f4``; the pickle sets its byte order after the call."""

    __slots__ = ("code",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or len(code) > 16:
            raise TypeError
        self.code = code

    def set_state(self, state: Any) -> None:
        """The byte order of ``state``; fields make it something else than a number."""
        if not isinstance(state, tuple) or len(state) < 5 or not isinstance(state[1], str):
            raise pickle.UnpicklingError("unsupported class numpy.dtype")
        self.code = "V" if state[4] is not None else f"{state[1]}{self.code}".replace("|", "")


class InertUnpickler(pickle._Unpickler):
    """``pickle.Unpickler`` that calls nothing but the functions of ``table``.

    Args:
        file: to read from.
        table: (module, name) -> the function that is called in place of what has this name.
        constants: (module, name) -> the object that is taken in place of what has this name.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(
        self, file: Any, table: Table, constants: Mapping[tuple[str, str], Any] | None = None
    ) -> None:
        super().__init__(file, encoding=TEXT[0], errors=TEXT[1])
        self._table = table
        self._constants = constants or {}

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in of that name, or a constant.

        Raises:
            pickle.UnpicklingError: no data has such a name, only an attack.
        """
        module = _OLD_NAMES.get(module, module).replace("numpy._core", "numpy.core")
        if name in _ATTACKS.get(module, "").split():
            raise pickle.UnpicklingError(f"unsupported class {module}.{name}")
        if (module, name) in self._constants:
            return self._constants[module, name]
        return Unknown(f"{module}.{name}")

    def get_extension(self, code: int) -> None:
        """Numbers in place of names are of a registry of the process that wrote the file."""
        raise pickle.UnpicklingError(f"unsupported class number {code} of a registry")

    def call(self, named: Any, args: Any) -> Any:
        """What the call of ``named`` gives: of the table, or a stand-in for an object."""
        args = tuple(args)
        if not isinstance(named, Unknown):
            return Unknown("a call of something that has no name", args)
        if named.args is not None:  # the result of a call is called
            return Unknown(named.name, args)
        if named.name in _SUBCLASSES and len(args) == 4:
            return self.call(args[0], args[2])  # a subclass of tensors: its values
        if named.name in ("copyreg._reconstructor", "copyreg.__newobj__") and args:
            return self.call(args[0], args[1:]) if named.name[8:] == "__newobj__" else _old(*args)
        module, _, name = named.name.rpartition(".")
        function = self._table.get((module, name))
        if function is None:
            return Unknown(named.name, args)
        try:
            return function(*args)
        except (TypeError, ValueError, OverflowError, AttributeError):
            return Unknown(named.name, args)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.call(klass, args))  # type: ignore[attr-defined]

    def load_reduce(self) -> None:
        args = self.stack.pop()  # type: ignore[attr-defined]
        self.stack[-1] = self.call(self.stack[-1], args)  # type: ignore[attr-defined]

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # type: ignore[attr-defined]  # keyword arguments
        self.load_reduce()

    def load_build(self) -> None:
        state = self.stack.pop()  # type: ignore[attr-defined]
        _set_state(self.stack[-1], state)  # type: ignore[attr-defined]

    def load_append(self) -> None:
        value = self.stack.pop()  # type: ignore[attr-defined]
        _extend(self.stack[-1], [value])  # type: ignore[attr-defined]

    def load_appends(self) -> None:
        values = self.pop_mark()  # type: ignore[attr-defined]
        _extend(self.stack[-1], values)  # type: ignore[attr-defined]

    def load_additems(self) -> None:
        values = self.pop_mark()  # type: ignore[attr-defined]
        _extend(self.stack[-1], values)  # type: ignore[attr-defined]

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()  # type: ignore[attr-defined]
        _set_items(self.stack[-1], [key, value])  # type: ignore[attr-defined]

    def load_setitems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        _set_items(self.stack[-1], items)  # type: ignore[attr-defined]

    def load_bytearray8(self) -> None:
        count = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]
        self.append(bytearray(self.read(count)))  # type: ignore[attr-defined]

    def load_dict(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.append({})  # type: ignore[attr-defined]
        _set_items(self.stack[-1], items)  # type: ignore[attr-defined]

    def load_frozenset(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.append(frozenset(map(as_key, items)))  # type: ignore[attr-defined]

    for _opcode, _load in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_reduce),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.ADDITEMS, load_additems),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.BYTEARRAY8, load_bytearray8),
        (pickle.DICT, load_dict),
        (pickle.FROZENSET, load_frozenset),
    ):
        dispatch[_opcode[0]] = _load


def read_pickle(
    content: bytes, table: Table, constants: Mapping[tuple[str, str], Any] | None = None
) -> Any:
    """The object of a pickle."""
    return InertUnpickler(io.BytesIO(content), table, constants).load()


def as_key(value: Any) -> Any:
    """``value`` if it can be hashed at once.

    Raises:
        pickle.UnpicklingError: it is a tuple of many, or nested, tuples.
    """
    if isinstance(value, tuple | frozenset):
        nested = any(isinstance(part, tuple | frozenset) for part in value)
        if nested or len(value) > _MOST_KEYS:
            raise pickle.UnpicklingError("its keys are nested tuples")
    return value


def _old(kind: Any, base: Any = None, state: Any = None, *_: Any) -> Any:
    """An object as protocols 0 and 1 write it: of ``kind``, derived from ``base``."""
    if not isinstance(kind, Unknown):
        raise pickle.UnpicklingError("unsupported class copyreg._reconstructor")
    if kind.name in ("argparse.Namespace", "types.SimpleNamespace"):
        return argparse.Namespace()
    made = Unknown(kind.name, ())
    if isinstance(state, dict):
        made.items += [part for pair in state.items() for part in pair]
    elif state is not None:
        made.args = (state,)
    return made


def _set_state(made: Any, state: Any) -> None:
    import numpy as np

    if isinstance(made, Unknown):
        made.state = state
    elif isinstance(made, NumberType):
        made.set_state(state)
    elif type(made) is np.ndarray:
        _fill(made, state)
    elif type(made) is argparse.Namespace and isinstance(state, dict):
        vars(made).update({key: value for key, value in state.items() if type(key) is str})
    # else: notes of a class beside what it is, as the versions of an OrderedDict of weights


def _fill(array: Any, state: Any) -> None:
    import numpy as np

    if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], NumberType)):
        raise pickle.UnpicklingError("unsupported class numpy.ndarray")
    _, shape, kind, is_fortran, content = state
    try:
        dtype = np.dtype(kind.code)
        if dtype.kind == "V":  # structured, which no weights are: it stays empty
            shape, dtype, content = (0,), np.dtype("O"), []
        if isinstance(content, str):  # of Python 2, decoded as ``InertUnpickler`` does it
            content = content.encode(*TEXT)
        if not isinstance(content, list if dtype.kind == "O" else bytes | bytearray):
            raise TypeError("its content is none")
        size = math.prod(shape)
        if dtype.kind == "O" and len(content) != size:  # numpy would read beyond its end
            raise ValueError(f"{len(content)} objects of {size}")
        array.__setstate__((1, shape, dtype, bool(is_fortran), content))
    except (TypeError, ValueError, OverflowError) as error:
        raise pickle.UnpicklingError(f"unsupported class numpy.ndarray ({error})") from None


def _extend(made: Any, values: list[Any]) -> None:
    if type(made) is list:
        made.extend(values)
    elif type(made) is set:
        made.update(map(as_key, values))
    elif isinstance(made, Unknown):
        made.items += values
    else:
        raise pickle.UnpicklingError(f"items of a {type(made).__name__}")


def _set_items(made: Any, items: list[Any]) -> None:
    if isinstance(made, Unknown):
        made.items += items
    elif type(made) is dict and len(items) % 2 == 0:
        for key, value in zip(items[::2], items[1::2], strict=True):
            made[as_key(key)] = value
    else:
        raise pickle.UnpicklingError(f"entries of a {type(made).__name__}")
