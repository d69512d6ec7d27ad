"""The imputer of data frames with categories."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from sklearn.pipeline import make_pipeline
from tables import in_polars, make_table

from skvae import RAE
from skvae.impute import AutoencoderImputer

pytestmark = pytest.mark.filterwarnings(
    "ignore:Column .* `fit` has not seen",
    "ignore:Column 'nothing' of X has no values",
    "ignore:Posterior collapse",
)
TRAIN, TEST = make_table(150, 0), make_table(60, 1)


def imputer(**params):
    return AutoencoderImputer(small(max_epochs=2), random_state=0, **params)


@pytest.mark.parametrize("sample_posterior", [False, True])
def test_frames_come_back_as_they_were_but_without_gaps(sample_posterior):
    rows = TEST.set_index(np.arange(60) * 2)
    filled = imputer(sample_posterior=sample_posterior).fit(TRAIN).transform(rows)
    assert filled.dtypes.equals(TRAIN.dtypes)
    assert filled.index.equals(rows.index)
    assert not filled.isna().any(axis=None)
    there = rows.notna()
    assert filled.where(there).equals(rows.where(there))
    assert filled["colour"].isin(TRAIN["colour"].dropna()).all()
    assert rows.isna().any(axis=None)  # X itself stays as it was


def test_polars_frames_stay_such():
    filled = imputer().fit(in_polars(TRAIN)).transform(in_polars(TEST))
    assert filled.schema == in_polars(TRAIN).schema
    assert filled.null_count().sum_horizontal()[0] == 0


def test_it_fills_in_what_the_model_of_the_frame_does():
    fitted = imputer(n_importance_samples=20).fit(TRAIN)
    expected = fitted.estimator_.impute(TEST, n_importance_samples=20)
    pd.testing.assert_frame_equal(fitted.transform(TEST), expected)
    assert fitted.scaler_ is None


@pytest.mark.slow
def test_categories_are_told_by_other_columns():
    rng = np.random.default_rng(0)
    is_red = rng.random(600) < 0.5
    X = pd.DataFrame(
        {
            "colour": np.where(is_red, "red", "blue"),
            "width": np.where(is_red, 3, -3) + rng.normal(size=600),
            "height": np.where(is_red, 3, -3) + rng.normal(size=600),
        }
    )
    gaps = rng.random(600) < 0.2
    filled = AutoencoderImputer(random_state=0).fit_transform(
        X.assign(colour=X["colour"].mask(gaps))
    )
    assert np.mean(filled["colour"][gaps] == X["colour"][gaps]) > 0.95


@pytest.mark.parametrize("keep", [False, True])
def test_columns_without_values_and_indicators(keep):
    train, test = (X.assign(nothing=np.nan) for X in (TRAIN, TEST))
    fitted = imputer(keep_empty_features=keep, add_indicator=True).fit(train)
    filled = fitted.transform(test)
    assert list(filled.columns) == fitted.get_feature_names_out().tolist()
    kept = [*TRAIN.columns, *(["nothing"] * keep)]
    assert list(filled.columns[: len(kept)]) == kept
    indicators = ["age", "colour", "visits", "nothing"]
    assert list(filled.columns[len(kept) :]) == [
        f"missingindicator_{c}" for c in indicators
    ]
    for name in indicators[:3]:
        expected = test[name].isna().to_numpy()
        np.testing.assert_array_equal(filled[f"missingindicator_{name}"], expected)
    if keep:
        assert filled["nothing"].isna().all()


def test_set_output_keeps_types():
    fitted = imputer().set_output(transform="pandas").fit(TRAIN)
    assert fitted.transform(TEST).dtypes.equals(TRAIN.dtypes)


@pytest.mark.slow
def test_models_of_frames_take_what_it_fills_in():
    pipeline = make_pipeline(imputer(), small(max_epochs=1)).fit(TRAIN)
    assert pipeline.transform(TEST).shape[0] == 60
    assert make_pipeline(imputer(), small(RAE, max_epochs=1)).fit(TRAIN)


def test_arrays_are_refused_after_frames():
    fitted = imputer().fit(TRAIN)
    with pytest.raises(TypeError, match=r"X is of type ndarray\. Pass a frame"):
        fitted.transform(np.zeros((3, 7)))
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(TEST.rename(columns={"age": "years"}))


def test_frames_of_numbers_become_arrays():
    numbers = TRAIN[["age", "children", "smokes"]]
    filled = imputer().fit_transform(numbers)
    assert isinstance(filled, np.ndarray)
    assert not np.isnan(filled).any()
