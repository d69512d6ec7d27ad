"""Small data, and the same with one value changed."""

import numpy as np
from conftest import make_data

BASIC = make_data(40, 3)


def with_value(value, dtype=np.float64):
    """Return the basic data with one other value."""
    X = BASIC.astype(dtype)
    X[7, 1] = value
    return X


def two_sets(seed, n=12, m=9, d=3):
    """Return two sets of normal rows, the second with another mean and spread."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, d)), 0.5 + 1.5 * rng.normal(size=(m, d))
