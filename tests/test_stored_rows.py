"""Rows in files are read as the array in memory would be."""

import numpy as np
import pytest
from conftest import (
    ESTIMATORS,
    VARIANTS,
    assert_same,
    describe,
    has_score,
    make_data,
    outputs,
    score_samples,
    small,
)
from stored_rows import ARRAYS, SOURCES, TABLES

from skvae import VAE
from skvae._utils import sources
from skvae._utils.stores import as_stored
from skvae.densities import ClassConditionalDensity
from skvae.networks import MLP, ConvNet

X = make_data(120)
LONG = make_data(4500)
MODELS = [(cls, kw) for cls in ESTIMATORS for kw in VARIANTS.get(cls.__name__, [{}])]
pytestmark = pytest.mark.filterwarnings("ignore:X is stored in chunks")


def with_gaps(X, rows):
    X = X.copy()
    X[rows, 1] = np.nan
    return X


def reads(model, X):
    """Return what all methods say of rows."""
    found = {"transform": model.transform(X), "reconstruct": model.reconstruct(X)}
    if has_score(model):
        found["score"] = score_samples(model, X, 4)
    if hasattr(model, "impute"):
        found["impute"] = model.impute(X)
    return found


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_all_rows_are_those_of_the_array(source, dtype, tmp_path, small_blocks):
    rows = (X * 255).astype(dtype)
    stored = as_stored(source(rows, tmp_path))
    assert stored.shape == rows.shape
    assert len(stored) == len(rows)
    assert len(stored.edges) > 2
    np.testing.assert_array_equal(np.asarray(stored), rows)
    np.testing.assert_array_equal(np.concatenate(list(stored.blocks())), rows)


