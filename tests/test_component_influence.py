"""What components know and do, against linear decoders, quadrature and draws."""

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, POSTERIORS, describe, make_data, small
from sklearn.base import clone
from torch import nn

from skvae import VAE
from skvae.diagnostics import component_influence, posterior_moments
from skvae.diagnostics.influence import decoded_variances


def test_of_a_linear_decoder_is_the_squared_norm_of_a_column():
    model = lg.estimator_around(lg.linear_gaussian(widen=0.5))
    found = component_influence(model, lg.draw(40))
    norms = np.square(lg.W).sum(axis=0)
    np.testing.assert_allclose(found.decoded_variance, norms, rtol=1e-4)
    np.testing.assert_allclose(found.share, norms / norms.sum(), rtol=1e-4)
    assert found.share.sum() == pytest.approx(1)
    variance = 0.25 * lg.SCALE**2 / (norms + lg.SCALE**2)
    np.testing.assert_allclose(found.posterior_variance, variance, rtol=1e-4)


def test_is_in_squared_units_of_x():
    X = make_data(200).astype(np.float64)
    found, scaled = (
        component_influence(small().fit(factor * X), factor * X)
        for factor in (1, 2**40)
    )
    ratio = scaled.decoded_variance / found.decoded_variance
    np.testing.assert_allclose(ratio, 2.0**80, rtol=1e-3)
    np.testing.assert_allclose(scaled.share, found.share, rtol=1e-3)


def test_variances_are_those_of_draws(monkeypatch):
    def decode(Z):
        a, b = Z.T
        return np.stack([np.tanh(a) * b, a**2, a * b + 3, np.ones_like(a)], 1)

    rng = np.random.default_rng(0)
    Z = rng.normal(size=(7, 2))
    found = decoded_variances(decode, Z)
    for j in range(2):
        codes = np.repeat(Z, 200_000, axis=0)
        codes[:, j] = rng.standard_normal(len(codes))
        expected = decode(codes).reshape(7, -1, 4).var(axis=1).sum(axis=1).mean()
        assert found[j] == pytest.approx(expected, rel=0.01)
    # By hand: tanh varies by 0.394 of b^2, a^2 by 2, a b by b^2.
    squares = np.square(Z).mean(axis=0)
    assert found[0] == pytest.approx(1.394 * squares[1] + 2, rel=2e-3)
    monkeypatch.setattr("skvae.diagnostics.influence._ROWS", 3)
    np.testing.assert_allclose(decoded_variances(decode, Z), found, rtol=1e-12)


LOG_SCALES = torch.tensor([-3.0, 0.0, -3.0, -0.25])  # of variances 0, 1, 0 and 0.6


class Encoder(nn.Module):
    """An encoder that uses the first and the third of four components."""

    def forward(self, x):
        none = torch.zeros_like(x[:, 0])
        mean = torch.stack([x[:, 0], none, x[:, 1], none], 1)
        return torch.cat([mean, LOG_SCALES.expand(len(x), 4)], 1)


@pytest.mark.parametrize(
    ("weights", "n_used"),
    [
        ([1.0, 0.0, 0.3, 0.0], 2),
        ([1.0, 0.0, 0.05, 0.0], 1),  # its variance is a four-hundredth
        ([1.0, 1.0, 0.3, 1.0], 2),  # others are not informative
        ([0.0, 0.0, 0.0, 0.0], 0),
    ],
)
def test_counts_components_that_are_informative_superfluous_and_used(weights, n_used):
    model = small(n_components=4, max_epochs=1).fit(make_data())
    decoder = nn.Linear(4, 5)
    with torch.no_grad():
        decoder.weight.copy_(torch.tensor(weights).expand(5, 4))
    model.module_.encoder, model.module_.decoder = Encoder(), decoder
    found = component_influence(model, make_data())
    variances = (2 * LOG_SCALES).exp()
    np.testing.assert_allclose(found.posterior_variance, variances, rtol=1e-5)
    assert (found.n_near_zero, found.n_near_one, found.n_used) == (2, 1, n_used)
    assert found.share.sum() == pytest.approx(float(n_used > 0))


def test_superfluous_components_of_a_trained_model_do_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 8))
    X += 0.1 * rng.normal(size=X.shape)
    model = VAE(4, max_epochs=60, random_state=0).fit(X)
    found = component_influence(model, X[:200])
    assert (found.n_near_zero, found.n_near_one, found.n_used) == (2, 2, 2)
    assert found.share[found.posterior_variance > 0.9].max() < 0.01


@pytest.mark.parametrize(
    "model",
    [*map(small, ESTIMATORS), *(small(posterior=p) for p in POSTERIORS)],
    ids=describe,
)
def test_every_model_with_known_variances_has_it(model):
    X = make_data()
    model = clone(model).fit(X)
    if "Flow" in describe(model):
        with pytest.raises(TypeError, match=r"known variance.*FlowPosterior.*diagonal"):
            component_influence(model, X)
        return
    found = component_influence(model, X)
    again = component_influence(model, X)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found.decoded_variance > 0).all()
    with torch.no_grad():
        variance = model.module_.encode(torch.from_numpy(X)).variance.numpy()
    np.testing.assert_allclose(found.posterior_variance, variance.mean(0), rtol=1e-5)


def test_variances_are_those_of_the_moments():
    X = make_data()
    model = small().fit(X)
    deviations = posterior_moments(model, X)[1]
    found = component_influence(model, X).posterior_variance
    np.testing.assert_allclose(found, np.square(deviations).mean(0), rtol=1e-5)


def test_images_are_taken_as_rows_are():
    X = make_data(n_features=16)
    as_rows, as_images = (
        component_influence(small().fit(rows), rows)
        for rows in (X, X.reshape(-1, 4, 4))
    )
    np.testing.assert_array_equal(as_rows.decoded_variance, as_images.decoded_variance)
