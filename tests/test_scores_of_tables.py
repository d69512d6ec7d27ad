"""Scores and imputed values of mixed rows, against quadrature over the code."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import small
from mixed_frames import make_frame
from scipy.special import logsumexp

from skvae import IWAE, VAE
from skvae.likelihoods import (
    ColumnLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    NormalScoresLikelihood,
)

GRID = np.linspace(-8, 8, 3201)
GAPS = {
    "nothing": [],
    "a number": ["age"],
    "a number with zeros": ["spent"],
    "a category": ["city"],
    "an order": ["grade"],
    "a boolean": ["member"],
    "a number and a category": ["income", "city"],
    "all numbers": ["age", "income", "spent"],
    "all categories": ["city", "grade", "member"],
    "all but a category": ["age", "income", "spent", "grade", "member"],
}
LIKELIHOODS = {
    "auto": "auto",
    "predicted": NormalScoresLikelihood("predicted"),
    "gaussian": GaussianLikelihood("feature"),
    "by columns": ColumnLikelihood([("a", LaplaceLikelihood("feature"), ["age"])]),
}


@pytest.fixture(scope="module", params=LIKELIHOODS)
def model(request):
    likelihood = LIKELIHOODS[request.param]
    cls = IWAE if request.param == "predicted" else VAE
    model = small(cls, n_components=1, likelihood=likelihood, max_epochs=30)
    return model.fit(make_frame(300))


def with_gaps():
    """Return rows of which all kinds of values are missing."""
    X = make_frame(400, seed=7).iloc[300:]
    X = X[X["income"].notna()].astype({"age": "Int64", "member": "boolean"})[:8]
    parts = []
    for names in GAPS.values():
        part = X.copy()
        part[names] = None
        parts.append(part)
    return pd.concat(parts).astype(X.dtypes.to_dict())


def exact(model, X):
    """Return log p(x), and the weights of codes under p(z|x), shape (n, n_grid)."""
    module = copy.deepcopy(model.module_).double()
    rows = torch.from_numpy(module.frame.to_frame(model._validate(X)))
    p = module.decode(torch.from_numpy(GRID)[:, None])
    prior = model.latent_density_.score_samples(GRID[:, None])
    log_p = [log_density(p, row[None]) + prior for row in rows]
    log_p = np.array(log_p) + np.log(GRID[1] - GRID[0])
    total = logsumexp(log_p, axis=1)
    return p, total, np.exp(log_p - total[:, None])


def log_density(p, row):
    """Return log p(x|z) of what is observed of a row, for all codes of the grid."""
    observed = ~row.isnan()[0]
    by_feature = getattr(p, "p", p).log_prob_by_feature(row.nan_to_num(1.0))
    return by_feature[:, observed].sum(-1).numpy(force=True)


def log_volume(model, X):
    """Return the logarithm of what the units of the module add to densities."""
    return np.array(model.module_.frame.log_volume(model._validate(X)))


@pytest.mark.slow
def test_scores_are_those_of_quadrature(model):
    X, k = with_gaps(), 500
    scores, sizes = model.score_samples(
        X, n_importance_samples=k, return_effective_sample_size=True
    )
    _, expected, _ = exact(model, X)
    expected = expected + log_volume(model, X)
    error = np.sqrt(1 / sizes - 1 / k) + 1e-4
    z = (scores - expected) / error
    assert np.abs(z).max() < 5
    assert np.abs(z.mean()) < 1
    assert np.abs(scores - expected).mean() < 0.02


@pytest.mark.slow
def test_imputed_values_are_those_of_quadrature(model):
    X = with_gaps()
    imputed = model.impute(X, n_importance_samples=200)
    p, _, weights = exact(model, X)
    numbers = ["age", "income", "spent"]
    mean = weights @ getattr(p, "p", p).mean.numpy(force=True)
    second = weights @ np.square(getattr(p, "p", p).mean.numpy(force=True))
    for name, unit in zip(numbers, (1, 0.01, 0.001), strict=True):
        j = list(X.columns).index(name)
        missing = X[name].isna().to_numpy()
        found = imputed[name].to_numpy(float)[missing]
        centre = model.module_.frame.restore(mean)[missing, j]
        deviation = np.sqrt((second - mean**2)[missing, j].clip(0))
        error = 6 * deviation / np.sqrt(100) + 0.51 * unit + 1e-4 * np.abs(centre)
        assert missing.sum() >= 16
        assert (np.abs(found - centre) < error).all(), name


@pytest.mark.slow
def test_imputed_categories_are_the_likeliest_of_quadrature(model):
    X = with_gaps()
    imputed = model.impute(X, n_importance_samples=200)
    p, _, weights = exact(model, X)
    names = ["city", "member"]
    (part,) = [q for q in getattr(p, "p", p).parts if hasattr(q, "levels")]
    shares = weights @ part.all_probabilities().numpy(force=True)
    for name, own in zip(names, np.split(shares, [3], axis=1), strict=True):
        levels = model._table.levels[list(X.columns).index(name)]
        missing = X[name].isna().to_numpy()
        ordered = np.sort(own[missing], axis=1)
        is_clear = ordered[:, -1] - ordered[:, -2] > 0.05
        expected = np.array(levels, dtype=object)[own[missing].argmax(1)]
        found = imputed[name].to_numpy(object)[missing]
        assert is_clear.sum() > 12
        assert (found == expected)[is_clear].all()


@pytest.mark.slow
def test_draws_of_missing_values_have_the_shares_of_quadrature(model):
    X = with_gaps()
    X = X[X["city"].isna()]
    draws = model.sample_missing(X, 300, n_importance_samples=200, random_state=0)
    found = np.stack([rows["city"].to_numpy(object) for rows in draws])
    p, _, weights = exact(model, X)
    (part,) = [q for q in getattr(p, "p", p).parts if hasattr(q, "levels")]
    shares = weights @ part.all_probabilities().numpy(force=True)[:, :3]
    counted = np.stack([(found == c).mean(0) for c in ("ames", "bonn", "cork")], 1)
    z = (counted - shares) / np.sqrt(shares * (1 - shares) * 2 / 300 + 1e-6)
    assert np.abs(z).max() < 4.5
    assert np.sqrt(np.mean(z**2)) < 1.5


def test_a_row_of_one_category_has_its_log_probability():
    model = small(n_components=1, max_epochs=10).fit(make_frame(200))
    X = make_frame(200).iloc[:1].astype({"age": "Int64", "member": "boolean"})
    X[["age", "income", "spent", "grade", "member"]] = None
    total = 0.0
    for city in ("ames", "bonn", "cork"):
        X["city"] = city
        total += np.exp(model.score_samples(X, n_importance_samples=2000)[0])
    assert total == pytest.approx(1, abs=0.01)
