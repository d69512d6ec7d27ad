import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeClassifier
from tables import in_polars, make_table

from skvae.metrics import TableFeatures, train_on_synthetic_test_on_real


def linear_sets(seed=0):
    rng = np.random.default_rng(seed)
    sets = [rng.normal(size=(n, 3)) for n in (60, 50, 40)]
    for X in sets:
        X[:, 1] = X[:, 0] - X[:, 2] + rng.normal(size=len(X))
    return sets


def test_scores_are_those_of_estimators_fitted_to_the_drawn_rows():
    sets = linear_sets()
    found = train_on_synthetic_test_on_real(
        *sets, target=1, estimator=LinearRegression(), n_repeats=3,
        random_state=np.random.RandomState(5),
    )  # fmt: skip
    rng, scores = np.random.RandomState(5), []
    X_test, y_test = sets[2][:, [0, 2]], sets[2][:, 1]
    for _ in range(3):
        rng.randint(2**31 - 1)  # the seed of the estimators
        draws = [rng.choice(len(A), 40, replace=False) for A in sets[:2]]
        for A, rows in zip(sets[:2], draws, strict=True):
            model = LinearRegression().fit(A[rows][:, [0, 2]], A[rows, 1])
            scores.append(r2_score(y_test, model.predict(X_test)))
    real, new = np.reshape(scores, (3, 2)).T
    np.testing.assert_allclose(found.scores, new)
    np.testing.assert_allclose(found.scores_real, real)
    assert found.value == pytest.approx(new.mean())
    assert found.real == pytest.approx(real.mean())
    assert found.difference == pytest.approx((new - real).mean())
    assert found.difference_std == pytest.approx((new - real).std(ddof=1))
    assert found[-2:] == (40, 40)


def test_samples_without_the_relation_are_worth_less():
    real, new, test = linear_sets()
    new[:, 1] = new[::-1, 1]
    options = {"target": 1, "estimator": LinearRegression(), "random_state": 0}
    found = train_on_synthetic_test_on_real(real, new, test, **options)
    assert found.difference < -0.3
    assert found.difference_std > 0
    copies = train_on_synthetic_test_on_real(real, real, test, **options)
    assert abs(copies.difference) < 3 * copies.difference_std
    one = train_on_synthetic_test_on_real(real, new, test, n_repeats=1, **options)
    assert np.isnan(one.difference_std)


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_a_table_is_seen_by_its_features(library):
    frames = [make_table(120, i).assign(smokes=None) for i in range(3)]
    for frame in frames:  # what can be learned from gaps, too
        frame["smokes"] = frame["age"].isna()
    tables = [library(frame) for frame in frames]
    tables[1] = tables[1][list(tables[1].columns[::-1])]
    options = {"target": "smokes", "random_state": 0}
    tree = DecisionTreeClassifier()
    found = train_on_synthetic_test_on_real(*tables, estimator=tree, **options)
    assert found.value == found.real == 1
    assert not hasattr(tree, "tree_")
    names = [name for name in tables[0].columns if name != "smokes"]
    features = TableFeatures().fit(tables[0][names])
    arrays = [
        np.column_stack([features.transform(t[names]), np.asarray(t["smokes"])])
        for t in tables
    ]
    model, last = LogisticRegression(), arrays[0].shape[1] - 1
    found = train_on_synthetic_test_on_real(*tables, estimator=model, **options)
    options["target"] = last
    expected = train_on_synthetic_test_on_real(*arrays, estimator=model, **options)
    assert found.value == pytest.approx(expected.value)


def test_defaults_and_scoring():
    frames = [make_table(90, i) for i in range(3)]
    once = {"n_repeats": 1, "random_state": 0}
    number = train_on_synthetic_test_on_real(*frames, target="children", **once)
    assert number.real < 0.5  # R^2 of noise
    category = train_on_synthetic_test_on_real(*frames, target="size", **once)
    assert category.real > 0.7  # the accuracy: sizes follow from ages
    options = {"target": "smokes", "scoring": "balanced_accuracy"}
    dummy = DummyClassifier()
    chance = train_on_synthetic_test_on_real(*frames, estimator=dummy, **options)
    assert chance.value == chance.real == 0.5


def test_bad_arguments():
    frames = [make_table(30, i) for i in range(3)]
    with pytest.raises(ValueError, match=r"'target'.* a column of X_real. Got 'kg'"):
        train_on_synthetic_test_on_real(*frames, target="kg")
    with pytest.raises(ValueError, match=r"'age' of X_real, the target.* gaps, but"):
        train_on_synthetic_test_on_real(*frames, target="age")
    with pytest.raises(TypeError, match=r"'estimator'.* Got 'tree'"):
        train_on_synthetic_test_on_real(*frames, target="size", estimator="tree")
    with pytest.raises(ValueError, match=r"n_repeats.* >= 1. Got 0"):
        train_on_synthetic_test_on_real(*frames, target="size", n_repeats=0)
