"""Pickles as Python 2 wrote them, in which text and bytes are the same."""

import pickle
import struct
from typing import ClassVar


class _Python2Pickler(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        content = value.encode("ascii") if isinstance(value, str) else value
        if len(content) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(content)]) + content)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def dump_python2(value, file):
    """Protocol 2, as ``cPickle.dump(value, file, 2)`` of Python 2 writes numbers, text and arrays."""
    _Python2Pickler(file, protocol=2).dump(value)
