"""Rows that cannot be evaluated, or of which few are used, and what is said of them."""

import numpy as np
import pytest
from compared_models import TRUTH, make_rows
from sklearn.mixture import GaussianMixture

from skvae import evaluate
from skvae.evaluation import compare
from skvae.scorers import make_sample_scorer

TRAIN, TEST = make_rows(60), make_rows(40, seed=1)
MODEL = GaussianMixture(1).fit(TRAIN)


def judge(test, **options):
    yield lambda: evaluate(MODEL, TRAIN, test, n_bootstrap=2, **options)
    yield lambda: compare([MODEL, MODEL], test, n_bootstrap=2, **options)


def test_that_are_all_equal_are_refused():
    for function in judge(np.ones((30, 2))):
        with pytest.raises(ValueError, match=r"all 30 are equal\. Hold"):
            function()
    for function in judge(TEST, features=lambda X: np.zeros((len(X), 1))):
        with pytest.raises(ValueError, match=r"40 are equal after features\. Pass"):
            function()


def test_in_which_one_differs_are_judged():
    rows = np.ones((30, 2))
    rows[4, 1] = 2
    for function in judge(rows):
        function()


def test_are_checked_before_a_model_scores_them():
    with_nan = np.where(TEST > 2, np.nan, TEST)
    for function in judge(with_nan):
        with pytest.raises(ValueError, match="X_test must be finite, but has"):
            function()


def test_of_dates_are_refused_by_the_name_of_the_rows():
    pd = pytest.importorskip("pandas")
    train, test = (
        pd.DataFrame({"a": X[:, 0], "t": pd.date_range("2020", periods=len(X))})
        for X in (TRAIN, TEST)
    )
    with pytest.raises(
        TypeError, match=r"X_train must hold numbers, but X_train\['t'\] holds dat"
    ):
        evaluate(MODEL, train, test)
    with pytest.raises(
        TypeError, match=r"X_test must hold numbers, but X_test\['t'\] holds dat"
    ):
        compare([MODEL, MODEL], test)


def test_that_few_samples_leave_out_are_not_to_be_collected():
    (said,) = evaluate(TRUTH, TRAIN, TEST, n_samples=6, n_bootstrap=2).not_judged
    assert "6 held-out rows are too few. Raise n_samples, to use more of the 40" in said
    (said,) = evaluate(TRUTH, TRAIN, TEST[:6], n_bootstrap=2).not_judged
    assert "6 held-out rows are too few. Hold out more rows." in said


def test_of_another_width_are_refused_by_the_name_of_the_model():
    words = "features as samples of GaussianMixture, got 3 and 2. Pass rows like"
    wide = make_rows(60, d=3)
    with pytest.raises(ValueError, match=words):
        evaluate(MODEL, wide, wide)
    with pytest.raises(ValueError, match=words):
        compare([MODEL, MODEL], wide)
    with pytest.raises(ValueError, match=words):
        make_sample_scorer("coverage", on_error="raise")(MODEL, wide)


def test_a_map_to_one_number_is_told_to_return_a_column():
    with pytest.raises(ValueError, match=r"one feature with reshape\(-1, 1\)"):
        evaluate(MODEL, TRAIN, TEST, features=lambda X: X[:, 0])
