"""Files in the IDX format, written here byte by byte."""

import gzip

import numpy as np
import pytest
from dataset_files import IDX_CODES, idx_bytes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skvae.datasets import load_idx

arrays = st.sampled_from(list(IDX_CODES)).flatmap(
    lambda name: hnp.arrays(
        np.dtype(name), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
    )
)


@given(arrays, st.booleans())
def test_gives_back_what_was_written(tmp_path_factory, array, compressed):
    path = tmp_path_factory.mktemp("idx") / "file"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if compressed else content)
    loaded = load_idx(path)
    native = array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, array.astype(native), strict=True)
    assert loaded.flags.writeable


def test_reads_a_path_with_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "labels").write_bytes(idx_bytes(np.arange(3, dtype=np.uint8)))
    assert load_idx("~/labels").tolist() == [0, 1, 2]


GOOD = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))
ZIPPED = gzip.compress(GOOD, mtime=0)  # its bytes name tests, in every process alike


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not in the IDX format.*begins with b''"),
        (b"<!DOCTYPE html>", r"not in the IDX format.*0x08.*begins with b'<!DO'"),
        (b"\0\0\x0a" + GOOD[3:], r"not in the IDX format.*b'\\x00\\x00\\n\\x02'"),
        (GOOD[:9], r"inside its header: 2 axes need 12 bytes, but the file has 9"),
        (GOOD[:-1], r"18 bytes by its header \(shape \(2, 3\), uint8\), but has 17"),
        (GOOD + b"\0", r"must have 18 bytes.*but has 19.*Get the file again"),
        (ZIPPED[:-9], r"gzip, but damaged.*Get the file again"),
        (ZIPPED[:-8] + bytes(8), r"gzip, but damaged \(CRC"),
        (ZIPPED[:18] + b"\xff" * 9, r"gzip, but damaged"),
        (ZIPPED[:12] + b"\xff" * 9, r"not in the IDX format.*b'\\x00\\x07"),
    ],
)
def test_damaged_file_is_told_by_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "some-idx2-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"some-idx2-ubyte (?s:.*)" + message):
        load_idx(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        load_idx(tmp_path / "absent")
