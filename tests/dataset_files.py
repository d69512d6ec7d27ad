"""What files of data sets hold, made here."""

import struct

import numpy as np

IDX_CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx_bytes(array):
    """Return an array as the content of an IDX file."""
    code = next(c for name, c in IDX_CODES.items() if np.dtype(name) == array.dtype)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.tobytes()


def random_rows(n, n_values, seed):
    """Return rows of bytes and their labels, from 0 to 9."""
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=n).astype(np.uint8)
    return rng.integers(256, size=(n, n_values)).astype(np.uint8), y
