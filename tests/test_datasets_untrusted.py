"""Files of data sets whose headers, sizes or labels are not what they should be."""

import dataclasses
import gzip
import io
import pickle
import struct
import tarfile
import tracemalloc

import numpy as np
import pytest
import sklearn.datasets
from dataset_files import idx_bytes, random_rows
from test_datasets_cifar import python_batch
from test_datasets_mnist import PARTS, digest, write_mnist

from skvae.datasets import cifar, load_cifar10, load_idx, load_mnist, mnist


@pytest.fixture(autouse=True)
def small_mnist(monkeypatch):
    checksums = {
        part: {"images": digest(X), "labels": digest(y)}
        for part, (X, y) in PARTS.items()
    }
    sizes = {"train": 30, "test": 10}
    small = dataclasses.replace(mnist.MNIST, n_images=sizes, checksums=checksums)
    monkeypatch.setattr(mnist, "MNIST", small)


def peak_memory(function):
    """Return the largest memory, in bytes, that a call allocated."""
    tracemalloc.start()
    try:
        function()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def refused(function, message, error=ValueError):
    """Return a function that asserts that another one raises an error."""

    def call():
        with pytest.raises(error, match=message):
            function()

    return call


def header(*shape, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def bomb(path, start, n_bytes):
    """Write `start` and so many zeros, compressed."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(start)
        for _ in range(n_bytes // 2**20):
            file.write(bytes(2**20))


# ------------------------------------------------------------------------- IDX files


def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    bomb(tmp_path / "t", header(3), 2**26)
    call = refused(lambda: load_idx(tmp_path / "t"), "3 bytes.*unpacks to more")
    assert peak_memory(call) < 2**21


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_header_that_promises_too_much_is_refused_unread(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    content = header(2**31, 2**10) + bytes(100)
    path.write_bytes(gzip.compress(content) if ending else content)
    call = refused(lambda: load_idx(path), r"must have 2199023255\d+ bytes.*but has")
    assert peak_memory(call) < 2**20


@pytest.mark.parametrize("shape", [(1,) * 255, (2**32 - 1,) * 3 + (0,)])
def test_axes_that_no_array_can_have_are_refused_by_the_file(tmp_path, shape):
    path = tmp_path / "odd"
    path.write_bytes(header(*shape) + bytes(0 if 0 in shape else 1))
    with pytest.raises(ValueError, match=f"odd has.*{len(shape)} axes.*again"):
        load_idx(path)


# ------------------------------------------------------------------------------ MNIST


def write(folder, name, content):
    (folder / f"train-{name}-ubyte").write_bytes(content)


@pytest.mark.parametrize("shift", [256, -256])
def test_labels_of_another_type_are_not_those_published(tmp_path, shift):
    write_mnist(tmp_path, ending="")
    y = PARTS["train"][1].astype(">i4") + shift
    write(tmp_path, "labels-idx1", idx_bytes(y.astype(">i4")))
    with pytest.raises(ValueError, match=r"train-labels.* must hold uint8.*int32"):
        load_mnist(data_home=tmp_path)


@pytest.mark.parametrize("return_X_y", [True, False])
def test_images_of_another_shape_are_not_those_published(tmp_path, return_X_y):
    write_mnist(tmp_path, ending="")
    X = PARTS["train"][0].reshape(15, 56, 28)
    write(tmp_path, "images-idx3", idx_bytes(X))
    with pytest.raises(ValueError, match=r"train-images.*28, 28\).*\(15, 56, 28\)"):
        load_mnist(data_home=tmp_path, return_X_y=return_X_y)


def test_too_many_images_are_refused_before_they_are_unpacked(tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    bomb(path, header(2**17, 28, 28), 2**17 * 28 * 28)
    call = refused(lambda: load_mnist(data_home=tmp_path), "up to 60000")
    assert peak_memory(call) < 2**20


def test_too_few_images_are_told_by_their_number(tmp_path):
    write_mnist(tmp_path, ending="")
    X = PARTS["train"][0].reshape(-1, 28, 28)[:29]
    write(tmp_path, "images-idx3", idx_bytes(X))
    with pytest.raises(ValueError, match=r"30 images.*but has \(29, 784\).*again"):
        load_mnist(data_home=tmp_path)


@pytest.mark.parametrize("wrong", [263.0, -1.0, 0.5, np.nan, "five"])
def test_openml_with_other_values_is_refused_before_a_cast(
    tmp_path, monkeypatch, wrong
):
    X, y = (np.concatenate(arrays) for arrays in zip(*PARTS.values(), strict=True))
    y = y.astype(object)
    y[3] = wrong
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: (X, y))
    with pytest.raises(
        ValueError,
        match=r"OpenML's.*(must hold values of type int64|labels from 0 to 9)",
    ):
        load_mnist(data_home=tmp_path, subset="all")


# ------------------------------------------------------------------------------ CIFAR

N = 20  # images in a batch of ours


@pytest.fixture
def small_cifar(monkeypatch):
    monkeypatch.setattr(cifar, "_N_ROWS", N)
    X, y = random_rows(N, 3072, 5)
    checksums = {"test": {"test_batch": digest(np.column_stack([y, X]))}}
    small = dataclasses.replace(
        cifar.CIFAR10, n_images={"test": N}, checksums=checksums
    )
    monkeypatch.setattr(cifar, "CIFAR10", small)
    return X, y


@pytest.mark.parametrize(
    "change",
    [
        lambda y: [256 + k for k in y],
        lambda y: [k - 256 for k in y],
        lambda y: [k + 0.5 for k in y],
        lambda y: [str(k) for k in y],
    ],
)
def test_labels_of_cifar_are_what_is_checked(tmp_path, small_cifar, change):
    X, y = small_cifar
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    others = pickle.dumps(change(y.tolist()), 2)[2:-1]  # without beginning and end
    content = python_batch(X, y).replace(labels, others)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match=r"labels (from 0 to 9|float|<U)"):
        load_cifar10(subset="test", data_home=tmp_path)


def test_right_labels_of_cifar_are_taken(tmp_path, small_cifar):
    X, y = small_cifar
    content = np.column_stack([y, X]).tobytes()
    (tmp_path / "test_batch.bin").write_bytes(content)
    _, loaded = load_cifar10(subset="test", data_home=tmp_path, return_X_y=True)
    np.testing.assert_array_equal(loaded, y)


@pytest.mark.usefixtures("small_cifar")
@pytest.mark.parametrize(("kind", "ending"), [("binary", ".bin"), ("python", "")])
def test_too_large_a_member_is_not_unpacked(tmp_path, kind, ending):
    member = tarfile.TarInfo(f"cifar/test_batch{ending}")
    member.size = 2**26
    path = tmp_path / f"cifar-10-{kind}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    call = refused(
        lambda: load_cifar10(subset="test", data_home=tmp_path), "no batch of CIFAR-10"
    )
    assert peak_memory(call) < 2**23


@pytest.mark.usefixtures("small_cifar")
def test_too_large_a_file_is_not_read(tmp_path):
    with (tmp_path / "test_batch").open("wb") as file:
        file.truncate(2**26)
    call = refused(
        lambda: load_cifar10(subset="test", data_home=tmp_path), "no batch of CIFAR-10"
    )
    assert peak_memory(call) < 2**20
