"""Copies are told from rows that repeat by chance."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from skvae.metrics import exact_copies


def categories(rng, n):
    return rng.integers(0, 3, size=(n, 4)).astype(float)


def zero_rows(rng, n):
    return rng.normal(size=(n, 4)) * (rng.random((n, 1)) > 0.55)


def zero_entries(rng, n):
    return rng.normal(size=(n, 4)) * (rng.random((n, 4)) > 0.55)


def rounded(rng, n):
    return np.round(rng.normal(size=(n, 3)))


TABLES = [categories, zero_rows, zero_entries, rounded]


def draw(table, seed, n_train=300, n_test=200, n_new=300):
    rng = np.random.default_rng(seed)
    train, test, new = (table(rng, n) for n in (n_train, n_test, n_new))
    return train, test, new, train[rng.integers(n_train, size=1000)]


@pytest.mark.parametrize("table", TABLES)
def test_new_rows_of_a_table_are_rarely_accused(table):
    p_values = []
    for seed in range(25):
        train, test, new, _ = draw(table, seed)
        p_values.append(exact_copies(train, test, new, random_state=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.2
    assert min(p_values) > 0.001


@pytest.mark.parametrize("table", TABLES)
def test_a_copier_of_a_table_is_found(table):
    for seed in range(4):
        train, test, _, copies = draw(table, seed)
        result = exact_copies(train, test, copies, random_state=0)
        assert result.value == 1
        assert result.p_value <= 0.01


def test_shares_are_brute_force():
    train, test, new, _ = draw(rounded, 0, 60, 40, 50)
    found = exact_copies(train, test, new, random_state=0)
    for share, rows in ((found.value, new), (found.floor, test)):
        equal = (rows[:, None] == train[None]).all(axis=2).any(axis=1)
        assert share == equal.mean()
    assert found[3:] == (60, 40, 50)


def test_p_value_is_that_of_all_relabellings():
    # Three rows equal the generated one; of 6 labels, 3 are "training".
    data = [[0.0]] * 3 + [[1.0], [2.0], [3.0]]
    found = exact_copies(data[:3], data[3:], [[0.0]] * 5, random_state=0).p_value
    assert found == pytest.approx(hypergeom.pmf(3, 6, 3, 3), abs=0.02)


@pytest.mark.parametrize("n_test", [20, 1000])
def test_three_percent_of_copies_among_continuous_rows_are_found(n_test):
    rng = np.random.default_rng(0)
    train, test, new = (rng.normal(size=(n, 4)) for n in (2000, n_test, 1000))
    assert exact_copies(train, test, new).p_value == 1
    new[:30] = train[:30]
    found = exact_copies(train, test, new)
    assert (found.value, found.floor) == (0.03, 0)
    assert found.p_value < 1e-6


def test_draws_from_a_finite_population_are_no_copies():
    rng = np.random.default_rng(0)
    population = rng.normal(size=(900, 3))
    train, test = population[:300], population[300:600]
    new = population[rng.integers(900, size=300)]
    assert exact_copies(train, test, new).p_value > 0.01


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.float32).astype(np.float64),
        lambda X: (X / 255 - 0.3) / 7 * 7 * 255 + 0.3 * 255,
    ],
    ids=["float32", "stored in float32", "scaled"],
)
def test_copies_in_another_type_are_copies(change):
    rng = np.random.default_rng(0)
    train, test = rng.normal(5, 2, size=(2, 400, 6))
    assert exact_copies(train, test, change(train)).value == 1


def test_constant_columns_do_no_harm():
    rng = np.random.default_rng(0)
    train, test = np.hstack([rng.normal(size=(60, 2)), np.full((60, 1), 0.1)])[
        [range(30), range(30, 60)]
    ]
    assert exact_copies(train, test, train).value == 1
    assert exact_copies(train, test, test).value == 0
