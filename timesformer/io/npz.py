"""What NumPy raises of a file that is not an ``.npz`` archive, or of a damaged one."""

import zlib
from zipfile import BadZipFile

NPZ_ERRORS = (
    AttributeError,  # these two: a file of one array
    TypeError,
    BadZipFile,
    EOFError,
    KeyError,
    RuntimeError,  # a member that is said to be encrypted, or compressed in another way
    ValueError,
    zlib.error,
)
