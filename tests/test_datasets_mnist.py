"""MNIST from files in its published form, written here, or from OpenML."""

import dataclasses
import gzip
import re
from hashlib import sha256

import numpy as np
import pytest
import sklearn.datasets
from dataset_files import idx_bytes, random_rows

from skvae.datasets import load_mnist, mnist

pytestmark = pytest.mark.usefixtures("offline")

PREFIXES = {"train": "train", "test": "t10k"}
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

    def test_bunch_has_rows_images_and_labels(self, tmp_path):
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
