"""Draws of codes, of whose errors noise is set: weighted, and around the mode."""

import copy

import numpy as np
import pytest
import torch
from linear_gaussian import draw, linear_gaussian
from scipy import stats
from scipy.special import softmax
from test_calibration import X_VAL, X, fitted

from skvae import IWAE, VAE
from skvae._training import calibration as calibrations
from skvae.likelihoods import GaussianLikelihood


@pytest.mark.parametrize("cls", [VAE, IWAE])
def test_one_scale_is_that_of_errors_under_the_posterior(cls):
    tiled = np.tile(X_VAL, (7, 1))
    params = {"posterior": "constant", "max_epochs": 1}
    model = fitted(cls, X_val=tiled, **params)
    # Its training noise gives the weights, not that which is found.
    module = copy.deepcopy(model.module_)
    module.likelihood.noise = None
    x = torch.tensor(tiled, dtype=torch.float32)
    with torch.no_grad():
        q = module.encode(x)
        generator = torch.Generator().manual_seed(5)
        noise = torch.randn(4000, *q.mean.shape, generator=generator)
        z = q.rsample(noise)
        p = module.decode(z)
        log_w = p.log_prob(x) + noise.square().sum(-1) / 2 - z.square().sum(-1) / 2
        weight = log_w.double().softmax(0).numpy()
        squares = (x - p.mean).square()
        largest = 100 * (2 * module.likelihood.log_scale).exp()
        square = squares.minimum(largest).mean(-1).numpy()
        means = (x - module.decode(q.mean).mean).square().mean().sqrt()
    expected = np.sqrt((weight * square).sum(0).mean())
    assert model.likelihood_.scale_ == pytest.approx(expected, rel=0.02)
    assert np.sqrt(square.mean()) > 1.1 * expected
    assert abs(means - expected) > 0.1 * expected


@pytest.mark.parametrize("scale", ["global", "feature"])
def test_weights_are_those_of_the_posterior_of_the_codes(scale):
    model = fitted(VAE, likelihood=GaussianLikelihood(scale), posterior="constant")
    module = model.module_
    x = torch.tensor(X, dtype=torch.float32)

    def draws():
        generator = torch.Generator().manual_seed(0)
        return calibrations._Calibration(None, module, generator)._draws(x)

    with torch.no_grad():
        z, weight = draws()
        q, p = module.encode(x), module.decode(z).log_prob(x)
        generator = torch.Generator().manual_seed(0)
        move = z - q.rsample(torch.randn(z.shape, generator=generator))
        log_w = p.numpy() + stats.norm.logpdf(z).sum(-1)
        log_w -= stats.norm(q.mean, q.variance.sqrt()).logpdf(z - move).sum(-1)
    np.testing.assert_allclose(weight[..., 0], softmax(log_w, 0), atol=1e-4)
    np.testing.assert_allclose(move, move[:1].expand_as(move), atol=1e-5)
    share_moved = (move[0].abs() > 1e-3).double().mean()
    assert share_moved > 0.9 if scale == "global" else share_moved == 0
    assert not module.training


def test_draws_are_moved_to_the_mode():
    module, exact = linear_gaussian(shift=0.8), linear_gaussian()
    x = torch.from_numpy(draw(50))
    with torch.no_grad():
        q, mode = module.encode(x), exact.encode(x).mean
        width = q.variance.sqrt()
        calibration = calibrations._Calibration(None, module, None)
        move = calibration._to_mode(x, q.mean, width)
    miss = (q.mean + move - mode) / width
    assert miss.square().mean().sqrt() < 0.1
    assert (move / width).abs().mean() > 1.5
