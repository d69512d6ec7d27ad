"""Columns whose numbers say little of how many decimals they have."""

import numpy as np
import pandas as pd
import pytest
from conftest import small


@pytest.mark.filterwarnings("ignore:Column 'a' of X has no values")
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-300, np.nan])
def test_of_columns_of_zeros_or_of_nothing(value):
    frame = pd.DataFrame({"a": np.full(40, value), "b": np.arange(40.0)})
    samples = small(max_epochs=1).fit(frame).sample(5, random_state=0)
    np.testing.assert_allclose(samples["a"], np.full(5, value), atol=1e-200)
