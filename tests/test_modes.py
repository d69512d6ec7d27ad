"""The way to the mode of p(x, z), and what leads there."""

import numpy as np
import pytest
import torch
from conftest import make_data, small
from linear_gaussian import (
    SCALE,
    B,
    D,
    W,
    draw,
    estimator_around,
    exact_log_density,
    linear_gaussian,
)
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skvae import VAE
from skvae.densities import StandardNormal
from skvae.estimators._modes import Joint, levels_of


def joint_of(module, X, density=None):
    levels = levels_of(module, density or StandardNormal(), 0)
    return Joint(levels, torch.as_tensor(X, dtype=torch.float32))


def test_slopes_are_those_of_a_linear_model():
    module, rows = linear_gaussian(), draw(20)
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(20, D))).float()
    with torch.no_grad():
        gradient, information = joint_of(module, rows).slopes(z)
    residual = rows - z.numpy() @ W.T - B
    np.testing.assert_allclose(gradient, residual @ W / SCALE**2 - z.numpy(), atol=0.02)
    expected = W.T @ W / SCALE**2 + np.eye(D)
    np.testing.assert_allclose(information[0], expected, rtol=1e-3, atol=1e-3)


def test_a_climb_ends_where_no_step_gains_anything():
    X = make_data(100, 6)
    module = small(VAE, max_epochs=3).fit(X).module_.eval()
    with torch.no_grad():
        joint = joint_of(module, X)
        start = 2 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        ends = joint.climb(start, 30)
        further = joint(joint._step(ends)) - joint(ends)
    assert further.max() < 0.06
    assert (joint(ends) >= joint(start)).all()


@pytest.mark.parametrize("shift", [2.5, 3.0])
def test_codes_off_the_prior_are_not_trusted(shift):
    # So narrow a posterior has even weights wherever it lies.
    model, rows = estimator_around(linear_gaussian(0.1, shift)), draw(300)
    code = model.transform(rows)
    length = np.sqrt(np.square(code).mean(1))
    near = np.sqrt(np.square(rows).mean(1)) < 1.5
    rows = rows[near & (length > 2) & (length < 4)]
    assert len(rows) > 50
    error = model.score_samples(rows) - exact_log_density(rows)
    assert np.abs(error).max() < 1


def test_a_mixture_leads_to_modes_with_its_own_components():
    means = np.array([[-1.0, 0.5], [1.0, 0.0], [0.0, -1.0]])
    Z = np.repeat(means, 100, axis=0)
    Z = Z + 0.05 * np.random.default_rng(0).normal(size=Z.shape)
    density = GaussianMixture(3, random_state=0).fit(Z)
    model = estimator_around(linear_gaussian(4.0))
    model._density = density
    noise = np.random.default_rng(1).normal(size=(200, len(B)))
    rows = (density.sample(200)[0] @ W.T + B + SCALE * noise).astype(np.float32)
    parts = [
        np.log(w) + multivariate_normal(B + W @ m, covariance).logpdf(rows)
        for w, m, covariance in zip(
            density.weights_,
            density.means_,
            W @ density.covariances_ @ W.T + SCALE**2 * np.eye(len(B)),
            strict=True,
        )
    ]
    exact = np.logaddexp.reduce(parts)
    scores, sizes = model.score_samples(rows, return_effective_sample_size=True)
    error = scores - exact
    assert abs(error.mean()) < 0.3
    assert np.median(sizes) > 8
