"""P-values of distances between sets, by relabelling their rows."""

import numpy as np
import pytest
from basic_data import two_sets

from skvae.metrics import (
    energy_distance,
    maximum_mean_discrepancy,
    sliced_wasserstein_distance,
)

METRICS = [energy_distance, sliced_wasserstein_distance, maximum_mean_discrepancy]
# Equal rows have no median distance to take for a bandwidth.
OPTIONS = {maximum_mean_discrepancy: {"bandwidth": 1}}


@pytest.mark.parametrize("metric", METRICS)
def test_p_values_are_uniform_when_the_sets_are_alike(metric):
    rng = np.random.RandomState(0)
    p = [
        metric(
            rng.normal(size=(15, 2)),
            rng.normal(size=(10, 2)),
            n_permutations=99,
            random_state=rng,
            **OPTIONS.get(metric, {}),
        ).p_value
        for _ in range(100)
    ]
    # 4 standard errors of a uniform mean, and of a binomial share.
    assert np.mean(p) == pytest.approx(0.505, abs=0.12)
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 4 * 0.03


@pytest.mark.parametrize("metric", METRICS)
def test_p_value_of_equal_and_of_distant_sets(metric):
    X = two_sets(5)[0]
    # The observed split is counted once.
    assert metric(X, X + 50, n_permutations=19, random_state=0).p_value == 1 / 20
    equal, options = np.ones((4, 2)), OPTIONS.get(metric, {})
    assert metric(equal, equal, n_permutations=19, **options).p_value == 1
    assert metric(equal, equal, **options).value == 0
