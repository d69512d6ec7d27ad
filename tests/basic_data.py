"""Small data, and the same with one value changed."""

import numpy as np
from conftest import make_data

BASIC = make_data(40, 3)


def with_value(value, dtype=np.float64):
    """Return the basic data with one other value."""
    X = BASIC.astype(dtype)
    X[7, 1] = value
    return X
