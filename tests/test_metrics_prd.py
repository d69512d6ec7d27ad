import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae.metrics import prd_from_histograms, precision_recall_distribution

WEIGHTS = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(
    lambda w: sum(w) > 1e-3
)


def corners(n=80):
    """Four far-apart points, as many rows on each."""
    return np.repeat([[0.0, 0], [9, 0], [0, 9], [9, 9]], n // 4, axis=0)


def prd(X, Y, **options):
    options = {"n_clusters": 4, "n_runs": 3, "random_state": 0} | options
    return precision_recall_distribution(X, Y, **options)


def test_curve_is_the_double_loop():
    r, g = np.array([0.5, 0.3, 0.2, 0]), np.array([0.1, 0.3, 0, 0.6])
    precision, recall = prd_from_histograms(r, g, n_angles=7)
    angles = np.linspace(1e-10, np.pi / 2 - 1e-10, 7)
    for i, slope in enumerate(np.tan(angles)):
        alpha = sum(min(slope * a, b) for a, b in zip(r, g, strict=True))
        assert precision[i] == pytest.approx(alpha, abs=1e-12)
        assert recall[i] == pytest.approx(alpha / slope, abs=1e-12)


def test_ends_of_the_curve_are_the_masses_of_the_common_support():
    precision, recall = prd_from_histograms([5, 3, 2, 0], [1, 3, 0, 6])
    assert precision[-1] == pytest.approx(0.4)
    assert recall[0] == pytest.approx(0.8)


@given(WEIGHTS, WEIGHTS)
@settings(max_examples=50, deadline=None)
def test_swapping_the_histograms_mirrors_the_curve(r, g):
    precision, recall = prd_from_histograms(r, g, n_angles=51)
    back_precision, back_recall = prd_from_histograms(g, r, n_angles=51)
    np.testing.assert_allclose(precision, back_recall[::-1], atol=1e-5)
    np.testing.assert_allclose(recall, back_precision[::-1], atol=1e-5)
    assert (np.diff(precision) >= -1e-12).all()
    assert (np.diff(recall) <= 1e-12).all()
    assert precision.min() >= 0
    assert precision.max() <= 1


def f_beta_of_a_rectangle(precision, recall, beta):
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def test_dropping_modes_costs_recall_and_not_precision():
    X_real, X_generated = corners(), np.repeat(corners()[:40], 2, axis=0)
    result = prd(X_real, X_generated)
    # The curve reaches the corner precision 1, recall 1/2 at slope 2.
    for f, beta in [(result.f_8, 8), (result.f_1_8, 1 / 8)]:
        assert f == pytest.approx(f_beta_of_a_rectangle(1, 0.5, beta), abs=2e-3)
    assert result.f_8 < result.f_1_8
    swapped = prd(X_generated, X_real)
    assert swapped.f_8 == pytest.approx(result.f_1_8, abs=2e-3)
    assert swapped.f_1_8 == pytest.approx(result.f_8, abs=2e-3)
    assert result.n == 80


def test_equal_sets_score_one_and_distant_sets_zero():
    X = corners()
    equal = prd(X, X[::-1])
    assert (equal.f_8, equal.f_1_8) == pytest.approx((1, 1), abs=1e-9)
    assert (equal.f_8_std, equal.f_1_8_std) == pytest.approx((0, 0), abs=1e-9)
    apart = prd(X, X + 1000, n_clusters=8)
    assert (apart.f_8, apart.f_1_8) == pytest.approx((0, 0), abs=1e-9)


def test_curves_are_averaged_over_runs():
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 0.5
    runs = np.random.RandomState(7)
    single = [prd(X, Y, n_runs=1, random_state=runs) for _ in range(4)]
    result = prd(X, Y, n_runs=4, random_state=np.random.RandomState(7))
    mean = np.mean([s.precision for s in single], axis=0)
    np.testing.assert_allclose(result.precision, mean, rtol=1e-12)
    f = [s.f_8 for s in single]
    assert result.f_8_std == pytest.approx(np.std(f, ddof=1), rel=1e-9)
    assert result.f_8_std > 0
    assert np.isnan(single[0].f_8_std)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_constant_sets():
    constant = np.ones((10, 2))
    assert prd(constant, constant).f_8 == pytest.approx(1)
    assert prd(corners(), np.full((80, 2), 9.0)).f_8 == pytest.approx(
        f_beta_of_a_rectangle(1, 0.25, 8), abs=2e-3
    )


def test_random_state():
    rng = np.random.RandomState(1)
    X, Y = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    before = np.random.get_state()[1].copy()
    assert prd(X, Y, random_state=3).f_8 == prd(X, Y, random_state=3).f_8
    assert len({prd(X, Y, random_state=None).f_8 for _ in range(4)}) > 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_bad_input():
    X = corners()
    with pytest.raises(ValueError, match="number of rows, got 80 and 70"):
        prd(X, X[:70])
    with pytest.raises(ValueError, match="at most the 6 rows of both sets, got 20"):
        prd(X[:3], X[:3], n_clusters=20)
    with pytest.raises(ValueError, match=r"n_runs.* must be an integer >= 1. Got 0"):
        prd(X, X, n_runs=0)
    with pytest.raises(ValueError, match="same length, got 2 and 3"):
        prd_from_histograms([1, 1], [1, 1, 1])
    with pytest.raises(ValueError, match=r"weights_generated .* got \[ 1\. -1\.\]"):
        prd_from_histograms([1, 1], [1, -1])
    with pytest.raises(ValueError, match=r"weights_real .* got \[0\. 0\.\]"):
        prd_from_histograms([0, 0], [1, 1])
    with pytest.raises(ValueError, match=r"n_angles.* must be an integer >= 3. Got 2"):
        prd_from_histograms([1], [1], n_angles=2)
