import numpy as np
import pytest
from scipy.spatial.distance import cdist
from tables import in_polars, make_table

from skvae.metrics import TableFeatures, distance_to_closest_record


def by_hand(X, train):
    ordered = np.sort(cdist(X, train), axis=1)
    with np.errstate(invalid="ignore"):
        ratios = ordered[:, 0] / ordered[:, 1]
    return ordered[:, 0], np.where(ordered[:, 1] == 0, 1.0, ratios)


@pytest.mark.parametrize("library", [np.asarray, lambda X: X.tolist()])
def test_values_are_those_of_all_distances(library):
    rng = np.random.default_rng(0)
    train, test, new = (rng.normal(size=(n, 3)) for n in (50, 40, 30))
    new[:5] = train[:5]
    found = distance_to_closest_record(*map(library, (train, test, new)))
    distances, ratios = by_hand(new, train)
    of_test, ratios_of_test = by_hand(test, train)
    np.testing.assert_allclose(found.distances, distances, atol=1e-12)
    np.testing.assert_allclose(found.ratios, ratios, atol=1e-12)
    near = np.quantile(of_test, 0.05)
    expected = [
        *(np.median(a) for a in (distances, of_test, ratios, ratios_of_test)),
        *(np.mean(a < near) for a in (distances, of_test)),
    ]
    np.testing.assert_allclose(found[:6], expected)
    assert found[-3:] == (50, 40, 30)
    assert found.share_near >= 5 / 30
    assert found.share_near_floor == 0.05


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_tables_are_measured_by_their_features(library):
    train, test, new = (library(make_table(80, i)) for i in range(3))
    features = TableFeatures().fit(train)
    rows = [features.transform(frame) for frame in (train, test, new)]
    found = distance_to_closest_record(train, test, new[list(new.columns[::-1])])
    np.testing.assert_equal(found, distance_to_closest_record(*rows))


def test_copies_are_below_the_floor_and_new_rows_at_it():
    train, test, new = (make_table(300, i) for i in range(3))
    fresh = distance_to_closest_record(train, test, new)
    assert fresh.value == pytest.approx(fresh.floor, rel=0.1)
    assert fresh.ratio == pytest.approx(fresh.ratio_floor, rel=0.1)
    assert fresh.share_near < 0.1
    copies = train.assign(age=train["age"] + 0.1)
    found = distance_to_closest_record(train, test, copies)
    assert found.value < 0.1 * found.floor
    assert found.ratio < 0.1 * found.ratio_floor
    assert found.share_near > 0.95


def test_repeated_training_rows_have_the_ratio_one():
    train = [[0.0], [0.0], [4.0]]
    found = distance_to_closest_record(train, [[1.0]], [[0.0], [1.0], [4.0]])
    np.testing.assert_array_equal(found.ratios, [1, 1, 0])
    np.testing.assert_array_equal(found.distances, [0, 1, 0])


def test_one_training_row_is_too_few():
    with pytest.raises(ValueError, match="X_train must have at least 2 rows"):
        distance_to_closest_record([[0.0]], [[1.0]], [[1.0]])
