"""Latent densities of the user's own that cannot work, or return what is wrong."""

import numpy as np
import pytest
from conftest import assert_same, make_data, outputs, small
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae import RAE, VAE, TwoStageVAE
from skvae.networks import MLP

X = make_data(30)


class Bad(BaseEstimator):
    """A density that returns whatever it is told to, as soon as it is told to.

    It is as it should be before it has been fitted to `from_codes` rows, and where it
    draws or scores fewer than `from_rows`.
    """

    def __init__(self, drawn=None, scored=None, from_codes=0, from_rows=0):
        self.drawn, self.scored = drawn, scored
        self.from_codes, self.from_rows = from_codes, from_rows

    def fit(self, Z, y=None):
        self.n_codes_, self.shape_ = Z.shape
        # returns None, which is no reason to lose it

    def sample(self, n_samples=1, random_state=None):
        if self.drawn and self._is_bad(n_samples):
            return self.drawn(n_samples)
        return np.zeros((n_samples, self.shape_))

    def score_samples(self, Z):
        return self.scored(len(Z)) if self.scored and self._is_bad(len(Z)) else Z[:, 0]

    def _is_bad(self, n_rows):
        return self.n_codes_ >= self.from_codes and n_rows >= self.from_rows


DRAWN = {
    "too few": (lambda n: np.zeros((n - 1, 2)), r"shape \((4|9), 2\)"),
    "too wide": (lambda n: np.zeros((n, 7)), r"shape \((5|10), 7\)"),
    "1-d": (lambda n: np.zeros(n), r"shape \((5|10),\)"),
    "None": (lambda n: None, r"shape \(\)"),
    "NaN": (lambda n: np.full((n, 2), np.nan), "NaN or infinity"),
    "infinite": (lambda n: np.full((n, 2), np.inf), "NaN or infinity"),
}
SCORED = {
    "too few": (lambda n: np.zeros(n - 1), r"shape \(\d+,\)"),
    "a column": (lambda n: np.zeros((n, 1)), r"shape \(\d+, 1\)"),
    "one number": (lambda n: 0.0, r"shape \(\)"),
    "NaN": (lambda n: np.full(n, np.nan), "NaN"),
}


@pytest.mark.parametrize(("drawn", "found"), DRAWN.values(), ids=DRAWN)
def test_wrong_draws_are_told_by_the_name_of_the_density(drawn, found):
    model = small(latent_density=Bad(drawn, from_rows=10)).fit(X)
    message = (
        rf"`sample` of the latent density Bad .*\(10, 2\), but has .*{found}.*Mend"
    )
    with pytest.raises(ValueError, match=message):
        model.sample(10)


@pytest.mark.parametrize(("scored", "found"), SCORED.values(), ids=SCORED)
def test_wrong_scores_are_told_by_the_name_of_the_density(scored, found):
    model = small(latent_density=Bad(scored=scored, from_rows=10)).fit(X)
    message = rf"`score_samples` of the latent density Bad .*but has .*{found}.*Mend"
    with pytest.raises(ValueError, match=message):
        model.score_samples(X[:4])


BAD = {
    **{f"draws {k}": (Bad(drawn), "`sample`") for k, (drawn, _) in DRAWN.items()},
    **{
        f"scores {k}": (Bad(scored=scored), "`score_samples`")
        for k, (scored, _) in SCORED.items()
    },
}


def second_stage(density):
    return VAE(2, network=MLP((8,)), max_epochs=3, latent_density=density)


