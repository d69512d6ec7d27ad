"""Blocks of inference are bounded in bytes, whatever a row, or its posterior, takes."""

import numpy as np
import pytest
import torch
from conftest import make_data, small

from skvae.module import BLOCK
from skvae.networks import MLP, ConvNet

CASES = {
    "narrow": (make_data(20, 100), {}, BLOCK),
    "wide": (make_data(20, 20_000), {}, 16),
    "colour pictures": (make_data(20, 3072), {}, 128),
    "full covariance": (
        *(make_data(20, 9), {"posterior": "full", "n_components": 100}),
        64,
    ),
    "convolution": (
        *(make_data(20, 784).reshape(-1, 28, 28), {"network": ConvNet((64,))}),
        32,
    ),
}


@pytest.mark.parametrize(("X", "options", "n_rows"), CASES.values(), ids=CASES)
def test_no_block_holds_more_than_half_a_million_values(X, options, n_rows):
    options = {"network": MLP((4,)), "max_epochs": 1, **options}
    module = small(**options).fit(X).module_
    assert module.block == n_rows
    d = module.n_components
    q = module.encode(torch.zeros(2, module.n_features))
    per_row = max(module.n_features, d**2 if hasattr(q, "factor") else d)
    assert n_rows == 16 or n_rows * per_row <= 2 * 2**19


def test_rows_of_a_wide_table_do_not_depend_on_their_block():
    X = make_data(40, 20_000)
    model = small(network=MLP((4,)), max_epochs=1).fit(X)
    Z = model.transform(X)
    np.testing.assert_array_equal(model.transform(X[::-1])[::-1], Z)
    scores = model.score_samples(X, n_importance_samples=4)
    again = model.score_samples(X[::-1], n_importance_samples=4)[::-1]
    np.testing.assert_array_equal(again, scores)
