"""Loaders of published images: own files of the published form, and the real ones."""

import dataclasses
import gzip
import io
import pickle
import re
import struct
import tarfile
import urllib.error
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from test_datasets_idx import idx_bytes

from skvae.datasets import cifar, load_cifar10, load_fashion_mnist, load_mnist, mnist

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_files = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
PREFIXES = {"train": "train", "test": "t10k"}


@pytest.fixture(autouse=True)
def homes(monkeypatch, tmp_path):
    """Keep the tests out of the user's folders and off the net."""
    monkeypatch.delenv("SKVAE_DATA_HOME", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)


def unreachable(*_, **__):
    raise urllib.error.URLError("no route to host")


def random_rows(n, n_values, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=n).astype(np.uint8)
    return rng.integers(256, size=(n, n_values)).astype(np.uint8), y


# ---------------------------------------------------------------------- MNIST's form

PARTS = {"train": random_rows(30, 784, 0), "test": random_rows(10, 784, 1)}


@pytest.fixture
def small_mnist(monkeypatch):
    """Make load_mnist expect 30 + 10 images of ours."""
    checksums = {
        part: {"images": digest(X), "labels": digest(y)}
        for part, (X, y) in PARTS.items()
    }
    sizes = {"train": 30, "test": 10}
    small = dataclasses.replace(mnist.MNIST, n_images=sizes, checksums=checksums)
    monkeypatch.setattr(mnist, "MNIST", small)


def digest(array):
    return sha256(array.tobytes()).hexdigest()


def write_mnist(folder, parts=("train", "test"), ending=".gz", joint="-"):
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        X, y = PARTS[part]
        kinds = {"images": X.reshape(-1, 28, 28), "labels": y}
        for kind, array in kinds.items():
            name = f"{PREFIXES[part]}-{kind}{joint}idx{array.ndim}-ubyte{ending}"
            content = idx_bytes(array)
            content = gzip.compress(content) if ending else content
            (folder / name).write_bytes(content)


@pytest.mark.usefixtures("small_mnist")
class TestFiles:
    @pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "MNIST", "."])
    @pytest.mark.parametrize(("ending", "joint"), [(".gz", "-"), ("", "-"), ("", ".")])
    def test_are_found_under_their_usual_names(self, tmp_path, folder, ending, joint):
        write_mnist(tmp_path / folder, ending=ending, joint=joint)
        X, y = load_mnist(data_home=tmp_path, return_X_y=True)
        np.testing.assert_array_equal(X, PARTS["train"][0], strict=True)
        np.testing.assert_array_equal(
            y, PARTS["train"][1].astype(np.int64), strict=True
        )

    def test_bunch(self, tmp_path):
        write_mnist(tmp_path)
        bunch = load_mnist(data_home=str(tmp_path), subset="test")
        X, y = PARTS["test"]
        np.testing.assert_array_equal(bunch.data, X, strict=True)
        np.testing.assert_array_equal(bunch.images, X.reshape(10, 28, 28), strict=True)
        np.testing.assert_array_equal(bunch.target, y)
        assert bunch.image_shape == (28, 28)
        assert bunch.target_names.tolist() == list("0123456789")
        assert bunch.DESCR.startswith("MNIST: ")
        bunch.data[0] = 0  # the caller's own

    def test_all_is_train_then_test(self, tmp_path):
        write_mnist(tmp_path)
        X, y = load_mnist(data_home=tmp_path, subset="all", return_X_y=True)
        np.testing.assert_array_equal(X, np.vstack([X for X, _ in PARTS.values()]))
        np.testing.assert_array_equal(y, np.hstack([y for _, y in PARTS.values()]))

    def test_argument_goes_before_variable_before_scikit_learn(
        self, tmp_path, monkeypatch
    ):
        homes = [tmp_path / name for name in ("argument", "variable", "sklearn")]
        tried = []
        monkeypatch.setattr(
            mnist,
            "MNIST",
            dataclasses.replace(
                mnist.MNIST, read=lambda folder, _: tried.append(folder)
            ),
        )
        monkeypatch.setenv("SKVAE_DATA_HOME", str(homes[1]))
        for given in (homes[0], None):
            with pytest.raises(FileNotFoundError):
                load_mnist(data_home=given)
        monkeypatch.delenv("SKVAE_DATA_HOME")
        with pytest.raises(FileNotFoundError):
            load_mnist()
        assert [folder for folder in tried if folder in homes] == homes

    def test_other_images_are_refused(self, tmp_path):
        write_mnist(tmp_path)
        path = tmp_path / "t10k-images-idx3-ubyte.gz"
        X = PARTS["test"][0].reshape(-1, 28, 28).copy()
        X[3, 14, 14] ^= 1
        path.write_bytes(gzip.compress(idx_bytes(X)))
        message = (
            f"{re.escape(str(path))} is not the test part of MNIST.*images must be"
        )
        with pytest.raises(ValueError, match=message + f".*but is {digest(X)}.*again"):
            load_mnist(data_home=tmp_path, subset="all")
        assert len(load_mnist(data_home=tmp_path).data) == 30

    def test_other_labels_are_refused(self, tmp_path):
        write_mnist(tmp_path)
        y = PARTS["train"][1][::-1]
        (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(y))
        with pytest.raises(ValueError, match="sha256 of its labels must be"):
            load_mnist(data_home=tmp_path)

    def test_damaged_file_is_no_reason_to_fetch(self, tmp_path):
        write_mnist(tmp_path)
        path = tmp_path / "train-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ValueError, match="gzip, but damaged"):
            load_mnist(data_home=tmp_path)


