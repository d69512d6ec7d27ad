"""What is said of a row does not depend on the rows beside it."""

import numpy as np
import pytest
from conftest import describe, make_data, small
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

WIDTHS = {
    "narrow": {"network": MLP((8,))},
    "odd": {"network": MLP((5, 6), activation="tanh", skip=True)},
    "nine": {"network": MLP((9, 10))},
    "thirteen": {"network": MLP((13, 30)), "n_components": 3},
    "no skip": {"network": MLP((9, 13), skip=False), "n_components": 3},
    "linear": {"network": MLP(()), "n_components": 1},
    "wide": {"network": MLP((512, 512)), "n_components": 16},
    "wide silu": {"network": MLP((512,), activation="silu"), "n_components": 7},
    "wide gelu": {"network": MLP((512,), activation="gelu"), "n_components": 7},
    "bernoulli": {"network": MLP((32,)), "likelihood": "bernoulli"},
    "predicted": {"network": MLP((30,)), "likelihood": GaussianLikelihood("predicted")},
    "isotropic": {"network": MLP((30,)), "posterior": "isotropic"},
}
READERS = {
    "transform": lambda model, X: model.transform(X),
    "reconstruct": lambda model, X: model.reconstruct(X),
    "score_samples": lambda model, X: model.score_samples(X, n_importance_samples=5),
}


@pytest.fixture(scope="module")
def models():
    X = make_data(300, 64)
    # So much noise that q(z|x) misses no row: codes of those it misses are searched
    # for, and the rounding of that search may depend on the rows beside them.
    options = {"likelihood": GaussianLikelihood(1.0), "max_epochs": 1}
    return {
        name: small(**{**options, "batch_size": 100, **params}).fit(X)
        for name, params in WIDTHS.items()
    }


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", WIDTHS)
def test_a_row_is_read_the_same_in_any_company(models, name, read):
    X = make_data(300, 64, seed=1)
    together = read(models[name], X)
    rng = np.random.default_rng(0)
    order = rng.permutation(300)
    np.testing.assert_array_equal(read(models[name], X[order]), together[order])
    # Other numbers of rows may have blocks of other sizes, which round differently.
    tolerance = 4 * np.finfo(np.float32).eps * np.abs(together).max()
    subset = np.flatnonzero(rng.random(300) < 0.3)
    for rows in [subset, subset[:2], *([i] for i in range(20))]:
        np.testing.assert_allclose(
            read(models[name], X[rows]), together[rows], rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("n_rows", [2, 4, 8, 16, 33, 600])
@pytest.mark.parametrize("name", ["nine", "no skip"])
def test_equal_rows_of_one_call_are_equal_bit_for_bit(models, name, n_rows):
    for row in make_data(10, 64, seed=1):
        X = np.tile(row, (n_rows, 1))
        for read in READERS.values():
            out = read(models[name], X)
            np.testing.assert_array_equal(out, np.broadcast_to(out[0], out.shape))


@pytest.mark.parametrize(
    ("n_rows", "n_inferred"), [(1, 4), (2, 32), (33, 64), (500, 512), (513, 1024)]
)
def test_few_rows_cost_little(models, n_rows, n_inferred):
    model, X = models["narrow"], make_data(n_rows, 64)
    encoded, decoded = [], []
    hooks = [
        network.register_forward_hook(lambda layer, x, out, n=n: n.append(len(out)))
        for network, n in (
            (model.module_.encoder, encoded),
            (model.module_.decoder, decoded),
        )
    ]
    model.transform(X)
    model.inverse_transform(np.zeros((n_rows, 2)))
    assert (sum(encoded), sum(decoded)) == (n_inferred, n_inferred)
    encoded.clear(), decoded.clear()
    model.score_samples(np.tile(X.mean(0), (n_rows, 1)))  # none of them far out
    assert sum(encoded) <= n_inferred
    assert sum(decoded) == 64 * (1 if n_rows == 1 else sum(encoded))
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 6, 10, 13, 30])
def test_a_row_is_read_the_same_for_any_number_of_features(n_features):
    X = make_data(300, n_features)
    model = small(network=MLP((8,)), max_epochs=1).fit(X)
    order = np.random.default_rng(0).permutation(300)
    np.testing.assert_array_equal(model.transform(X[order]), model.transform(X)[order])


@pytest.mark.parametrize(
    "density",
    [GaussianMixture(2), KernelDensity(), small(max_epochs=1)],
    ids=describe,
)
def test_scores_under_any_density_do_not_depend_on_the_order(density):
    X = make_data(100, 8)
    model = small(latent_density=density).fit(X)
    order = np.random.default_rng(0).permutation(100)
    scores = model.score_samples(X, n_importance_samples=4)
    permuted = model.score_samples(X[order], n_importance_samples=4)
    np.testing.assert_allclose(permuted, scores[order], rtol=1e-12, atol=1e-12)


def test_equal_rows_have_equal_scores_and_distinct_rows_independent_errors():
    X = make_data(500, 4)
    model = small(max_epochs=10).fit(X)
    twice = model.score_samples(np.repeat(X[:3], 4, axis=0))
    assert len(np.unique(twice)) == len(np.unique(model.score_samples(X[:3])))
    # The errors of one-sample bounds would all move together with common noise.
    nearly = X[:1] + 1e-4 * np.arange(500)[:, None].astype(np.float32)
    bounds = model.score_samples(nearly, n_importance_samples=1)
    errors = bounds - np.poly1d(np.polyfit(np.arange(500), bounds, 2))(np.arange(500))
    neighbours = np.corrcoef(errors[1:], errors[:-1])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(500)
    assert errors.std() > 0.05


def test_score_noise_averages_out_over_rows(X):
    model = small(max_epochs=10).fit(X)
    rng = np.random.default_rng(0)
    cloud = X[:1] + 1e-6 * rng.standard_normal((4000, X.shape[1])).astype(np.float32)
    bounds = model.score_samples(cloud, n_importance_samples=1)
    halves = bounds.reshape(2, -1).mean(1)
    standard_error = bounds.std() * np.sqrt(2 / 2000)
    assert abs(halves[0] - halves[1]) < 4 * standard_error


def test_scores_are_the_same_for_equal_values_of_any_type(fitted, X):
    values = (X * 16).round() / 16
    expected = fitted.score_samples(values)
    for dtype in (np.float64, np.float16, np.longdouble):
        np.testing.assert_array_equal(
            fitted.score_samples(values.astype(dtype)), expected
        )


def test_negative_zero_scores_like_zero(fitted, X):
    row = X[:1].copy()
    row[0, 2] = 0.0
    zero = fitted.score_samples(row)
    row[0, 2] = -0.0
    np.testing.assert_array_equal(fitted.score_samples(row), zero)
