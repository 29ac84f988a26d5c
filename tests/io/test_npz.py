"""Whatever byte of an archive is wrong, the error is one of those."""

import io

import numpy as np
import pytest

from timesformer.io.npz import NPZ_ERRORS


def read(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_any_wrong_byte_gives_one_of_the_errors(save, flip):
    file = io.BytesIO()
    save(file, a=np.arange(9.0), b=np.array("text"))
    kinds = set()
    for place in range(len(file.getvalue())):
        damaged = bytearray(file.getvalue())
        damaged[place] ^= flip
        try:
            read(damaged)
        except (OSError, *NPZ_ERRORS) as error:
            kinds.add(type(error).__name__)
    assert len(kinds) > 1


def test_one_array_and_no_file_at_all_give_one_of_the_errors():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    for content in (file.getvalue(), b"", b"PK\x03\x04", b"text"):
        with pytest.raises(NPZ_ERRORS):
            read(content)