@pytest.mark.usefixtures("small_mnist")
class TestOpenML:
    @pytest.fixture
    def calls(self, monkeypatch):
        """Let OpenML answer as it does: floats, labels as text, train before test."""
        X = np.vstack([X for X, _ in PARTS.values()]).astype(np.float64)
        y = np.hstack([y for _, y in PARTS.values()]).astype(str).astype(object)
        calls = []

        def fetch(name, **options):
            calls.append((name, options))
            return X, y

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
        self.X, self.y = X, y
        return calls

    @pytest.mark.parametrize("subset", ["train", "test"])
    def test_part_is_that_of_the_files(self, tmp_path, calls, subset):
        X, y = load_mnist(data_home=tmp_path, subset=subset, return_X_y=True)
        np.testing.assert_array_equal(X, PARTS[subset][0], strict=True)
        np.testing.assert_array_equal(y, PARTS[subset][1].astype(np.int64), strict=True)

    def test_is_asked_once_for_name_and_version(self, tmp_path, calls):
        assert len(load_mnist(data_home=tmp_path, subset="all").data) == 40
        [(name, options)] = calls
        assert (name, options["version"]) == ("mnist_784", 1)
        assert options["data_home"] == str(tmp_path)

    def test_is_not_asked_if_there_are_files_or_on_demand(self, tmp_path, calls):
        write_mnist(tmp_path, ["train"])
        load_mnist(data_home=tmp_path)
        with pytest.raises(FileNotFoundError, match="download_if_missing=False"):
            load_mnist(data_home=tmp_path, subset="test", download_if_missing=False)
        assert calls == []

    def test_fills_in_the_part_that_has_no_files(self, tmp_path, calls):
        write_mnist(tmp_path, ["train"])
        X, _ = load_mnist(data_home=tmp_path, subset="all", return_X_y=True)
        np.testing.assert_array_equal(X, self.X)

    def test_other_content_is_refused(self, tmp_path, calls):
        self.X[35, 5] = 255 - self.X[35, 5]
        with pytest.raises(ValueError, match=r"OpenML's 'mnist_784' is not the test.*"):
            load_mnist(data_home=tmp_path, subset="test")
        assert len(load_mnist(data_home=tmp_path).data) == 30

    def test_other_number_of_images_is_refused(self, tmp_path, monkeypatch):
        few = np.zeros((7, 784)), np.zeros(7).astype(str)
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: few)
        with pytest.raises(
            ValueError, match=r"has 40 images, but version 1.* has 7\. "
        ):
            load_mnist(data_home=tmp_path)


@pytest.mark.parametrize("load", [load_mnist, load_fashion_mnist, load_cifar10])
@pytest.mark.parametrize("subset", ["train", "all"])
def test_offline_error_says_what_to_put_where(tmp_path, load, subset):
    with pytest.raises(FileNotFoundError) as error:
        load(data_home=tmp_path, subset=subset)
    message = str(error.value)
    assert f"was not found in {tmp_path}" in message
    assert "URLError: <urlopen error no route to host>" in message
    name = "batch_1" if load is load_cifar10 else "train-images-idx3-ubyte"
    assert name in message
    assert ("t10k-images" in message or "test_batch" in message) == (subset == "all")
    assert "data_home or in the variable SKVAE_DATA_HOME" in message


@pytest.mark.parametrize(
    "options",
    [{"subset": "valid"}, {"return_X_y": "yes"}, {"download_if_missing": None}],
)
def test_parameters_are_checked(options):
    [(name, value)] = options.items()
    error = ValueError if name == "subset" else TypeError
    with pytest.raises(error, match=f"{name!r} parameter of load_mnist.*Got {value!r}"):
        load_mnist(**options)


# ------------------------------------------------------------------- CIFAR-10's form

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

    def test_archive_without_a_batch(self, tmp_path):
        write_cifar(tmp_path, FORMS[1], leave_out=["data_batch_2"])
        with pytest.raises(
            ValueError, match=r"python\.tar\.gz lacks data_batch_2\. Get"
        ):
            load_cifar10(data_home=tmp_path)

    def test_damaged_archive(self, tmp_path):
        write_cifar(tmp_path, FORMS[3])
        path = tmp_path / "cifar-10-binary.tar.gz"
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(
            ValueError, match=r"binary\.tar\.gz is damaged .*Get it again"
        ):
            load_cifar10(data_home=tmp_path, subset="test")

    def test_short_binary_batch(self, tmp_path):
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
    def test_bad_python_batch(self, tmp_path, content):
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

    def test_openml(self, tmp_path, monkeypatch):
        X = np.vstack([X for X, _ in BATCHES.values()]).astype(np.int64)
        y = np.hstack([y for _, y in BATCHES.values()]).astype(str).astype(object)
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: (X, y))
        loaded, _ = load_cifar10(data_home=tmp_path, subset="test", return_X_y=True)
        np.testing.assert_array_equal(loaded, BATCHES["test_batch"][0], strict=True)


# ------------------------------------------------------------------------- real files


@needs_files
@pytest.mark.parametrize(
    ("load", "counts"),
    [
        (load_mnist, [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]),
        (load_fashion_mnist, [7000] * 10),
    ],
)
def test_real_files(load, counts):
    X, y = load(data_home=SHARED, subset="all", return_X_y=True)
    assert (X.shape, X.dtype, y.dtype) == ((70_000, 784), np.uint8, np.int64)
    assert np.bincount(y).tolist() == counts


@needs_files
def test_sets_of_one_form_are_not_taken_for_each_other():
    with pytest.raises(ValueError, match=r"is not the train part of Fashion-MNIST"):
        load_fashion_mnist(data_home=SHARED / "mnist")