@pytest.mark.parametrize(("density", "method"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("cls", [VAE, RAE, TwoStageVAE])
def test_what_is_no_use_is_refused_before_training(cls, density, method, no_training):
    model = small(cls)
    if cls is TwoStageVAE:
        model.set_params(second_stage=second_stage(density))
    else:
        model.set_params(latent_density=density)
    with pytest.raises(ValueError, match=f"{method} of the latent density Bad"):
        model.fit(X)


@pytest.mark.parametrize(("density", "method"), BAD.values(), ids=BAD)
def test_what_fails_after_training_costs_no_epoch(density, method):
    density = clone(density).set_params(from_codes=257)
    model = small(latent_density=density)
    with (
        pytest.raises(ValueError, match=f"{method} of the latent density Bad"),
        pytest.warns(RuntimeWarning, match="latent density failed; the model is that"),
    ):
        model.fit(X)
    expected = small(latent_density=GaussianMixture(2))
    mended = model.set_params(latent_density=GaussianMixture(2)).fit_latent_density(X)
    assert_same(outputs(mended, X), outputs(expected.fit(X), X))


class Failing(Bad):
    """A density whose fit fails."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error

    def fit(self, Z, y=None):
        raise self.error


@pytest.mark.parametrize("error", [ValueError("few"), np.linalg.LinAlgError("matrix")])
def test_fit_that_fails_after_training_costs_no_epoch(error):
    model = small(latent_density=Failing(error))
    with pytest.raises(type(error)), pytest.warns(RuntimeWarning, match="epoch 3, "):
        model.fit(X)
    assert model.n_epochs_ == 3
    np.testing.assert_array_equal(model.transform(X), small().fit(X).transform(X))


def test_both_stages_are_kept_if_the_density_of_the_second_fails():
    second = second_stage(Failing(ValueError("few")))
    model = small(TwoStageVAE, second_stage=second)
    with pytest.raises(ValueError, match="few"), pytest.warns(RuntimeWarning):
        model.fit(X)
    assert (model.n_epochs_, model.second_stage_.n_epochs_) == (3, 3)


def test_fit_that_cannot_work_is_refused_before_training(no_training):
    with pytest.raises(TypeError, match="no such argument"):
        small(latent_density=Failing(TypeError("no such argument"))).fit(X)


def test_densities_of_scikit_learn_are_not_tried(monkeypatch):
    rows = []

    class Counted(GaussianMixture):
        def fit(self, Z, y=None):
            rows.append(len(Z))
            return super().fit(Z)

    small(latent_density=Counted(2)).fit(X)
    assert rows == [300]


def test_the_own_density_of_a_stream_is_not_tried_for_every_chunk():
    model = small(latent_density=Bad(lambda n: np.zeros(n)))
    for chunk in np.array_split(X, 3):
        model.partial_fit(chunk)
    with pytest.raises(ValueError, match="`sample` of the latent density Bad"):
        model.sample(3)


class NoParameters:
    """A density that scikit-learn cannot clone."""

    def fit(self, Z):
        return self

    def sample(self, n):
        return np.zeros((n, 2))


class Changes(BaseEstimator):
    """A density whose constructor changes its parameter."""

    def __init__(self, widths=None):
        self.widths = [*(widths or [1.0])]

    def fit(self, Z):
        return self

    def sample(self, n):
        return np.zeros((n, 2))


BEFORE_TRAINING = {
    "no parameters": (VAE, NoParameters(), TypeError, "can be cloned.*BaseEstimator"),
    "changed parameters": (VAE, Changes(), TypeError, "can be cloned.*__init__"),
    "no components": (VAE, GaussianMixture(0), ValueError, "'n_components'.*Got 0"),
    "no such type": (
        *(VAE, GaussianMixture(covariance_type="nonsense")),
        *(ValueError, "'covariance_type'.*Got 'nonsense'"),
    ),
    "bandwidth": (VAE, KernelDensity(bandwidth=-1), ValueError, "'bandwidth'.*Got -1"),
    "more than codes": (
        *(RAE, GaussianMixture(40)),
        *(ValueError, "at least 40 codes, but n_samples = 30 gives 30.*fewer"),
    ),
    "Bayesian": (RAE, BayesianGaussianMixture(n_components=31), ValueError, "31 codes"),
    "more than draws": (
        *(VAE, GaussianMixture(301)),
        *(ValueError, "at least 301 codes, but n_samples = 30 gives 300"),
    ),
}


@pytest.mark.parametrize(
    ("cls", "density", "error", "message"),
    BEFORE_TRAINING.values(),
    ids=BEFORE_TRAINING,
)
def test_density_that_cannot_be_fitted_is_refused_before_training(
    cls, density, error, message, monkeypatch
):
    monkeypatch.setattr("skvae._training.fit.Fit.run", None)  # would be an error
    with pytest.raises(error, match=message):
        small(cls, latent_density=density).fit(X)


def test_one_row_is_too_few_for_the_default_of_rae(monkeypatch):
    monkeypatch.setattr("skvae._training.fit.Fit.run", None)
    with pytest.raises(ValueError, match="at least 2 codes, but n_samples = 1 gives 1"):
        RAE().fit(X[:1])


def test_as_many_components_as_codes_are_taken():
    assert small(RAE, latent_density=GaussianMixture(30)).fit(X).sample(2).shape
