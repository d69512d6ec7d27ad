"""What values a likelihood takes, and rows of such values."""

import numpy as np

from skvae.likelihoods import resolve_likelihood


def is_bounded(likelihood):
    """Tell whether a likelihood refuses real-valued data."""
    try:
        likelihood.check_support(np.array([[-5.0, 7.0]]))
    except ValueError:
        return True
    return False


def taken_by(model, X):
    """Return rows that a model or likelihood takes: X, or its levels as counts."""
    likelihood = resolve_likelihood(getattr(model, "likelihood", model))
    try:
        likelihood.check_support(X)
    except ValueError:
        return np.rint(255 * X)
    return X
