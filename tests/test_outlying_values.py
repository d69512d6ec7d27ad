"""Values far from all others are drawn in before training, and said."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._training.outliers import without_outliers
from skvae.likelihoods import (
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
)
from skvae.networks import MLP

GAUSSIAN = GaussianLikelihood()


def rows(seed=0, n=700):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5))
    return X + 0.3 * rng.normal(size=X.shape)


def spoilt(X, value, row=7, column=2):
    X = X.copy()
    X[row, column] = value
    return X


@pytest.mark.parametrize(
    "load", [load_wine, load_digits, load_breast_cancer, load_diabetes]
)
def test_ordinary_data_stay_as_they_are(load):
    X = load().data
    assert without_outliers(X, GAUSSIAN) is X


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_are_no_outliers(seed):
    rng = np.random.default_rng(seed)
    for X in (rng.exponential(size=(500, 5)), rng.lognormal(size=(500, 5))):
        assert without_outliers(X, GAUSSIAN) is X


def test_rare_values_are_no_outliers():
    X = np.zeros((500, 3))
    X[:, 0], X[7, 1] = np.random.default_rng(0).random(500), 1.0
    X[:20, 2] = 0.01  # more than a hundredth of the rows
    X[30, 2] = 1.0
    assert without_outliers(X, GAUSSIAN) is X
    with pytest.warns(UserWarning, match="Column 1 "):
        without_outliers(spoilt(X, -9999, column=1), GAUSSIAN)


@pytest.mark.parametrize("share", [0.001, 0.005, 0.009])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_events_in_less_than_a_hundredth_of_the_rows_are_kept(share, dtype):
    X = (200 * (np.random.default_rng(0).random((1000, 5)) < share)).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also those of NumPy
        assert without_outliers(X, GAUSSIAN) is X


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_rare_events_have_a_unit_of_their_own(unit):
    X = np.random.default_rng(0).normal(size=(1000, 3))
    X[:, 0] = 0
    X[10:18, 0] = unit * np.arange(1, 9)
    assert without_outliers(X, GAUSSIAN) is X
    with pytest.warns(UserWarning, match="Column 0 .* in row 30, "):
        drawn_in = without_outliers(spoilt(X, 1200 * max(unit, 1), 30, 0), GAUSSIAN)
    assert drawn_in[30, 0] <= 7 * max(unit, 1)  # two are left out


@pytest.mark.parametrize("share", [0.02, 0.05, 0.4])
@pytest.mark.parametrize("value", [-9999.0, 1e10])
def test_codes_of_missing_values_in_many_rows_are_said(share, value):
    X = rows(n=500)
    X[: int(500 * share), 2] = value
    message = re.escape(f"the value {value:.6g} in {share:.0%} of the rows")
    with pytest.warns(UserWarning, match=f"Column 2 of X has {message}.*put NaN"):
        assert without_outliers(X, GAUSSIAN) is X
    frame = pd.DataFrame(X, columns=[*"abcde"])
    for likelihood in ("auto", "gaussian"):
        with pytest.warns(UserWarning, match="Column 'c' of X"):
            VAE(2, likelihood=likelihood, max_epochs=1).fit(frame)


@pytest.mark.parametrize("seed", range(5))
def test_repeated_values_are_no_codes(seed):
    rng = np.random.default_rng(seed)
    shape = (1000, 4)
    is_zero = rng.random(shape) < rng.choice([0.02, 0.05, 0.3, 0.6])
    inflated = np.where(is_zero, 0, rng.lognormal(5, 0.5, shape))
    events = np.where(is_zero, 1.0, 0.0)
    clipped = np.clip(rng.normal(size=shape), -1, 1)
    counts = rng.poisson(3, shape), rng.poisson(0.1, shape)
    for X in (inflated, events, clipped, *counts):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert without_outliers(X, GAUSSIAN) is X


def test_outliers_are_found_among_many_rows():
    X = rows(n=20_000)
    with pytest.warns(UserWarning, match="in row 7,"):
        without_outliers(spoilt(X, -9999), GAUSSIAN)


def test_a_hundredth_of_the_rows_may_be_outliers():
    X = rows(n=500)
    X[:5, 2] = -9999
    with pytest.warns(UserWarning, match="in row 0,"):
        assert without_outliers(X, GAUSSIAN).min() > -100


@pytest.mark.parametrize("value", [50.0, -9999.0, 1e30, -1e30])
@pytest.mark.parametrize("row", [0, 7, 499])
def test_one_value_is_drawn_in_and_all_others_are_kept(value, row):
    X = rows(n=500)
    with pytest.warns(UserWarning, match=rf"Column 2 of X .* in row {row}, "):
        drawn_in = without_outliers(spoilt(X, value, row), GAUSSIAN)
    deviations = np.abs(X[:, 2] - np.median(X[:, 2]))
    reach = np.sort(deviations)[-8]  # of 500, the highest hundredth and two more
    moved = drawn_in[row, 2] - np.median(spoilt(X, value, row)[:, 2])
    assert np.sign(moved) == np.sign(value)
    assert abs(moved) == pytest.approx(reach, rel=0.05)
    drawn_in[row, 2] = X[row, 2]
    np.testing.assert_array_equal(drawn_in, X)


def test_values_up_to_ten_reaches_are_kept():
    X = rows(n=500)
    median = np.median(X[:, 2])
    reach = np.sort(np.abs(X[:, 2] - median))[-8]
    near = spoilt(X, median + 9 * reach)
    assert without_outliers(near, GAUSSIAN) is near
    with pytest.warns(UserWarning, match="99% of the values"):
        without_outliers(spoilt(X, median + 11 * reach), GAUSSIAN)


def test_warning_names_the_farthest_value_and_the_remedy():
    X = spoilt(spoilt(rows(n=500), 1e3, 3, 1), -9999, 12, 4)
    frame = pd.DataFrame(X, columns=[*"abcde"])
    message = r"Column 'e' of X has the value -9999 in row 12, .*put NaN"
    with pytest.warns(UserWarning, match=message):
        VAE(2, likelihood="gaussian", max_epochs=1).fit(frame)


def test_outliers_are_found_in_columns_of_any_unit():
    X = rows(n=500) * [1e-6, 1.0, 1e3, 1e6, 1e9]
    for column in range(5):
        value = 40 * X[:, column].std()
        with pytest.warns(UserWarning, match=f"Column {column} of X"):
            without_outliers(spoilt(X, value, column=column), GAUSSIAN)


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.float32])
def test_type_of_the_rows_is_kept(dtype):
    X = np.round(10 * rows(n=500)).astype(dtype)
    with pytest.warns(UserWarning, match="Column 2 "):
        drawn_in = without_outliers(spoilt(X, -9999), GAUSSIAN)
    assert drawn_in.dtype == dtype
    assert -1000 < drawn_in[7, 2] < np.median(X[:, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_refused_later_are_not_hidden(value):
    X = spoilt(rows(n=500), value)
    assert without_outliers(X, GAUSSIAN) is X


def test_likelihoods_of_bounded_data_keep_theirs():
    X = spoilt(np.full((500, 5), 0.0) + np.linspace(0, 0.01, 500)[:, None], 1.0)
    for cls in (ContinuousBernoulliLikelihood, DiscretizedLogisticLikelihood):
        assert without_outliers(X, cls()) is X
    with pytest.warns(UserWarning, match="Column "):
        without_outliers(X, GAUSSIAN)


def test_few_rows_have_no_outliers():
    X = spoilt(rows(n=19), 1e6)
    assert without_outliers(X, GAUSSIAN) is X


@pytest.mark.filterwarnings("ignore:Column 2 of X")
def test_memory_mapped_rows_give_the_same_fit(tmp_path):
    X = spoilt(rows(n=300), -9999)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    options = {"network": MLP((8,)), "max_epochs": 2, "random_state": 0}
    one, other = (RAE(2, **options).fit(rows) for rows in (X, mapped))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    np.testing.assert_array_equal(*(m.latent_density_.means_ for m in (one, other)))


@pytest.mark.filterwarnings("ignore:Column 2 of X")
def test_fit_is_that_of_the_rows_drawn_in():
    X = spoilt(rows(n=300), -9999)
    options = {"network": MLP((8,)), "max_epochs": 2, "random_state": 0}
    one = RAE(2, **options).fit(X)
    other = RAE(2, **options).fit(without_outliers(X, GAUSSIAN))
    for name, value in one.module_.state_dict().items():
        assert torch.equal(value, other.module_.state_dict()[name])
    np.testing.assert_array_equal(
        one.latent_density_.means_, other.latent_density_.means_
    )
    np.testing.assert_array_equal(one.kl_per_component_, other.kl_per_component_)


def test_ordinary_fits_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Posterior collapse")
        VAE(2, network=MLP((8,)), max_epochs=2, random_state=0).fit(rows())


def small(cls, seed, **options):
    options |= {"network": MLP((64,)), "max_epochs": 40, "random_state": seed}
    if cls is TwoStageVAE:
        network = MLP((64,), skip=False)
        options["second_stage"] = VAE(2, network=network, kl_warmup=0, max_epochs=40)
    return cls(2, **options)


def quality(model, X):
    """Return the score, or as a share of the spread the error of reconstructions."""
    if isinstance(model, RAE | WAE):
        return np.sqrt(np.mean((model.reconstruct(X) - X) ** 2)) / X.std()
    return model.score(X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Column 2 of X")
@pytest.mark.parametrize("cls", [VAE, IWAE, TwoStageVAE, RAE, WAE])
@pytest.mark.parametrize("scale", ["global", "feature"])
def test_one_value_does_not_decide_a_fit(cls, scale):
    X = rows()
    train, held_out = X[:500], X[500:]
    options = {"likelihood": GaussianLikelihood(scale)}
    clean = quality(small(cls, 0, **options).fit(train), held_out)
    limit = 0.05 if cls in (RAE, WAE) else 1.0
    for value in (1000 * train[:, 2].std(), -9999):
        model = small(cls, 0, **options).fit(spoilt(train, value))
        assert abs(quality(model, held_out) - clean) < limit
        assert np.abs(model.sample(500, random_state=0)).max() < 5 * np.abs(X).max()


@pytest.mark.slow
def test_score_of_the_outlier_ranks_last():
    X = spoilt(rows(n=500), -9999)
    with pytest.warns(UserWarning, match="Column 2 "):
        model = small(VAE, 0).fit(X)
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    assert scores.argmin() == 7