INDICES = {
    "slice": slice(20, 90),
    "empty": slice(5, 5),
    "steps": slice(3, 110, 7),
    "backwards": slice(100, 2, -9),
    "numbers": np.array([119, 0, 3, 3, 60]),
    "from the end": np.array([-1, -120]),
    "mask": np.arange(120) % 3 == 0,
    "one": 7,
    "rows and columns": (slice(10, 20), [0, 3]),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_indices_are_those_of_an_array(source, index, tmp_path, small_blocks):
    stored = as_stored(source(X, tmp_path))
    np.testing.assert_array_equal(stored[index], X[index])
    stored.kept["some"] = np.arange(0, 120, 7) + 3, X[3::7]
    np.testing.assert_array_equal(stored[index], X[index])


def test_columns_stay_where_they_are(tmp_path, small_blocks):
    stored = as_stored(ARRAYS["zarr"](X, tmp_path))
    columns = stored[:, [4, 1]]
    assert sources.is_stored(columns)
    np.testing.assert_array_equal(columns, X[:, [4, 1]])
    np.testing.assert_array_equal(columns[::9], X[::9, [4, 1]])
    np.testing.assert_array_equal(sources.every(stored, 7), X[::7])


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_few_stored_rows_give_the_fit_of_the_array(source, tmp_path):
    rows = source(X, tmp_path)
    assert_same(outputs(small().fit(rows), rows), outputs(small().fit(X), X))


@pytest.mark.parametrize(("cls", "options"), MODELS, ids=describe)
@pytest.mark.parametrize("gaps", [None, slice(0, 9), slice(4000, 4009)])
def test_methods_give_the_same_bits_in_parts(
    cls, options, gaps, tmp_path, small_blocks
):
    rows = LONG if gaps is None else with_gaps(LONG, gaps)
    model = small(cls, **options).fit(X)
    stored = ARRAYS["hdf5"](rows, tmp_path)
    assert_same(reads(model, stored), reads(model, rows))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_methods_give_the_same_bits_from_all_sources(source, tmp_path, small_blocks):
    model = small().fit(X)
    rows = source(LONG, tmp_path)
    assert_same(reads(model, rows), reads(model, LONG))


def test_scores_given_classes_are_those_of_the_array(tmp_path, small_blocks):
    y = np.arange(len(LONG)) % 3
    density = ClassConditionalDensity()
    model = small(latent_density=density).fit(X, y[: len(X)])
    stored = ARRAYS["dask"](LONG, tmp_path)
    np.testing.assert_array_equal(
        model.score_samples(stored, y, n_importance_samples=4),
        model.score_samples(LONG, y, n_importance_samples=4),
    )


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_fits_to_any_source_are_as_good(source, tmp_path, small_blocks):
    rows, options = source(LONG, tmp_path), {"max_epochs": 4, "batch_size": 128}
    model = small(**options).fit(rows)
    exact = small(**options).fit(LONG)
    assert model.score(LONG[:500]) == pytest.approx(exact.score(LONG[:500]), abs=0.5)
    assert model.n_features_in_ == 5
    assert len(model.history_["validation_loss"]) == model.n_epochs_
    again = small(**options).fit(rows)
    assert_same(outputs(again, X), outputs(model, X))


@pytest.mark.parametrize(("cls", "options"), MODELS, ids=describe)
def test_all_estimators_are_fitted_to_stored_rows(cls, options, tmp_path, small_blocks):
    stored = ARRAYS["hdf5 in chunks"](with_gaps(LONG[:1000], slice(3)), tmp_path)
    model = small(cls, **options).fit(stored)
    found = reads(model, X)
    assert all(np.isfinite(values).all() for values in found.values())
    model.partial_fit(stored)
    assert model.n_epochs_ > 1


@pytest.mark.parametrize("source", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("is_small", [True, False])
def test_names_of_columns_are_kept(source, is_small, tmp_path, request):
    if not is_small:
        request.getfixturevalue("small_blocks")
    rows = source(X, tmp_path)
    model = small().fit(rows)
    names = [f"column {j}" for j in range(5)]
    assert model.feature_names_in_.tolist() == names
    model.transform(rows)  # without a warning


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("source", ["hdf5", "hdf5 in chunks", "zarr", "memory-mapped"])
def test_images_are_read_from_files(source, dtype, tmp_path, small_blocks):
    images = (make_data(3000, 75) * 255).astype(dtype).reshape(-1, 3, 5, 5)
    network = ConvNet(channels=(2,), hidden_layer_sizes=())
    stored = ARRAYS[source](images, tmp_path)
    model = small(network=network, max_epochs=1).fit(stored)
    assert model.image_shape_ == (3, 5, 5)
    assert model.sample(2).shape == (2, 3, 5, 5)
    assert_same(reads(model, stored), reads(model, images))
    other = images.reshape(-1, 1, 15, 5)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="images of shape"):
        model.transform(ARRAYS[source](other, tmp_path / "other"))


def test_float64_far_from_0_has_a_frame_of_its_own(tmp_path, small_blocks):
    rows = LONG.astype(np.float64) + 1e6
    stored = ARRAYS["hdf5"](rows, tmp_path)
    model = small(max_epochs=2).fit(stored)
    assert not model.module_.frame.is_plain
    assert model.reconstruct(stored).dtype == np.float64
    assert np.abs(model.reconstruct(stored) - rows).mean() < 1


def test_labels_go_with_stored_rows(tmp_path, small_blocks):
    y = (LONG[:, 0] > 0.5).astype(int)
    model = small(latent_density=ClassConditionalDensity())
    model.fit(ARRAYS["memory-mapped"](LONG, tmp_path), y)
    assert model.classes_.tolist() == [0, 1]
    assert model.sample(2, y=1).shape == (2, 5)


@pytest.mark.parametrize("density", [None, ClassConditionalDensity(), "mixture"])
def test_latent_densities_are_those_of_the_array(density, tmp_path, small_blocks):
    if density == "mixture":
        from sklearn.mixture import GaussianMixture

        density = GaussianMixture(2)
    y = np.arange(len(LONG)) % 2
    stored = ARRAYS["zarr"](LONG, tmp_path)
    model = small().fit(X)
    model.set_params(latent_density=density)
    one = model.fit_latent_density(stored, y).sample(9, random_state=0)
    other = model.fit_latent_density(LONG, y).sample(9, random_state=0)
    np.testing.assert_array_equal(one, other)


def test_rows_to_validate_on_may_be_stored(tmp_path, small_blocks):
    stored = ARRAYS["hdf5"](LONG, tmp_path)
    with_array = small(early_stopping=True).fit(X, X_val=LONG)
    with_stored = small(early_stopping=True).fit(X, X_val=stored)
    np.testing.assert_allclose(
        with_stored.history_["validation_loss"][:1],
        with_array.history_["validation_loss"][:1],
        rtol=0.02,
    )
    wrong = with_gaps(LONG, 7)
    wrong[5, 2] = np.inf
    (tmp_path / "wrong").mkdir()
    with pytest.raises(ValueError, match="In X_val: X must not contain infinity"):
        small(early_stopping=True).fit(
            X, X_val=ARRAYS["hdf5"](wrong, tmp_path / "wrong")
        )


def test_codes_of_an_mlp_of_images_in_memory_equal_those_stored(tmp_path):
    """Where rows are wide, blocks of inference have fewer rows."""
    rows = make_data(300, 70_000)
    model = VAE(2, network=MLP((2,)), max_epochs=1, random_state=0).fit(rows[:20])
    stored = ARRAYS["memory-mapped"](rows, tmp_path)
    assert sources.is_stored(as_stored(stored))
    np.testing.assert_array_equal(model.transform(stored), model.transform(rows))
