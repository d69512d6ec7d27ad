"""One seed gives one model, bit for bit, and other seeds others."""

import numpy as np
import pytest
from conftest import (
    DENSITIES,
    ESTIMATORS,
    assert_same,
    describe,
    outputs,
    small,
    small_variants,
)
from supports import taken_by


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_same_seed_gives_the_same_bits(variant, X):
    X = taken_by(variant, X)
    first = outputs(variant.fit(X), X)
    assert_same(outputs(variant.fit(X), X), first)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_other_seed_gives_another_model(cls, X):
    one, two = (small(cls, random_state=s).fit(X).transform(X) for s in (0, 1))
    assert not np.array_equal(one, two)


def test_no_seed_gives_another_model_each_time(X):
    one, two = (small(random_state=None).fit(X).transform(X) for _ in range(2))
    assert not np.array_equal(one, two)


def test_random_state_instance_advances_from_fit_to_fit(X):
    def two_fits():
        rng = np.random.RandomState(0)
        model = small(random_state=rng)
        return [model.fit(X).transform(X), model.fit(X).transform(X)]

    first, second = two_fits()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(two_fits(), [first, second])


def test_samples_differ_between_calls_unless_a_seed_is_given(fitted):
    assert not np.array_equal(fitted.sample(3), fitted.sample(3))
    one, two, three = (fitted.sample(3, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("density", DENSITIES, ids=describe)
def test_samples_of_every_density_obey_the_seed(density, X):
    model = small(latent_density=density).fit(X)
    one, two, three = (model.sample(5, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)
    assert not np.array_equal(model.sample(5), model.sample(5))


def test_noisy_samples_differ_from_their_means_by_the_scale(X):
    model = small(likelihood="gaussian", max_epochs=10).fit(X)
    mean = model.sample(4000, random_state=0)
    noisy = model.sample(4000, mean=False, random_state=0)
    sd = (noisy - mean).std(0)
    assert sd == pytest.approx(model.likelihood_.scale_, rel=0.05)
