"""Categories: softmax by columns, frequencies, draws, the likeliest, one-hot inputs."""

import numpy as np
import pytest
import torch
from conftest import small
from scipy import special, stats

from skvae._distributions.categorical import Categorical, Levels
from skvae._utils.rows import summarise
from skvae.likelihoods import CategoricalLikelihood

SIZES = [3, 1, 17, 2, 1000, 5, 2]
STARTS = np.cumsum([0, *SIZES])


def own_levels(kind):
    """Return the values of every column: places, or other numbers."""
    rng = np.random.default_rng(1)
    if kind == "places":
        return [np.arange(n, dtype=np.float32) for n in SIZES]
    return [np.sort(rng.permutation(4000)[:n] - 2000.5).astype("f4") for n in SIZES]


def make(kind, *shape, scale=2.0, seed=0):
    levels = own_levels(kind)
    rng = np.random.default_rng(seed)
    logits = scale * rng.standard_normal((*shape, sum(SIZES)))
    p = Categorical(torch.from_numpy(logits), Levels([*map(torch.tensor, levels)]))
    return p, logits, levels


def probabilities(logits, j):
    return special.softmax(logits[..., STARTS[j] : STARTS[j + 1]], axis=-1)


def fitted(X):
    """Return a likelihood that is built for rows."""
    likelihood = CategoricalLikelihood()
    likelihood.look(X)
    return likelihood.build(summarise(X))


KINDS = pytest.mark.parametrize("kind", ["places", "numbers"])


# ------------------------------------------------------------------- the distribution


@KINDS
def test_log_prob_is_the_softmax_of_every_column(kind):
    p, logits, levels = make(kind, 40)
    rng = np.random.default_rng(2)
    codes = np.stack([rng.integers(0, n, 40) for n in SIZES], axis=1)
    x = torch.tensor(np.stack([v[c] for v, c in zip(levels, codes.T, strict=True)], 1))
    expected = np.array(
        [
            [np.log(probabilities(row, j)[c]) for j, c in enumerate(chosen)]
            for row, chosen in zip(logits, codes, strict=True)
        ]
    )
    np.testing.assert_allclose(p.log_prob_by_feature(x), expected, rtol=1e-9)
    np.testing.assert_allclose(p.log_prob(x), expected.sum(1), rtol=1e-9)


@KINDS
def test_rows_are_broadcast_over_draws(kind):
    p, logits, levels = make(kind, 6, 4)
    x = torch.tensor(np.stack([v[[0, -1, 0, -1]] for v in levels], axis=1))
    expected = np.stack([make_of(logits[k], levels).log_prob(x) for k in range(6)])
    np.testing.assert_allclose(p.log_prob(x), expected)


def make_of(logits, levels):
    return Categorical(torch.from_numpy(logits), Levels([*map(torch.tensor, levels)]))


@KINDS
def test_all_probabilities_lie_column_by_column(kind):
    p, logits, _ = make(kind, 3)
    expected = [probabilities(logits, j) for j in range(len(SIZES))]
    found = p.all_probabilities()
    np.testing.assert_allclose(found, np.concatenate(expected, -1), rtol=1e-9)


@KINDS
def test_the_mean_is_the_likeliest_value(kind):
    p, logits, levels = make(kind, 30)
    expected = [v[probabilities(logits, j).argmax(-1)] for j, v in enumerate(levels)]
    np.testing.assert_array_equal(p.mean, np.stack(expected, axis=1))


@KINDS
def test_the_mean_of_a_mixture_is_its_likeliest_value(kind):
    p, logits, levels = make(kind, 5, 30, scale=4.0)
    weights = np.random.default_rng(3).dirichlet(np.ones(5), 30).T
    expected = np.empty((30, len(SIZES)))
    for i in range(30):
        for j, values in enumerate(levels):
            mixed = weights[:, i] @ probabilities(logits[:, i], j)
            expected[i, j] = values[mixed.argmax()]
    found = p.weighted_mean(torch.from_numpy(weights))
    np.testing.assert_array_equal(found, expected)


@KINDS
def test_draws_have_the_probabilities(kind):
    n = 20_000
    p, logits, levels = make(kind, 1, scale=1.0)
    p = make_of(np.repeat(logits, n, axis=0).astype(np.float32), levels)
    draws = p.sample(torch.Generator().manual_seed(0)).numpy()
    p_values = []
    for j, values in enumerate(levels):
        expected = n * probabilities(logits[0], j)
        counts = np.array([(draws[:, j] == v).sum() for v in values])
        assert counts.sum() == n
        if len(values) > 1:
            p_values.append(stats.chisquare(counts, expected).pvalue)
    assert min(p_values) > 1e-3


