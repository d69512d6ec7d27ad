"""Log-likelihoods of NaN or -inf are told, everywhere, and leak no warnings."""

import re
import warnings

import numpy as np
import pytest
from compared_models import Normal, make_rows

from skvae import evaluate
from skvae.evaluation import compare, evaluate_likelihood
from skvae.scorers import get_scorer, make_sample_scorer

TRAIN, TEST = make_rows(60), make_rows(40, seed=1)
TEST[7], TEST[12] = (3.5, 0.0), (3.6, 0.0)
AT_7 = r"score_samples of Holed gives {} for 2 of {} rows of {}, such as {}\[7\]"


class Holed(Normal):
    """A normal density that gives rows far to the right a score of its own."""

    def __init__(self, score=np.nan, d=2):
        super().__init__(d=d)
        self.score = score

    def score_samples(self, X):
        return np.where(np.asarray(X)[:, 0] > 3.4, self.score, super().score_samples(X))


class Column(Normal):
    def score_samples(self, X):
        return super().score_samples(X)[:, None]


NAN, EXCLUDES, SURE = (Holed(score).fit() for score in (np.nan, -np.inf, np.inf))


@pytest.fixture(autouse=True)
def no_numpy_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def said(text, kind, n=40, name="X_test"):
    return re.search(AT_7.format(kind, n, name, name), text)


@pytest.mark.parametrize(("model", "kind"), [(NAN, "NaN"), (SURE, "inf")])
def test_unknown_ones_are_not_judged(model, kind):
    found = evaluate(model, TRAIN, TEST, n_bootstrap=2)
    assert np.isnan(found["log_likelihood"].value)
    assert not found.findings
    assert any(said(text, kind) for text in found.not_judged), found.not_judged


def test_minus_infinity_is_a_finding():
    found = evaluate(EXCLUDES, TRAIN, TEST, n_bootstrap=2)
    assert found["log_likelihood"].value == -np.inf
    assert np.isnan(found["log_likelihood"].low)
    assert found.findings[0].startswith("Impossible rows: ")
    assert said(found.findings[0], "-inf")
    assert not any("score_samples" in text for text in found.not_judged)


def test_a_mixture_of_infinities_is_not_judged():
    class Both(Holed):
        def score_samples(self, X):
            scores = super().score_samples(X)
            scores[np.isinf(scores).nonzero()[0][1:]] = np.inf
            return scores

    found = evaluate(Both(-np.inf).fit(), TRAIN, TEST, n_bootstrap=2)
    assert np.isnan(found["log_likelihood"].value)
    assert "gives -inf or inf for 2 of 40" in " ".join(found.not_judged)


def test_rows_are_named_by_their_place_in_what_was_passed():
    found = evaluate(EXCLUDES, TRAIN, TEST, n_samples=39, n_bootstrap=2)
    (row,) = re.findall(r"such as X_test\[(\d+)\]", found.findings[0])
    assert int(row) in (7, 12)


def test_nan_of_training_rows_is_not_judged():
    found = evaluate(NAN, TEST, TRAIN, n_bootstrap=2)
    assert "gives NaN for training rows" in " ".join(found.not_judged)
    assert np.isfinite(found["log_likelihood"].value)


def test_finite_scores_are_judged():
    found = evaluate(Normal().fit(), TRAIN, TEST, n_bootstrap=2)
    assert np.isfinite(found["log_likelihood"].low)
    assert "score_samples" not in str(found)


@pytest.mark.parametrize(("model", "kind"), [(NAN, "NaN"), (EXCLUDES, "-inf")])
def test_are_not_compared(model, kind):
    for models in ([model, Normal().fit()], [Normal().fit(), model]):
        found = compare(models, TEST, n_bootstrap=2)
        assert any(said(text, kind) for text in found.not_compared)


@pytest.mark.parametrize(
    ("model", "kind"), [(NAN, "NaN"), (EXCLUDES, "-inf"), (SURE, "inf")]
)
def test_have_no_mean(model, kind):
    words = AT_7.format(kind, 40, "X", "X")
    with pytest.raises(ValueError, match=words):
        evaluate_likelihood(model, TEST)
    for name in ("log_likelihood", "elbo", "neg_nll", "neg_bits_per_dimension"):
        with pytest.warns(UserWarning, match=words):
            assert np.isnan(get_scorer(name)(model, TEST))


def test_of_another_shape_are_refused():
    model = Column().fit()
    words = r"score_samples of Column must .* each of the 40 rows, .* got shape \(40, 1"
    for function in (
        lambda: evaluate(model, TRAIN, TEST, n_bootstrap=2),
        lambda: compare([model, Normal().fit()], TEST, n_bootstrap=2),
        lambda: evaluate_likelihood(model, TEST),
        lambda: make_sample_scorer("log_likelihood", on_error="raise")(model, TEST),
    ):
        with pytest.raises(ValueError, match=words.replace("40", r"\d+")):
            function()
