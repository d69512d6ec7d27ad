"""A model that has been saved without pickle says the same as before."""

import pickle

import numpy as np
import pytest
from coded_models import model_and_rows
from conftest import (
    ESTIMATORS,
    assert_same,
    describe,
    has_score,
    outputs,
    score_samples,
    small,
    small_variants,
)
from labelled_models import X as ROWS
from labelled_models import Y as LABELS
from labelled_models import small_labelled_estimators
from mixed_frames import FAMILIES, FAMILY_IDS, LIBRARIES, assert_equal, make_frame
from saved_models import through_file
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from supports import taken_by

import skvae
from skvae.impute import AutoencoderImputer
from skvae.networks import ConvNet
from skvae.outliers import DensityOutlierDetector


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_loaded_model_says_the_same(variant, X, path):
    X = taken_by(variant, X)
    before = outputs(variant.fit(X), X)
    loaded = through_file(variant, path)
    assert_same(outputs(loaded, X), before)
    assert_same(outputs(variant, X), before)
    assert repr(loaded) == repr(variant)


@pytest.mark.parametrize("variant", small_labelled_estimators(), ids=describe)
def test_model_of_classes_says_the_same(variant, path):
    variant.fit(ROWS, LABELS)
    loaded = through_file(variant, path)
    assert_same(outputs(loaded, ROWS), outputs(variant, ROWS))
    for label in np.unique(LABELS):
        drawn = [m.sample(5, y=label, random_state=1) for m in (loaded, variant)]
        np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("cls", "options"), FAMILIES, ids=FAMILY_IDS)
def test_model_of_a_table_says_the_same(cls, options, library, path):
    frame = LIBRARIES[library](make_frame())
    model = small(cls, **options).fit(frame)
    loaded = through_file(model, path)
    np.testing.assert_array_equal(loaded.transform(frame), model.transform(frame))
    if has_score(model):
        scores = [score_samples(m, frame, 4) for m in (loaded, model)]
        np.testing.assert_array_equal(*scores)
    for call in (
        lambda m: m.sample(7, random_state=3),
        lambda m: m.reconstruct(frame),
        lambda m: m.impute(frame),
    ):
        assert_equal(call(loaded), call(model))


def test_array_of_categories_says_the_same(path):
    X = make_frame()[["age", "city"]].to_numpy(dtype=object)
    model = small(categorical_features=[1]).fit(X)
    loaded = through_file(model, path)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    drawn = [m.sample(9, random_state=0) for m in (loaded, model)]
    np.testing.assert_array_equal(*drawn)
    assert drawn[0].dtype == drawn[1].dtype


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8)])
def test_model_of_images_says_the_same(shape, path):
    X = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    network = ConvNet(channels=(2, 3), hidden_layer_sizes=(5,), normalization="batch")
    model = small(network=network).fit(X)
    loaded = through_file(model, path)
    assert_same(outputs(loaded, X), outputs(model, X))
    assert loaded.image_shape_ == model.image_shape_
    strides = [p.stride() for p in model.module_.parameters()]
    assert [p.stride() for p in loaded.module_.parameters()] == strides


def test_model_of_rows_with_gaps_says_the_same(X, path):
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    model = small().fit(X)
    loaded = through_file(model, path)
    assert_same(outputs(loaded, X), outputs(model, X))
    filled = [m.impute(X) for m in (loaded, model)]
    np.testing.assert_array_equal(*filled)


@pytest.mark.parametrize(
    "density",
    [
        KernelDensity(algorithm="ball_tree", kernel="tophat", leaf_size=5),
        KernelDensity(kernel="linear", metric="manhattan"),
        KernelDensity(metric="minkowski", metric_params={"p": 3}),
        GaussianMixture(3, covariance_type="tied", random_state=np.int64(3)),
    ],
)
def test_densities_of_sklearn_say_the_same(density, X, path):
    model = small(latent_density=density).fit(X)
    loaded = through_file(model, path).latent_density_
    Z = model.transform(X) * 0.5
    found = loaded.score_samples(Z)
    np.testing.assert_array_equal(found, model.latent_density_.score_samples(Z))
    if isinstance(density, KernelDensity):
        arrays = [d.tree_.get_arrays() for d in (loaded, model.latent_density_)]
        assert all(map(np.array_equal, *arrays))


def test_stream_goes_on_as_after_unpickling(X, path):
    model = small(latent_density=GaussianMixture(2))
    for chunk in np.array_split(X, 2):
        model.partial_fit(chunk)
    unpickled, loaded = pickle.loads(pickle.dumps(model)), through_file(model, path)
    assert loaded._density is not None
    assert loaded._sample.rows is None
    assert_same(outputs(loaded, X), outputs(model, X))
    for twin in (unpickled, loaded):
        twin.partial_fit(X[::2])
    assert loaded.n_epochs_ == 3
    assert_same(outputs(loaded, X), outputs(unpickled, X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fit_goes_on_as_after_unpickling(cls, X, path):
    model = small(cls, warm_start=True).fit(X)
    unpickled, loaded = pickle.loads(pickle.dumps(model)), through_file(model, path)
    assert_same(outputs(loaded.fit(X), X), outputs(unpickled.fit(X), X))
    assert loaded.n_epochs_ == 6


def test_unfitted_model_stays_unfitted(X, path):
    loaded = through_file(small(latent_density=GaussianMixture(2)), path)
    assert not hasattr(loaded, "module_")
    expected = small(latent_density=GaussianMixture(2)).fit(X)
    assert_same(outputs(loaded.fit(X), X), outputs(expected, X))


def test_fitted_attributes_are_kept(path):
    frame = make_frame()[["age", "spent"]]
    model = small(early_stopping=True).fit(frame)
    loaded = through_file(model, path)
    names = {name for name in vars(model) if name.endswith("_")} - {"module_"}
    assert "history_" in names
    assert names | {"module_"} == {name for name in vars(loaded) if name.endswith("_")}
    for name in names - {"history_"}:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
        assert type(getattr(loaded, name)) is type(getattr(model, name))
    assert_same(loaded.history_, model.history_)


def test_generator_of_the_caller_is_kept(X, path):
    loaded = through_file(small(random_state=np.random.RandomState(5)), path)
    expected = small(random_state=np.random.RandomState(5))
    assert_same(outputs(loaded.fit(X), X), outputs(expected.fit(X), X))


def test_estimator_of_an_imputer_can_be_saved(X, path):
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    imputer = AutoencoderImputer(small()).fit(X)
    imputer.estimator_.save(path)
    assert_same(outputs(skvae.load(path), X), outputs(imputer.estimator_, X))


def test_estimator_of_a_detector_can_be_saved(X, path):
    detector = DensityOutlierDetector(small(), random_state=0).fit(X)
    model = detector.estimators_[0]
    model.save(path)
    assert_same(outputs(skvae.load(path), X), outputs(model, X))


@pytest.mark.parametrize("name", ["bits", "levels, two stages"])
def test_loaded_model_reads_messages(name, path):
    pytest.importorskip("constriction")
    compression = pytest.importorskip("skvae.compression")
    model, rows = model_and_rows(name)
    message = compression.compress(model, rows[:50])
    found = compression.decompress(through_file(model, path), message)
    np.testing.assert_array_equal(found, rows[:50], strict=True)
