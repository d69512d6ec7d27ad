"""Errors of reconstructions from rows and averages, against sums over pixels."""

import numpy as np
import pytest
from conftest import make_data, small

from skvae.diagnostics import optimal_decoder, reconstruction_matching
from skvae.likelihoods import GaussianLikelihood

TRAIN, TEST = np.split(make_data(90), [60])
LIKELIHOOD = GaussianLikelihood(bounds=(0, 1))
ERRORS = ["squared", "cross_entropy", "excess_cross_entropy"]


@pytest.fixture(scope="module")
def model():
    return small(max_epochs=20, likelihood=LIKELIHOOD).fit(TRAIN)


def cross_entropy(t, p):
    """Sum -t log p - (1 - t) log(1 - p) by a loop in which 0 log 0 is 0."""
    total = 0.0
    for a, b in zip(t, p, strict=True):
        total -= (a * np.log(b) if a > 0 else 0) + (
            (1 - a) * np.log(1 - b) if a < 1 else 0
        )
    return total


@pytest.mark.parametrize("error", ERRORS)
def test_errors_are_sums_over_features(model, error):
    found = reconstruction_matching(model, TEST, TRAIN, error=error)
    best = optimal_decoder(model, TEST, TRAIN)
    reconstructed = model.reconstruct(TEST).astype(float)
    for i, p in enumerate(reconstructed):
        targets = TEST[i].astype(float), best.averages[i]
        expected = {
            "squared": [np.mean((p - t) ** 2) for t in targets],
            "cross_entropy": [cross_entropy(t, p) for t in targets],
            "excess_cross_entropy": [
                cross_entropy(t, p) - cross_entropy(t, t) for t in targets
            ],
        }[error]
        errors = found.error_to_input[i], found.error_to_average[i]
        np.testing.assert_allclose(errors, expected, rtol=1e-6, atol=1e-9)
    closer = found.error_to_input < found.error_to_average
    assert found.closer_to_input == closer.mean()
    np.testing.assert_array_equal(found.perplexity, best.perplexity)


def test_squared_is_the_default(model):
    default = reconstruction_matching(model, TEST, TRAIN)
    squared = reconstruction_matching(model, TEST, TRAIN, error="squared")
    for a, b in zip(default, squared, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("error", ERRORS)
def test_a_decoder_that_recites_averages_has_the_least_error_from_them(
    model, error, monkeypatch
):
    best = optimal_decoder(model, TEST, TRAIN).averages
    monkeypatch.setattr(model, "reconstruct", lambda X: best, raising=False)
    found = reconstruction_matching(model, TEST, TRAIN, error=error)
    if error == "cross_entropy":  # its least value is the entropy of the target
        floor = [cross_entropy(t, t) for t in best]
        np.testing.assert_allclose(found.error_to_average, floor, rtol=1e-9)
        return
    assert found.closer_to_input == 0
    np.testing.assert_allclose(found.error_to_average, 0, atol=1e-12)


def test_by_plain_cross_entropy_grey_averages_are_never_near():
    # White and black rows of training, between which the code lies.
    train = np.repeat([[0.0, 0.0], [1.0, 1.0]], 30, axis=0)
    model = small(posterior="constant", max_epochs=1).fit(train)
    rows = np.array([[0.02, 0.9]])
    model.reconstruct = lambda X: np.array([[0.3, 0.7]])
    best = optimal_decoder(model, rows, train).averages
    assert np.abs(best - 0.5).max() < 0.1
    found = {
        error: reconstruction_matching(model, rows, train, error=error)
        for error in ERRORS
    }
    assert [found[error].closer_to_input for error in ERRORS] == [0, 1, 0]


def test_reconstructions_of_zero_and_one_have_a_finite_error(model, monkeypatch):
    monkeypatch.setattr(
        model, "reconstruct", lambda X: np.round(X).astype(np.float32), raising=False
    )
    found = reconstruction_matching(model, TEST, TRAIN, error="cross_entropy")
    assert np.isfinite(found.error_to_input).all()
    assert found.error_to_input.max() < 5 * 24 * np.log(2)


def test_bernoulli_rows_have_their_negative_log_likelihood():
    X = (make_data() > 0.5).astype(np.float32)
    model = small().fit(X)
    found = reconstruction_matching(model, X, X, error="cross_entropy")
    p = model.reconstruct(X).astype(float)
    probability = np.where(X == 1, p, 1 - p).prod(axis=1)
    np.testing.assert_allclose(found.error_to_input, -np.log(probability), rtol=1e-5)
    excess = reconstruction_matching(model, X, X, error="excess_cross_entropy")
    np.testing.assert_allclose(excess.error_to_input, found.error_to_input)


@pytest.mark.parametrize("error", ERRORS[1:])
def test_what_leaves_the_unit_interval_is_refused(error, monkeypatch):
    model = small().fit(TRAIN)
    monkeypatch.setattr(model, "reconstruct", np.copy, raising=False)
    outside = TEST.copy()
    outside[3, 2] = 1.5
    shifted = TRAIN + np.array([0, 2, 0, 0, 0], dtype=np.float32)
    with pytest.raises(ValueError, match=r"feature 2 of X has the value 1\.5"):
        reconstruction_matching(model, outside, TRAIN, error=error)
    with pytest.raises(ValueError, match="feature 1 of the averages of X_train"):
        reconstruction_matching(model, TEST, shifted, error=error)
    monkeypatch.setattr(model, "reconstruct", lambda X: X - 1, raising=False)
    with pytest.raises(ValueError, match="of the reconstructions has the value -"):
        reconstruction_matching(model, TEST, TRAIN, error=error)
    reconstruction_matching(model, outside, TRAIN)  # squares are of any numbers


def test_unknown_errors_are_refused(model):
    with pytest.raises(ValueError, match=r"'error'.*'squared'.*'absolute'"):
        reconstruction_matching(model, TEST, TRAIN, error="absolute")
