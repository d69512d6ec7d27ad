"""What scorers hand to the metrics: which rows, which options, which figure."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skvae import make_sample_scorer, metrics

X = np.random.RandomState(0).normal(size=(200, 4))
X_TRAIN, X_TEST = X[:120], X[120:]


class Repeating(BaseEstimator):
    """Returns the same rows in every draw."""

    def __init__(self, rows=None):
        self.rows = rows

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.rows[:n_samples]


def repeating(rows):
    return Repeating(rows).fit(rows)


def score(metric, rows, **options):
    scorer = make_sample_scorer(metric, n_samples=len(rows), **options)
    return scorer(repeating(rows), X_TEST)


@pytest.mark.parametrize("metric", ["authenticity", "neg_abs_data_copying"])
def test_held_out_rows_are_no_training_rows(metric):
    """Samples next to held-out rows copy nothing, though all rows were passed."""
    samples = X_TEST + 1e-6
    given_all = score(metric, samples, X_train=X)
    given_others = score(metric, samples, X_train=X_TRAIN)
    assert given_all == given_others
    if metric == "authenticity":
        assert given_all == metrics.authenticity(X_TRAIN, samples).value > 0.2


def test_copies_of_either_sort_are_as_far_from_zero():
    """The test is two-sided: too near and too far both count against a model."""
    near = score("neg_abs_data_copying", X_TRAIN[:80] + 1e-6, X_train=X_TRAIN)
    far = score("neg_abs_data_copying", X_TEST * 3, X_train=X_TRAIN)
    assert near < -2
    assert far < -2


def test_two_sample_accuracy_is_judged_on_both_sets():
    """A clump in the middle is next to all real rows: 0 and 1 do not make one half."""
    clump = 1e-3 * np.random.RandomState(1).normal(size=(80, 200))
    real = np.random.RandomState(0).normal(size=(80, 200))
    accuracy = metrics.one_nearest_neighbour_accuracy(real, clump)
    assert (accuracy.value, accuracy.real, accuracy.generated) == (0.5, 0, 1)
    scorer = make_sample_scorer("neg_abs_nearest_neighbour_accuracy")
    assert scorer(repeating(clump), real) == -0.5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernel": "imq"},
        {"kernel": "polynomial"},
        {"kernel": "rbf"},
        {"bandwidth": 3.0},
        {"kernel": "imq", "bandwidth": 3.0},
        {"estimator": "biased"},
    ],
)
def test_options_of_the_discrepancy_are_those_of_the_metric(options):
    samples = np.random.RandomState(2).normal(size=(70, 4)) * 1.5
    given = score(
        "neg_mmd", samples, metric_params={"maximum_mean_discrepancy": options}
    )
    expected = metrics.maximum_mean_discrepancy(X_TEST, samples, **options).value
    assert given == pytest.approx(-expected, rel=1e-12)


def test_every_purpose_has_a_seed_of_its_own_and_keeps_it():
    scorer = make_sample_scorer("coverage", random_state=3)
    trials = [scorer._trial(repeating(X_TRAIN), X_TEST) for _ in range(2)]
    seeds = [[t.seed_for(p) for p in ("sample", "equal", "other")] for t in trials]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3
