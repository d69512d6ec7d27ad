"""CIFAR-10 from files in its published forms, written here, or from OpenML."""

import dataclasses
import io
import pickle
import struct
import tarfile
import warnings
from hashlib import sha256

import numpy as np
import pytest
import sklearn.datasets
from dataset_files import random_rows

from skvae.datasets import cifar, load_cifar10

pytestmark = pytest.mark.usefixtures("offline")

N = 20
BATCHES = {
    name: random_rows(N, 3072, i)
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"])
}


def binary_batch(X, y):
    """Return a batch in the binary format: every label before its values."""
    return b"".join(
        bytes([label]) + row.tobytes() for row, label in zip(X, y, strict=True)
    )


def python_batch(X, y):
    """Return a batch as Python 2 pickled it, opcode by opcode (protocol 2)."""

    def text(value):
        return b"T" + struct.pack("<i", len(value)) + value

    def whole(value):
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|")
    dtype += b"NNN" + 2 * whole(-1) + b"K\0tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
    array += text(b"b") + b"\x87R(K\1" + b"".join(map(whole, X.shape)) + b"\x86"
    array += dtype + b"\x89" + text(X.tobytes()) + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    entries = text(b"data") + array + text(b"labels") + labels
    entries += text(b"batch_label") + text(b"training batch 1 of 5")
    return b"\x80\2}(" + entries + b"u."


@pytest.fixture
def small_cifar(monkeypatch):
    """Make load_cifar10 expect 20 images of ours in each batch."""
    sums = {name: sha256(binary_batch(*b)).hexdigest() for name, b in BATCHES.items()}
    test = {"test_batch": sums.pop("test_batch")}
    small = dataclasses.replace(
        cifar.CIFAR10,
        n_images={"train": 5 * N, "test": N},
        checksums={"train": sums, "test": test},
    )
    monkeypatch.setattr(cifar, "CIFAR10", small)
    monkeypatch.setattr(cifar, "_N_ROWS", N)


def write_cifar(home, form, leave_out=()):
    kind, ending, packed = form
    encode = binary_batch if ending else python_batch
    folder = "cifar-10-batches-" + ("bin" if ending else "py")
    files = {
        f"{folder}/{name}{ending}": encode(*batch)
        for name, batch in BATCHES.items()
        if name not in leave_out
    }
    if packed:
        home.mkdir(exist_ok=True)
        with tarfile.open(home / f"cifar-10-{kind}.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return
    (home / folder).mkdir(parents=True)
    for name, content in files.items():
        (home / name).write_bytes(content)


FORMS = [
    (kind, ending, packed)
    for kind, ending in (("python", ""), ("binary", ".bin"))
    for packed in (False, True)
]


def test_our_batch_is_what_pickle_reads():
    X, y = BATCHES["test_batch"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about pickles as old as these
        batch = pickle.loads(python_batch(X, y), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], X, strict=True)
    assert batch["labels"] == y.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("small_cifar")
class TestCIFAR:
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("folder", ["cifar10", "."])
    def test_all_forms_give_the_same(self, tmp_path, form, folder):
        write_cifar(tmp_path / folder, form)
        bunch = load_cifar10(data_home=tmp_path, subset="all")
        X = np.vstack([X for X, _ in BATCHES.values()])
        np.testing.assert_array_equal(bunch.data, X, strict=True)
        np.testing.assert_array_equal(bunch.images, X.reshape(-1, 3, 32, 32))
        y = np.hstack([y for _, y in BATCHES.values()]).astype(np.int64)
        np.testing.assert_array_equal(bunch.target, y, strict=True)
        assert bunch.target_names[6] == "frog"
        assert bunch.image_shape == (3, 32, 32)

    def test_batches_may_lie_in_the_folder_itself(self, tmp_path):
        write_cifar(tmp_path, FORMS[0])
        home = tmp_path / "cifar-10-batches-py"
        X, _ = load_cifar10(data_home=home, subset="test", return_X_y=True)
        np.testing.assert_array_equal(X, BATCHES["test_batch"][0])

    @pytest.mark.parametrize("form", FORMS)
    def test_one_changed_value_is_refused(self, tmp_path, form, monkeypatch):
        X, y = BATCHES["data_batch_4"]
        changed = X.copy()
        changed[-1, -1] ^= 1
        monkeypatch.setitem(BATCHES, "data_batch_4", (changed, y))
        write_cifar(tmp_path, form)
        with pytest.raises(ValueError, match="sha256 of its data_batch_4 must be"):
            load_cifar10(data_home=tmp_path)

    def test_archive_without_a_batch_is_refused(self, tmp_path):
        write_cifar(tmp_path, FORMS[1], leave_out=["data_batch_2"])
        with pytest.raises(
            ValueError, match=r"python\.tar\.gz lacks data_batch_2\. Get"
        ):
            load_cifar10(data_home=tmp_path)

    def test_damaged_archive_is_refused(self, tmp_path):
        write_cifar(tmp_path, FORMS[3])
        path = tmp_path / "cifar-10-binary.tar.gz"
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(
            ValueError, match=r"binary\.tar\.gz is damaged .*Get it again"
        ):
            load_cifar10(data_home=tmp_path, subset="test")

    def test_short_binary_batch_is_refused(self, tmp_path):
        write_cifar(tmp_path, FORMS[2])
        path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(
            ValueError, match=r"must have 61460 bytes.*but has 61459\. "
        ):
            load_cifar10(data_home=tmp_path, subset="test")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"not a pickle",
            python_batch(*BATCHES["test_batch"])[:-100],
            python_batch(*random_rows(N - 1, 3072, 0)),
            pickle.dumps({"data": [1]}),
        ],
    )
    def test_bad_python_batch_is_refused(self, tmp_path, content):
        (tmp_path / "test_batch").write_bytes(content)
        with pytest.raises(ValueError, match=r"test_batch is not a batch of CIFAR-10"):
            load_cifar10(data_home=tmp_path, subset="test")

    def test_pickle_cannot_run_code(self, tmp_path):
        trace = tmp_path / "trace"
        for call in (
            f"cbuiltins\nopen\n(V{trace}\nVw\ntR.",
            f"cos\nmkdir\n(V{trace}\ntR.",
        ):
            (tmp_path / "test_batch").write_bytes(call.encode())
            with pytest.raises(
                ValueError, match=r"it asks for (builtins\.open|os\.mkdir)"
            ):
                load_cifar10(data_home=tmp_path, subset="test")
            assert not trace.exists()

    def test_pickle_cannot_make_objects(self, tmp_path):
        content = python_batch(*BATCHES["test_batch"]).replace(b"u1", b"O8")
        (tmp_path / "test_batch").write_bytes(content)
        with pytest.raises(ValueError, match="it asks for an array of 'O8'"):
            load_cifar10(data_home=tmp_path, subset="test")

    def test_openml_gives_the_images_of_the_files(self, tmp_path, monkeypatch):
        X = np.vstack([X for X, _ in BATCHES.values()]).astype(np.int64)
        y = np.hstack([y for _, y in BATCHES.values()]).astype(str).astype(object)
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: (X, y))
        loaded, _ = load_cifar10(data_home=tmp_path, subset="test", return_X_y=True)
        np.testing.assert_array_equal(loaded, BATCHES["test_batch"][0], strict=True)