def test_draws_of_two_columns_are_independent():
    X = np.random.default_rng(0).integers(0, 3, (50, 2)).astype(float)
    p = fitted(X)(torch.zeros(20_000, 6))
    draws = p.sample(torch.Generator().manual_seed(1)).numpy()
    table = [[(draws == (a, b)).all(1).sum() for a in range(3)] for b in range(3)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_values_without_probability_are_never_drawn():
    logits = torch.full((5000, 4), -torch.inf)
    logits[:, 1:3] = 0
    p = Categorical(logits, Levels([torch.arange(4.0)]))
    draws = p.sample(torch.Generator().manual_seed(0))
    assert set(draws.unique().tolist()) == {1.0, 2.0}


@KINDS
def test_squared_slopes_are_the_curvature_of_the_divergence(kind):
    _, logits, levels = make(kind, 1)
    at = torch.from_numpy(logits[0])

    def coordinates(h):
        q = make_of(logits, levels)
        q.logits = h
        return q.information_coordinates()

    slopes = torch.autograd.functional.jacobian(coordinates, at).numpy()
    exact = np.zeros((sum(SIZES),) * 2)
    for j in range(len(SIZES)):
        share, own = probabilities(logits[0], j), slice(STARTS[j], STARTS[j + 1])
        exact[own, own] = np.diag(share) - np.outer(share, share)
    np.testing.assert_allclose(slopes.T @ slopes, exact, atol=1e-12)


# --------------------------------------------------------------------- the likelihood


def example(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = np.stack(
        [
            rng.choice([3, 7.5, -100], n, p=[0.7, 0.2, 0.1]),
            np.full(n, 4.0),
            rng.integers(0, 9, n),
            rng.choice([0, 1], n),
        ],
        axis=1,
    )
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def test_an_untrained_decoder_has_the_frequencies():
    X = example()
    likelihood = fitted(X)
    assert likelihood.n_outputs(4) == likelihood.n_inputs(4) == 3 + 1 + 9 + 2
    p = likelihood(torch.zeros(1, 15))
    for j, levels in enumerate(likelihood.levels_):
        column = X[~np.isnan(X[:, j]), j]
        np.testing.assert_array_equal(levels, np.unique(column))
        for value in levels:
            row = np.array([v[0] for v in likelihood.levels_])
            row[j] = value
            log_p = p.log_prob_by_feature(torch.from_numpy(row)[None])[0, j]
            assert np.exp(log_p) == pytest.approx((column == value).mean(), rel=1e-5)


def test_inputs_are_which_value_it_is_less_its_frequency():
    X = example()
    likelihood = fitted(X)
    seen = likelihood.inputs(torch.from_numpy(X).float()).numpy()
    expected = []
    for j, levels in enumerate(likelihood.levels_):
        column = X[:, [j]]
        missing = np.isnan(column)
        share = (column == levels).sum(0) / (~missing).sum()
        expected.append(np.where(missing, np.nan, (column == levels) - share))
    np.testing.assert_allclose(seen, np.concatenate(expected, 1), atol=1e-6)
    assert np.abs(np.nanmean(seen, axis=0)).max() < 1e-6


def test_the_start_changes_probabilities_as_inputs_do():
    X = example()
    likelihood = fitted(X)
    loadings = 1e-3 * np.random.default_rng(0).standard_normal((15, 2))
    for own in np.split(np.arange(15), [3, 4, 13]):
        loadings[own] -= loadings[own].mean(0)  # as those of inputs that sum to 0
    rows = likelihood.start_outputs(loadings)
    z = np.array([0.5, -1.0])
    p = likelihood(torch.from_numpy(rows @ z)[None].float()).all_probabilities()
    share = likelihood.share.numpy()
    np.testing.assert_allclose(p[0] - share, loadings @ z, atol=5e-5)
    steep = likelihood.start_outputs(loadings * 1e6)
    assert np.linalg.norm(steep, axis=1).max() < 2 + 1e-9


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_values_of_arrays_come_back_as_they_were(dtype):
    X = np.random.default_rng(0).choice([0, 1, 40, 200], (80, 3)).astype(dtype)
    model = small(likelihood="categorical").fit(X)
    for rows in (model.sample(50, mean=False, random_state=0), model.reconstruct(X)):
        assert np.isin(rows, np.unique(X)).all()


def test_models_do_not_depend_on_the_numbers_that_stand_for_categories():
    X = np.random.default_rng(0).integers(0, 4, (60, 3))
    other = np.array([-7.25, 3, 1000, 65537])[X]
    models = [small(likelihood="categorical").fit(rows) for rows in (X, other)]
    np.testing.assert_array_equal(models[0].transform(X), models[1].transform(other))
    draws = [m.sample(40, mean=False, random_state=0) for m in models]
    levels = np.array([-7.25, 3, 1000, 65537])
    np.testing.assert_array_equal(levels[draws[0].astype(int)], draws[1])


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "impute"]
)
def test_values_that_fit_has_not_seen_are_refused_with_a_remedy(method):
    X = np.random.default_rng(0).choice([1.0, 4, 7], (60, 3))
    model = small(likelihood="categorical").fit(X)
    X[5, 1] = 5
    message = r"values 1, 4, 7 of feature 1.*has 5\. Put NaN"
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(X)
    X[5, 1] = np.nan
    getattr(model, method)(X)


def test_values_that_float32_does_not_tell_apart_are_refused():
    X = 2.0**24 + np.random.default_rng(0).integers(0, 3, (60, 2))
    with pytest.raises(ValueError, match=r"float32.*feature 0.*categorical_features"):
        small(likelihood="categorical").fit(X)
    found = small(categorical_features=[0, 1]).fit(X).sample(50, random_state=0)
    np.testing.assert_array_equal(np.unique(found), np.unique(X))


@pytest.mark.parametrize("values", [[-9.0, -4, -1], [4.0, 7, 9], [0.0, 1, 2]])
def test_gaps_are_gaps_whatever_the_numbers_are(values):
    X = np.random.default_rng(0).choice(values, (60, 2))
    X[::3, 1] = np.nan
    seen = fitted(X).inputs(torch.from_numpy(X).float())
    assert seen[::3, 3:].isnan().all()
    assert seen[:, :3].isfinite().all()
    assert np.isfinite(small(likelihood="categorical").fit(X).score_samples(X)).all()


def test_measurements_are_no_categories():
    X = np.random.default_rng(0).normal(size=(2000, 120)).astype(np.float32)
    X[::2, :7] = 0
    X[::2, 8:] = 1
    X[:, 20:] = np.arange(2000)[:, None]
    model = small(likelihood="categorical", max_epochs=1)
    with pytest.raises(ValueError, match=r"at most 200,000 .* 2,000 and .* feature 7 "):
        model.fit(X)
    assert not hasattr(model, "module_")
