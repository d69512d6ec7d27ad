"""What the loaders of all published images share, and the real files."""

from pathlib import Path

import numpy as np
import pytest

from skvae.datasets import load_cifar10, load_fashion_mnist, load_mnist

pytestmark = pytest.mark.usefixtures("offline")

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_files = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")


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


@needs_files
@pytest.mark.parametrize(
    ("load", "counts"),
    [
        (load_mnist, [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]),
        (load_fashion_mnist, [7000] * 10),
    ],
)
def test_real_files_have_as_many_images_of_each_class_as_published(load, counts):
    X, y = load(data_home=SHARED, subset="all", return_X_y=True)
    assert (X.shape, X.dtype, y.dtype) == ((70_000, 784), np.uint8, np.int64)
    assert np.bincount(y).tolist() == counts


@needs_files
def test_sets_of_one_form_are_not_taken_for_each_other():
    with pytest.raises(ValueError, match=r"is not the train part of Fashion-MNIST"):
        load_fashion_mnist(data_home=SHARED / "mnist")
