import numpy as np
import pandas as pd
import pytest
import torch
from conftest import small
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skvae import RAE
from skvae.impute import AutoencoderImputer

WINE = load_wine().data
SMALL = small(n_components=2, max_epochs=3)


def gaps(X, share=0.2, seed=0):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def imputer(**parameters):
    defaults = {"estimator": SMALL, "n_importance_samples": 8, "random_state": 0}
    return AutoencoderImputer(**{**defaults, **parameters})


@parametrize_with_checks([AutoencoderImputer(SMALL, n_importance_samples=8)])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_it_is_better_than_the_mean():
    X = gaps(WINE)
    missing = np.isnan(X)
    spread = np.broadcast_to(WINE.std(0), WINE.shape)[missing]

    def error(filled):
        return np.sqrt(np.mean(((filled - WINE)[missing] / spread) ** 2))

    ours = AutoencoderImputer(random_state=0).fit_transform(X)
    assert error(ours) < 0.85 * error(SimpleImputer().fit_transform(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_there_stays_to_the_bit(dtype):
    X = gaps(WINE).astype(dtype)
    filled = imputer().fit_transform(X)
    there = ~np.isnan(X)
    assert filled.dtype == dtype
    assert filled[there].tobytes() == X[there].tobytes()
    assert np.isfinite(filled).all()


def test_columns_are_scaled_by_what_is_there():
    X = gaps(WINE[:, :4])
    unit = np.array([1e-6, 1.0, 1e6, 1.0])
    np.testing.assert_allclose(
        imputer().fit_transform(X * unit), imputer().fit_transform(X) * unit, 1e-4
    )


def test_empty_columns_and_indicators():
    X = gaps(WINE[:, :4])
    X[:, 1], X[:, 3] = np.nan, WINE[:, 3]
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = imputer(add_indicator=True).set_output(transform="pandas").fit(frame)
    out = model.transform(frame)
    names = ["a", "c", "d", "missingindicator_a", "missingindicator_b"]
    assert list(out.columns) == [*names, "missingindicator_c"]
    assert (out["missingindicator_a"] == np.isnan(X[:, 0])).all()
    kept = imputer(keep_empty_features=True).fit(frame)
    assert kept.get_feature_names_out().tolist() == list("abcd")
    assert (kept.transform(frame)[:, 1] == 0).all()
    np.testing.assert_array_equal(
        kept.transform(frame)[:, [0, 2, 3]], out[["a", "c", "d"]]
    )
    with pytest.raises(ValueError, match="all 12 values of X are missing"):
        imputer().fit(np.full((4, 3), np.nan))


def test_values_of_a_column_that_was_empty_are_kept_if_it_is():
    X = gaps(WINE[:, :3])
    X[:, 1] = np.nan
    model = imputer(keep_empty_features=True).fit(X)
    X[0, 1] = 7.0
    assert model.transform(X)[0, 1] == 7


def test_draws_differ_from_call_to_call_and_are_decided_by_random_state():
    X = gaps(WINE)
    a, b = (imputer(sample_posterior=True).fit(X) for _ in range(2))
    first, second = a.transform(X), a.transform(X)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, b.transform(X))
    assert np.array_equal(second, b.transform(X))
    mean = imputer().fit(X)
    assert np.array_equal(mean.transform(X), mean.transform(X))
    missing = np.isnan(X)
    assert first[missing].std() > 0


def test_a_failed_fit_changes_nothing():
    X = gaps(WINE)
    model = imputer().fit(X)
    before = model.transform(X)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.full((50, 13), np.inf))
    assert np.array_equal(model.transform(X), before)


def test_the_autoencoder_may_be_another():
    X = gaps(WINE)
    model = imputer(estimator=RAE(2, max_epochs=2))
    assert np.isfinite(model.fit_transform(X)).all()
    assert model.estimator.random_state is None
    seeded = imputer(estimator=clone(SMALL).set_params(random_state=5)).fit(X)
    assert seeded.estimator_.random_state == 5
    with pytest.raises(TypeError, match=r"'estimator'.*with `impute`"):
        imputer(estimator=LogisticRegression()).fit(X)
    with pytest.raises(TypeError, match="sample_posterior"):
        imputer(sample_posterior="yes").fit(X)
    with pytest.raises(ValueError, match="n_importance_samples"):
        imputer(n_importance_samples=0).fit(X)


def test_it_stands_in_a_pipeline():
    data = load_wine()
    model = make_pipeline(imputer(), LogisticRegression(max_iter=5000))
    assert model.fit(gaps(data.data), data.target).score(data.data, data.target) > 0.8


def test_the_default_is_small():
    model = AutoencoderImputer(random_state=0)
    model.fit(gaps(np.random.default_rng(0).normal(size=(30, 3))))
    assert model.estimator_.n_components == 1
    assert model.estimator_.latent_density_.n_components == 1
    assert isinstance(clone(model), AutoencoderImputer)


def test_a_deterministic_encoder_cannot_draw():
    model = imputer(estimator=RAE(2, max_epochs=1), sample_posterior=True)
    with pytest.raises(ValueError, match=r"sample_posterior=True.*RAE is a point"):
        model.fit(gaps(WINE))


def test_tensors_and_lists_are_read():
    X = gaps(WINE[:40])
    filled = imputer().fit_transform(X)
    tensor = torch.tensor(X, requires_grad=True)
    assert np.array_equal(imputer().fit_transform(tensor), filled)
    lists = [[None if np.isnan(x) else x for x in row] for row in X]
    assert np.array_equal(imputer().fit_transform(lists), filled)


def test_a_generator_gives_other_fits_each_time():
    X = gaps(WINE)
    estimator = clone(SMALL).set_params(random_state=None)
    model = imputer(estimator=estimator, random_state=np.random.RandomState(0))
    first, second = model.fit_transform(X), model.fit_transform(X)
    assert not np.array_equal(first, second)
