"""Every estimator takes a mixed table and gives one back, in pandas and in polars."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import has_score, small
from mixed_frames import (
    FAMILIES,
    FAMILY_IDS,
    LIBRARIES,
    assert_equal,
    assert_like,
    make_frame,
)
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAE
from skvae.densities import ClassConditionalDensity
from skvae.likelihoods import NormalScoresLikelihood

FRAME = make_frame()


@pytest.fixture(scope="module", params=LIBRARIES)
def X(request):
    return LIBRARIES[request.param](FRAME)


@pytest.fixture(scope="module", params=FAMILIES, ids=FAMILY_IDS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def model(family, X):
    cls, options = family
    return small(cls, **options).fit(X)


# ----------------------------------------------------------------- rows that come back


def test_rows_come_back_as_a_frame(model, X):
    codes = model.transform(X)
    assert_like(model.sample(7, random_state=0), X, 7)
    assert_like(model.sample(7, mean=True, random_state=0), X, 7)
    assert_like(model.reconstruct(X), X)
    assert_like(model.inverse_transform(codes), X)
    pd.testing.assert_frame_equal(
        as_pandas(model.inverse_transform(codes)), as_pandas(model.reconstruct(X))
    )


def as_pandas(X):
    return pd.DataFrame({name: list(X[name]) for name in X.columns})


def test_imputed_frames_keep_what_is_observed(model, X):
    frames = [model.impute(X)]
    if not model.module_.posterior.deterministic:
        frames += model.sample_missing(X, 3, random_state=0)
        assert len(frames) == 4
    given = as_pandas(X)
    for frame in frames:
        assert_like(frame, X)
        filled = as_pandas(frame)
        assert not filled.isna().any().any()
        kept = filled.where(given.notna())
        for name in given:
            a, b = given[name].dropna(), kept[name][given[name].notna()]
            assert a.tolist() == b.tolist(), name


def test_values_are_those_of_the_training_rows(model, X):
    S = as_pandas(model.sample(200, random_state=1))
    given = as_pandas(X)
    for name in ("city", "grade", "member"):
        assert set(S[name]) <= set(given[name].dropna())
    for name, decimals in (("age", 0), ("income", 2), ("spent", 3)):
        assert (S[name].round(decimals) == S[name]).all()
        assert S[name].between(given[name].min(), given[name].max()).all()
    assert (S["spent"] == 0).mean() > 0.1


def test_scores_are_finite(model, X):
    if has_score(model):
        assert np.isfinite(model.score_samples(X)).all()
        assert np.isfinite(model.score(X))


def test_pandas_and_polars_give_the_same_model(family):
    cls, options = family
    frame = FRAME.copy()
    frame["grade"] = frame["grade"].cat.as_unordered()  # as all of polars are
    frames = [make(frame) for make in LIBRARIES.values()]
    models = [small(cls, **options).fit(rows) for rows in frames]
    codes = [m.transform(rows) for m, rows in zip(models, frames, strict=True)]
    np.testing.assert_array_equal(*codes)
    S = [as_pandas(m.sample(9, random_state=0)) for m in models]
    pd.testing.assert_frame_equal(*S)


def test_the_same_seed_gives_the_same_rows(model, family, X):
    cls, options = family
    other = small(cls, **options).fit(X)
    assert_equal(other.sample(9, random_state=3), model.sample(9, random_state=3))
    np.testing.assert_array_equal(other.transform(X), model.transform(X))


# ------------------------------------------------------------------- fitting in steps


def test_fits_go_on_with_the_columns_they_began_with(family, X):
    cls, options = family
    model = small(cls, **options, warm_start=True).fit(X)
    assert_like(model.fit(X[:50]).sample(3), X, 3)
    assert model.n_epochs_ == 6
    chunks = small(cls, **options).partial_fit(X[:40])
    assert_like(chunks.partial_fit(X[40:]).sample(3), X, 3)
    assert chunks.n_epochs_ == 2


def test_chunks_with_categories_that_are_new_are_said(family):
    cls, options = family
    new = FRAME[40:].copy()
    new.loc["row 50", "city"] = "derby"
    model = small(cls, **options).partial_fit(FRAME[:40])
    with pytest.warns(UserWarning, match="'city' of X has 'derby'.* in 1 row"):
        model.partial_fit(new)
    assert set(model.sample(200)["city"]) <= {"ames", "bonn", "cork"}


def test_rows_to_validate_on_may_be_frames(family, X):
    cls, options = family
    model = small(cls, **options).fit(X[:60], X_val=X[60:])
    assert np.isfinite(model.history_["validation_loss"]).all()
    assert_like(model.sample(3), X, 3)


# ------------------------------------------------------------- copies and scikit-learn


def test_copies_are_the_same_model(model, X):
    expected = model.sample(9, random_state=0)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_equal(twin.sample(9, random_state=0), expected)
        assert_equal(twin.reconstruct(X), model.reconstruct(X))
        np.testing.assert_array_equal(twin.transform(X), model.transform(X))
    assert not hasattr(clone(model), "module_")
    assert clone(model)._table is None


def test_codes_have_the_container_that_is_asked_for(family, X):
    cls, options = family
    library = type(X).__module__.partition(".")[0]
    model = small(cls, **options).set_output(transform=library).fit(X)
    codes = model.transform(X)
    assert type(codes) is type(X)
    assert [*codes.columns] == [f"{cls.__name__.lower()}{i}" for i in range(2)]
    assert_like(model.inverse_transform(codes), X)


def test_codes_of_pandas_keep_their_index(family):
    cls, options = family
    model = small(cls, **options).set_output(transform="pandas").fit(FRAME)
    codes = model.transform(FRAME)
    assert codes.index.equals(FRAME.index)
    assert model.inverse_transform(codes).index.equals(FRAME.index)
    assert model.reconstruct(FRAME).index.equals(FRAME.index)
    assert model.impute(FRAME).index.equals(FRAME.index)
    assert model.sample(3).index.equals(pd.RangeIndex(3))


def test_pipelines_take_tables(family, X):
    cls, options = family
    pipeline = make_pipeline(small(cls, **options), StandardScaler()).fit(X)
    codes = pipeline.transform(X)
    assert codes.shape == (80, 2)
    assert_like(pipeline.inverse_transform(codes), X)


def test_searches_take_tables(X):
    grid = {
        "likelihood": ["auto", "gaussian", NormalScoresLikelihood("predicted")],
        "latent_density": [None, GaussianMixture(2)],
    }
    search = GridSearchCV(small(max_epochs=2), grid, cv=2, error_score="raise")
    search.fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_like(search.best_estimator_.sample(3), X, 3)


def test_latent_densities_of_classes_take_tables(X):
    y = np.array(X["member"])
    model = small(latent_density=ClassConditionalDensity(), max_epochs=20).fit(X, y)
    rows = model.sample(300, True, random_state=0)
    assert_like(rows, X, 300)
    others = model.sample(300, False, random_state=0)
    assert rows["age"].mean() > others["age"].mean() + 2
    assert_like(model.of_class(True).sample(3), X, 3)
    assert np.isfinite(model.score_samples(X, y)).all()


def test_another_density_can_be_fitted_to_tables(X):
    model = small().fit(X).set_params(latent_density=GaussianMixture(2))
    assert_like(model.fit_latent_density(X).sample(3), X, 3)


def test_half_precision_takes_tables(X):
    model = small(precision="bfloat16").fit(X)
    assert_like(model.sample(3), X, 3)
    assert np.isfinite(model.score_samples(X)).all()


def test_noise_of_the_input_is_refused_where_it_has_no_unit(no_training):
    for likelihood in ("auto", "gaussian", "normal_scores"):
        with pytest.raises(ValueError, match=r"'input_noise'.*Set input_noise=0"):
            small(likelihood=likelihood, input_noise=0.1).fit(FRAME)
    X = np.random.default_rng(0).integers(0, 3, (40, 3))
    with pytest.raises(ValueError, match=r"'input_noise'.*CategoricalLikelihood"):
        small(likelihood="categorical", input_noise=0.1).fit(X)


def test_noise_of_the_input_is_that_of_numbers_in_frames_of_them():
    X = FRAME[["age", "spent"]]
    model = small(input_noise=0.1, likelihood="gaussian").fit(X)
    assert_like(model.sample(3), X, 3)


@pytest.mark.slow
def test_thousands_of_categories_take_little_time_and_memory():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "x": rng.standard_normal(5000),
            "name": np.char.add("n", rng.integers(0, 2000, 5000).astype(str)),
            "kind": rng.choice(["a", "b"], 5000),
        }
    )
    model = VAE(8, max_epochs=3, random_state=0).fit(X)
    n_levels = X["name"].nunique()
    assert model.likelihood_.n_outputs(3) == n_levels + 3
    values = sum(p.numel() for p in model.module_.parameters())
    width = 512 if values > 2e6 else 256
    assert values < 4 * width * (n_levels + 3) + 10 * width**2
    S = model.sample(5000, random_state=0)
    assert S["name"].nunique() > 1000
    assert np.isfinite(model.score_samples(X[:200])).all()
