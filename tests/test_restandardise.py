"""A module stays the same function when it is standardised by other statistics."""

import copy

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, LIKELIHOODS, NETWORKS, POSTERIORS, describe, small
from supports import taken_by

from skvae import RAE
from skvae._training.restandardise import restandardise
from skvae._utils.rows import summarise
from skvae.likelihoods import GaussianLikelihood


def both_ways(module, X, Z):
    """Return what a module says of rows and codes, as one dict of arrays."""
    with torch.no_grad():
        p, x = module.decode(Z), torch.tensor(X)
        found = {
            "raw": module.raw_encoding(x),
            "mean": p.mean,
            "log_prob": p.log_prob(x),
        }
    return {name: values.numpy() for name, values in found.items()}


def other_summary(X, move=3.0, widen=5.0):
    summary = summarise(X)
    other = summarise(np.concatenate([X, summary.mean + widen * (X - summary.mean)]))
    mean = np.clip(other.mean + move * other.std, X.min(0), None)
    return type(summary)(mean, other.std, X.dtype)


def assert_stays_the_same(model, X, tolerance=1e-5):
    module = copy.deepcopy(model.module_).eval()
    module.likelihood.forget_calibration()
    Z = torch.from_numpy(np.random.default_rng(1).normal(size=(len(X), 2)))
    Z = Z.to(torch.float32)
    before = both_ways(module, X, Z)
    restandardise(module, other_summary(X))
    for name, values in both_ways(module, X, Z).items():
        scale = np.abs(before[name]).max()
        np.testing.assert_allclose(values, before[name], atol=tolerance * scale)
    return module


@pytest.mark.parametrize(
    "model",
    [
        *[small(likelihood=likelihood) for likelihood in LIKELIHOODS],
        *[small(posterior=posterior) for posterior in POSTERIORS],
        *[small(network=network) for network in NETWORKS],
        *[small(cls) for cls in ESTIMATORS],
        small(RAE, regularizer="spectral_norm"),
        small(likelihood=GaussianLikelihood(bounds=(-1, 2))),
        small(likelihood=GaussianLikelihood(scale="predicted", bounds=(-1, 2))),
    ],
    ids=describe,
)
def test_codes_and_rows_stay_the_same_in_other_statistics(model, X):
    X = taken_by(model, X)
    assert_stays_the_same(model.fit(X), X)


def test_maps_are_those_of_the_other_statistics(X):
    model = small(likelihood=GaussianLikelihood(scale="feature", bounds=None)).fit(X)
    module, other = assert_stays_the_same(model, X), other_summary(X)
    np.testing.assert_allclose(module.factor, 1 / other.std, rtol=1e-6)
    np.testing.assert_allclose(module.shift, -other.mean / other.std, rtol=1e-6)
    np.testing.assert_allclose(module.likelihood.location.mean, other.mean, rtol=1e-6)
    np.testing.assert_allclose(module.likelihood.location.spread, other.std, rtol=1e-6)
    np.testing.assert_allclose(module.likelihood.spread, other.std, rtol=1e-6)
