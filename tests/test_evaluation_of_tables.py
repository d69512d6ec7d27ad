"""Reports on models of data frames with categories and gaps."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import small
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from tables import Truth, errors_of_rows, in_polars, make_table

from skvae import evaluate
from skvae.evaluation import compare, evaluate_likelihood, rate_decomposition
from skvae.evaluation._reading import as_numbers
from skvae.evaluation._tables import error_of_pca, error_of_usual_values
from skvae.metrics import TableFeatures

pytestmark = pytest.mark.filterwarnings(
    "ignore:Column .* `fit` has not seen",
    "ignore:The Fréchet distance",
    "ignore:The mutual information",
)
TRAIN, TEST = make_table(150, 0), make_table(80, 1)
FEW = {"n_bootstrap": 0}


@pytest.fixture(scope="module")
def vae():
    return small(max_epochs=5, random_state=0).fit(TRAIN)


@pytest.fixture(scope="module")
def report(vae):
    return evaluate(vae, TRAIN, TEST, **FEW)


def test_errors_of_reconstructions_are_in_units_of_training_rows(vae, report):
    squared = errors_of_rows(TEST, vae.reconstruct(TEST), TRAIN)
    row = report["reconstruction_error"]
    assert row.value == pytest.approx(np.sqrt(squared.mean()), rel=1e-6)
    assert "standard deviations, 1 for another category, without gaps" in row.meaning


def test_they_are_compared_with_those_of_usual_values():
    usual = pd.DataFrame(index=TEST.index)
    for name in TRAIN:
        values = TRAIN[name]
        is_number = name in ("age", "children", "visits")
        usual[name] = values.mean() if is_number else values.mode()[0]
    without_order = [name for name in TRAIN if name != "size"]
    expected = errors_of_rows(TEST[without_order], usual[without_order], TRAIN)
    table = TableFeatures().fit(TRAIN[without_order])
    rows = TRAIN[without_order], TEST[without_order]
    found = error_of_usual_values(table, *rows)
    assert found == pytest.approx(np.sqrt(expected.mean()))
    # A PCA with all components has no error, one with few a smaller one.
    assert error_of_pca(table, *rows, 30) == pytest.approx(0, abs=1e-6)
    assert 0.01 < error_of_pca(table, *rows, 3) < found


def test_likelihoods_are_those_of_the_model(vae, report):
    scores = vae.score_samples(TEST)
    assert report["log_likelihood"].value == pytest.approx(scores.mean())
    found = evaluate_likelihood(vae, TEST)
    assert found.nll == pytest.approx(-scores.mean())
    bits = found.nll / 7 / np.log(2)
    assert (found.n_features, found.bits_per_dimension) == (7, pytest.approx(bits))
    parts = rate_decomposition(vae, TEST, random_state=0)
    assert parts.rate.value > found.nll - 0.5
    for function in (evaluate_likelihood, rate_decomposition):
        with pytest.raises(ValueError, match="divisor must be 1 for a model of prob"):
            function(vae, TEST, divisor=255)


@pytest.mark.slow
def test_columns_are_found_by_name(vae, report):
    backwards = [X[X.columns[::-1]] for X in (TRAIN, TEST)]
    assert str(evaluate(vae, *backwards, **FEW)) == str(report)
    with pytest.raises(ValueError, match=r"X_test must have the columns.*'ward'"):
        evaluate(vae, TRAIN, TEST.drop(columns="ward"), **FEW)
    found = [str(compare([vae, vae], X, **FEW)) for X in (TEST, backwards[1])]
    assert found[0] == found[1]


def test_it_says_what_is_not_judged(report):
    said = "held-out rows against a Gaussian, and correlations of categories; the rows"
    assert any(said in sentence for sentence in report.not_judged)


@pytest.mark.slow
def test_the_same_table_in_polars_has_the_same_report():
    tables = [X.drop(columns=["size", "ward"]) for X in (TRAIN, TEST)]
    reports = []
    for rows in (tables, [in_polars(X) for X in tables]):
        model = small(max_epochs=2, random_state=0).fit(rows[0])
        reports.append(evaluate(model, *rows, **FEW))
    for one, other in zip(reports[0].rows, reports[1].rows, strict=True):
        assert one.value == pytest.approx(other.value, rel=0.02, abs=1e-3)


def with_faults(table):
    rng = np.random.default_rng(len(table))
    red = rng.random(len(table)) < 0.95
    return table.assign(
        colour=np.where(red, "red", table["colour"]),
        age=table["age"] + 100,
        visits=rng.permutation(table["visits"]),
    )


def test_findings_name_columns_and_their_values():
    train, test = make_table(600, 0), make_table(400, 1)
    report = evaluate(Truth(change=with_faults).fit(train), train, test, **FEW)
    (said,) = [text for text in report.findings if text.startswith("Wrong columns")]
    assert "2 of 7 columns" in said
    pattern = (
        "column age has mean (.+) and standard deviation (.+) in samples, (.+) and"
    )
    moments = [float(x) for x in re.search(pattern, said.split(";")[0]).groups()]
    assert moments == pytest.approx([150, 10, 50], rel=0.05)
    pattern = r"column colour is 'red' in (\d+)% of samples, (\d+)% of the data"
    shares = [float(x) for x in re.search(pattern, said).groups()]
    assert shares == pytest.approx([0.9 * 97, 30], abs=5)  # a tenth are gaps


@pytest.mark.parametrize("gaps", [0, 0.1])
def test_the_truth_has_no_findings(gaps):
    train, test = make_table(300, 0), make_table(200, 1)
    report = evaluate(Truth(gaps=gaps).fit(train), train, test, **FEW)
    assert report.findings == ()


def independent(table):
    rng = np.random.default_rng(len(table))
    sizes = table["size"].take(rng.permutation(len(table)))
    return table.assign(size=sizes.array)


def test_lost_correlations_are_those_of_numbers_and_orders():
    train, test = make_table(600, 0), make_table(400, 1)
    report = evaluate(Truth(change=independent).fit(train), train, test, **FEW)
    (said,) = [text for text in report.findings if text.startswith("Lost corr")]
    assert "2 of 4 columns" in said
    assert "column age and column size have" in said
    assert "colour" not in said


class Copier(BaseEstimator):
    """Draws training rows, gaps included."""

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.rows_.sample(n_samples, replace=True, random_state=random_state)


def test_copies_of_rows_are_found():
    report = evaluate(Copier().fit(TRAIN), TRAIN, TEST, **FEW)
    assert report["exact_copies"].value == 1
    assert any(text.startswith("Copying") for text in report.findings)


def test_gaps_are_values_of_their_own_in_copies():
    X = pd.DataFrame({"a": [0.0, np.nan, 3], "b": ["x", "x", None]})
    (codes,) = as_numbers(X)
    assert len({row.tobytes() for row in codes}) == 3
    one, other = as_numbers(X, X[::-1])
    np.testing.assert_array_equal(one, other[::-1])
    (numbers,) = as_numbers(X[["a"]])
    assert np.isfinite(numbers).all()


@pytest.mark.slow
def test_models_of_tables_are_compared(vae):
    other = small(max_epochs=1, n_components=1, random_state=0).fit(TRAIN)
    found = compare([vae, other], TEST, n_bootstrap=4)
    paired = vae.score_samples(TEST) - other.score_samples(TEST)
    assert found["log_likelihood"].difference == pytest.approx(paired.mean())
    errors = [errors_of_rows(TEST, m.reconstruct(TEST), TEST) for m in (vae, other)]
    expected = np.subtract(*(np.sqrt(e.mean()) for e in errors))
    assert found["reconstruction_error"].difference == pytest.approx(expected, rel=1e-5)
    assert found.not_compared == ()


def test_probabilities_and_densities_of_one_value_are_not_compared():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
    whole = X.assign(a=X["a"].round())
    words = "a probability under one model and a density"
    for rows, reason in ((X, ""), (whole, words)):
        scores = small(max_epochs=1, random_state=0).fit(rows)
        mixture = GaussianMixture(1).fit(rows)
        (*found,) = compare([scores, mixture], rows, n_bootstrap=0).not_compared
        of_likelihood = [text for text in found if "log_likelihood" in text]
        assert bool(of_likelihood) == bool(reason)
        assert all(reason in text for text in of_likelihood)


def test_samples_are_draws_unless_means_are_asked_for(vae, report):
    assert str(evaluate(vae, TRAIN, TEST, mean=False, **FEW)) == str(report)
    assert str(evaluate(vae, TRAIN, TEST, mean=True, **FEW)) != str(report)
    found = [str(compare([vae, vae], TEST, mean=m, **FEW)) for m in (None, False, True)]
    assert found[0] == found[1] != found[2]
