"""Containers that are taken, and those that are refused with what to do instead."""

import collections
import datetime
import pathlib

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from conftest import make_data, small
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from skvae.metrics import frechet_distance
from skvae.networks import ConvNet, CustomNetwork

ROWS = make_data(24, 36)
TENSOR = torch.tensor(ROWS)
PICTURES = (255 * ROWS).astype(np.uint8).reshape(-1, 6, 6)


class Endless(Dataset):
    """A data set that never says that it ends."""

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return torch.rand(3, 9, 7), 0


class Duck:
    """The same, which no class gives away."""

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return np.zeros(4)


class Endlessly(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(4)


class FileArray:
    """As h5py's data sets are, but not to be read."""

    shape, dtype, ndim, chunks = (24, 36), np.dtype("f4"), 2, None

    def __len__(self):
        return 24

    def __getitem__(self, rows):
        raise AssertionError("must not be read")

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("must not be read")


class ForeignTensor:
    """As TensorFlow's tensors are: neither `reshape` nor a NumPy shape."""

    def __init__(self, values):
        self.values, self.ndim = values, values.ndim
        self.shape = collections.UserList(values.shape)
        self.dtype = "<dtype: 'float32'>"

    def __len__(self):
        return len(self.values)

    def __getitem__(self, i):
        return ForeignTensor(self.values[i])

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def numpy(self):
        return self.values


REFUSED = {
    "endless Dataset": (Endless(), r"type Endless.*X\[i\]\[0\].*range\(len\(X\)\)"),
    "endless sequence": (Duck(), r"type Duck.*np\.stack\(\[X\[i\] for i"),
    "IterableDataset": (Endlessly(), r"type Endlessly"),
    "TensorDataset": (TensorDataset(TENSOR), r"type TensorDataset.*X\[i\]\[0\]"),
    "DataLoader": (
        DataLoader(TensorDataset(TENSOR)),
        r"torch\.cat.*or call partial_fit",
    ),
    "LazyFrame": (polars.DataFrame(ROWS).lazy(), r"LazyFrame.*X\.collect\(\)"),
    "generator": ((row for row in ROWS), r"generator.*np\.stack\(list\(X\)\)"),
    "dict": ({"a": ROWS}, r"dict.*X\['a'\], or pandas\.DataFrame"),
    "Bunch": (load_digits(), r"Bunch.*X\['data'\]"),
    "records": ([{"a": 1.0}, {"a": 2.0}], r"dict.*pandas\.DataFrame"),
    "path": ("data.csv", r"'data\.csv'.*Load the file"),
    "Path": (pathlib.Path("data.csv"), r"data\.csv.*Load the file"),
    "paths": (["a.png", "b.png"], r"'a\.png'.*Load the file"),
    "array of paths": (np.array(["a.png", "b.png"]), r"'a\.png'.*Load the file"),
    "column of paths": (pd.Series(["a.png", "b.png"]), r"'a\.png'.*Load the file"),
    "X and y": ((ROWS, np.zeros(24)), r"one shape, but .*of a pair \(X, y\) pass X"),
    "dates": (ROWS.astype("datetime64[s]"), r"datetime64.*astype\('int64'\)"),
    "frame with dates": (
        pd.DataFrame({"a": [1.0, 2.0], "t": [datetime.datetime(2020, 1, 1)] * 2}),
        r"X\['t'\] holds datetime64.*X\['t'\]\.astype.*astype\('int64'\)",
    ),
    "polars with dates": (
        polars.DataFrame({"a": [1.0, 2.0], "t": [datetime.date(2020, 1, 1)] * 2}),
        r"X\['t'\] holds Date.*X\['t'\]\.to_physical\(\)",
    ),
    "frame with durations": (
        pd.DataFrame({"t": [datetime.timedelta(1)] * 2}),
        r"astype\('timedelta64\[s\]'\)",
    ),
    "polars with durations": (
        polars.DataFrame({"t": [datetime.timedelta(1)] * 2}),
        r"X\['t'\] holds Duration.*X\['t'\]\.to_physical\(\)",
    ),
    "two columns of one name": (
        pd.DataFrame(ROWS[:, :3], columns=["a", "b", "a"]),
        r"has 2 named 'a'\. Rename",
    ),
    "fields": (np.zeros(9, dtype=[("a", "f4"), ("b", "f4")]), r"fields \('a', 'b'\)"),
    "masked dates": (
        np.ma.array(np.zeros((4, 2), "datetime64[s]"), mask=np.eye(4, 2)),
        r"\d+ masked values.*Impute",
    ),
    "pictures of two sizes": (
        [Image.fromarray(PICTURES[0]), Image.fromarray(PICTURES[0, :4])],
        r"one shape, but there are \(4, 6\) and \(6, 6\)",
    ),
    "colour pictures": (
        [Image.fromarray(PICTURES[0]).resize((9, 9)).convert("RGB")] * 4,
        r"\(4, 9, 9, 3\), whose channels seem to be last.*np\.stack\(X\)",
    ),
    "palettes": (
        [Image.fromarray(PICTURES[0]).convert("P")] * 4,
        r"palette.*convert\('L'\)",
    ),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score"])
@pytest.mark.parametrize(("rows", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_array_is_refused_with_a_remedy(rows, message, method, fitted):
    model = small() if "fit" in method else fitted
    with pytest.raises((TypeError, ValueError), match=f"(?s){message}"):
        getattr(model, method)(rows)


@pytest.mark.parametrize("rows", [Endless(), Duck(), DataLoader(TensorDataset(TENSOR))])
def test_metrics_and_codes_refuse_it_too(rows, fitted):
    with pytest.raises(TypeError, match="X_real must be an array"):
        frechet_distance(rows, ROWS)
    with pytest.raises(TypeError, match="X must be an array"):
        fitted.inverse_transform(rows)


def test_metrics_and_codes_refuse_rows_in_files_unread(fitted):
    remedy = r"in memory here.*FileArray.*np\.asarray\({}\) if it fits"
    with pytest.raises(TypeError, match=remedy.format("X_real")):
        frechet_distance(FileArray(), ROWS)
    with pytest.raises(TypeError, match=remedy.format("X")):
        fitted.inverse_transform(FileArray())


TAKEN = {
    "tensors": list(TENSOR),
    "tensors with gradients": [row.clone().requires_grad_() for row in TENSOR],
    "nested tensors": [list(row) for row in TENSOR[:, :, None].squeeze(-1)],
    "arrays": tuple(ROWS),
    "array of arrays": pd.Series(list(ROWS)),
    "foreign tensor": ForeignTensor(ROWS),
    "foreign tensors": [ForeignTensor(row) for row in ROWS],
    "memory": memoryview(ROWS),
    "nothing masked": np.ma.masked_array(ROWS),
    "half a float": TENSOR.bfloat16(),
}


@pytest.mark.parametrize("X", TAKEN.values(), ids=TAKEN)
def test_other_arrays_are_rows_like_any(X):
    rows = ROWS if X is not TAKEN["half a float"] else X.float().numpy()
    expected = small().fit(rows).transform(rows)
    np.testing.assert_array_equal(small().fit(X).transform(X), expected)


@pytest.mark.parametrize(
    "X",
    [
        [Image.fromarray(picture) for picture in PICTURES],
        list(torch.tensor(PICTURES)),
        ForeignTensor(PICTURES),
    ],
    ids=["pictures", "tensors", "foreign"],
)
def test_lists_of_pictures_are_images(X):
    model = small().fit(X)
    assert model.image_shape_ == (1, 6, 6)
    np.testing.assert_array_equal(model.transform(X), model.transform(PICTURES))


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5, 8, 13, 200])
@pytest.mark.parametrize("network", ["mlp", ConvNet(channels=(2,))])
def test_square_images_with_channels_last_are_refused(n_channels, network):
    X = np.zeros((4, 12, 12, n_channels), dtype=np.float32)
    with pytest.raises(ValueError, match=r"channels seem to be last.*0, 3, 1, 2"):
        small(network=network).fit(X)


@pytest.mark.parametrize("shape", [(12, 10, 8), (9, 7, 2), (64, 48, 13)])
def test_images_whose_last_side_is_the_shortest_are_refused(shape):
    with pytest.raises(ValueError, match="channels seem to be last"):
        small().fit(np.zeros((4, *shape), dtype=np.float32))


@pytest.mark.parametrize(
    "shape",
    [(1, 5, 5), (3, 6, 5), (2, 3, 7), (5, 5, 5), (1, 1, 9), (3, 7, 1), (9, 6, 6)],
)
def test_channels_first_are_taken(shape):
    X = np.random.default_rng(0).random((6, *shape), dtype=np.float32)
    assert small(max_epochs=1).fit(X).image_shape_ == shape


@pytest.mark.parametrize("network", [ConvNet(channels=(2,)), CustomNetwork()])
def test_image_shape_that_seems_to_have_channels_last_warns(network):
    def module(n_in, n_out):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_in, n_out))

    if isinstance(network, CustomNetwork):
        network.set_params(encoder=module, decoder=torch.nn.Linear)
    network.set_params(image_shape=(6, 6, 3))
    X = make_data(20, 108)
    with pytest.warns(UserWarning, match="read as 6 channels of 6 x 3 pixels"):
        small(network=network, max_epochs=1).fit(X)
