"""Scores in units that mean something: columns, bits, pipelines inside searches."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler

from skvae import VAE, evaluate, make_sample_scorer
from skvae.evaluation import evaluate_likelihood
from skvae.networks import MLP
from skvae.pipeline import sample_pipeline

SMALL = {"network": MLP((8,)), "max_epochs": 2, "device": "cpu", "random_state": 0}
X = np.random.default_rng(0).normal(size=(120, 4)) * [3, 4, 5, 6] + 20


def search_over(model):
    """Return a fitted search, and the model that it has chosen."""
    search = GridSearchCV(model, {}, cv=2).fit(X)
    return search, search.best_estimator_


MODELS = {
    "mixture": GaussianMixture(2, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0)),
    "vae": make_pipeline(StandardScaler(), VAE(2, **SMALL)),
}
NAMES = ["log_likelihood", "coverage", "neg_bits_per_dimension"]


@pytest.mark.parametrize(
    "model",
    [
        MODELS["mixture"],
        MODELS["pipeline"],
        pytest.param(MODELS["vae"], marks=pytest.mark.slow),
    ],
)
def test_a_search_scores_as_the_model_that_it_has_chosen(model):
    search, chosen = search_over(model)
    scorer = make_sample_scorer(NAMES, on_error="raise")
    expected = scorer(chosen, X)
    assert scorer(search, X) == scorer(FrozenEstimator(chosen), X) == expected
    assert scorer(make_pipeline("passthrough", search), X) == expected
    assert evaluate_likelihood(search, X) == evaluate_likelihood(chosen, X)
    report = [evaluate(m, X[:60], X[60:], n_bootstrap=0) for m in (search, chosen)]
    assert str(report[0]) == str(report[1])


def test_a_search_that_ends_a_pipeline_is_sampled_in_units_of_its_input():
    search = GridSearchCV(
        GaussianMixture(1, random_state=0), {"n_components": [1]}, cv=2
    )
    pipeline = make_pipeline(StandardScaler(), search).fit(X)
    plain = make_pipeline(StandardScaler(), search.estimator).fit(X)
    for way in (pipeline, GridSearchCV(pipeline, {}, cv=2).fit(X)):
        np.testing.assert_allclose(
            sample_pipeline(way, 5, random_state=0),
            sample_pipeline(plain, 5, random_state=0),
        )


def test_probabilities_in_a_search_have_no_unit():
    binary = (X > 20).astype(float)
    model = VAE(1, likelihood="bernoulli", **SMALL)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), model), {}, cv=2).fit(binary)
    expected = evaluate_likelihood(search.best_estimator_, binary).nll
    assert evaluate_likelihood(search, binary).nll == expected
    options = {"metric_params": {"bits_per_dimension": {"divisor": 255}}}
    name = "neg_bits_per_dimension"
    scorer = make_sample_scorer(name, on_error="raise", **options)
    for estimator in (search, search.best_estimator_, search.best_estimator_[-1]):
        with pytest.raises(ValueError, match="divisor must be 1 for a model of prob"):
            scorer(estimator, binary)
        with pytest.raises(ValueError, match="divisor must be 1 for a model of prob"):
            evaluate_likelihood(estimator, binary, divisor=255)
    with pytest.warns(UserWarning, match="divisor must be 1"):
        assert np.isnan(make_sample_scorer(name, **options)(search, binary))
    density = GaussianMixture(1).fit(X)
    assert scorer(density, X) == -evaluate_likelihood(density, X, divisor=255)[2]


def wrong_scores(n, rng):
    """Return the right income beside five scores that are constant and wrong."""
    samples = np.full((n, 6), 3.0)
    samples[:, 0] = 50_000 + 30_000 * rng.normal(size=n)
    return samples


class Wrong(GaussianMixture):
    def sample(self, n_samples=1):
        return wrong_scores(n_samples, np.random.RandomState(0)), None


INCOME = np.random.default_rng(0).normal(size=(300, 6)) * [30_000, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("name", ["coverage", "neg_mmd", "neg_frechet_distance"])
def test_a_column_that_hides_all_others_is_said(name):
    pandas = pytest.importorskip("pandas")
    model = Wrong().fit(INCOME)
    match = r"Column 0 of X has 100 % of the total variance, and 5 of 6 columns"
    with pytest.warns(UserWarning, match=match):
        make_sample_scorer(name)(model, INCOME)
    frame = pandas.DataFrame(INCOME, columns=["income", *"abcde"])
    with pytest.warns(UserWarning, match=r"Column 'income' of X"):
        make_sample_scorer(name)(Wrong().fit(frame), frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaler = StandardScaler().fit(INCOME)
        make_sample_scorer(name, features=scaler)(model, INCOME)


def test_a_column_that_hides_all_others_is_said_by_reports_and_errors():
    model = Wrong().fit(INCOME)
    with pytest.warns(UserWarning, match=r"Column 0 of X_train"):
        evaluate(model, INCOME[:200], INCOME[200:], n_bootstrap=0)
    vae = make_pipeline(StandardScaler(), VAE(1, **SMALL)).fit(INCOME)
    with pytest.warns(UserWarning, match=r"Column 0 of X has"):
        make_sample_scorer("neg_reconstruction_error")(vae, INCOME)


@pytest.mark.parametrize(
    ("load", "says"),
    [(load_iris, 0), (load_digits, 0), (load_wine, 1), (load_breast_cancer, 1)],
)
def test_units_are_spoken_of_where_they_differ(load, says):
    rows = load().data[:150]
    model = GaussianMixture(1, reg_covar=1e-3, random_state=0).fit(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_sample_scorer("coverage")(model, rows)
    assert len([w for w in caught if "total variance" in str(w.message)]) == says


def test_a_scaler_that_clips_has_no_likelihood_in_units_of_x():
    model = make_pipeline(MinMaxScaler(clip=True), GaussianMixture(1)).fit(X)
    with pytest.raises(TypeError, match=r"is a MinMaxScaler\(clip=True\)"):
        evaluate_likelihood(model, X)
    whole = make_pipeline(MinMaxScaler(), GaussianMixture(1)).fit(X)
    assert np.isfinite(evaluate_likelihood(whole, X).nll)


def test_samples_that_are_not_finite_are_counted_and_named():
    rows = -(np.random.default_rng(0).lognormal(size=(400, 2)) ** 1.5)
    model = make_pipeline(PowerTransformer(), GaussianMixture(1, random_state=0))
    model.fit(rows)
    match = r"samples must be finite, but \d+ of 1000 are not.* no inverse"
    scorer = make_sample_scorer("coverage", n_samples=1000, on_error="raise")
    with pytest.raises(ValueError, match=match):
        scorer(model, rows)
    with pytest.raises(ValueError, match=match):
        evaluate(model, rows[:300], rows[300:], n_samples=1000)
