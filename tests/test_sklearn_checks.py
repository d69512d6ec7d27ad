"""The battery: every estimator, with every part, passes scikit-learn's checks."""

import numpy as np
import pytest
import sklearn
from conftest import (
    ESTIMATORS,
    describe,
    small,
    small_estimators,
    small_vaes_with_parts,
)
from labelled_models import small_labelled_estimators
from sklearn.base import clone
from sklearn.utils import estimator_checks
from supports import is_bounded, taken_by


class _Rescaled:
    """Puts any real data on levels in [0, 1], or makes counts or categories of them."""

    def _validate(self, X, *args, **kwargs):
        X = super()._validate(X, *args, **kwargs).astype(np.float64)
        share = 1 / (1 + np.exp(-X / 30))
        if getattr(self.likelihood, "is_nominal", False):
            return np.where(np.isfinite(X), share > 0.5, X)
        levels = np.round(255 * share) / 255  # of 8 bits
        return np.where(np.isfinite(X), taken_by(self, levels), X)


def _rescaled(cls):
    name = f"Rescaled{cls.__name__}"
    globals()[name] = type(name, (_Rescaled, cls), {"__module__": __name__})
    return globals()[name]


RESCALED = {cls: _rescaled(cls) for cls in ESTIMATORS}


def _accept_any_data(estimator):
    """Return the estimator, or its rescaling subclass if it refuses real numbers."""
    params = estimator.get_params(deep=False)
    likelihood = params.get("likelihood")
    if isinstance(likelihood, str):
        return estimator
    if not (is_bounded(likelihood) or likelihood.is_nominal):
        return estimator
    return RESCALED[type(estimator)](**params)


def _checks(variant):
    """Return scikit-learn's checks of an estimator, as parameters of a test."""
    estimator = _accept_any_data(variant).set_params(max_epochs=2)
    name = describe(estimator)
    return [
        pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")
        for estimator, check in estimator_checks.estimator_checks_generator(estimator)
    ]


@pytest.mark.parametrize(
    ("estimator", "check"), [c for v in small_estimators() for c in _checks(v)]
)
@pytest.mark.filterwarnings("error::sklearn.exceptions.SkipTestWarning")
def test_estimator_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        c
        for v in [*small_vaes_with_parts(), *small_labelled_estimators()]
        for c in _checks(v)
    ],
)
@pytest.mark.filterwarnings("error::sklearn.exceptions.SkipTestWarning")
def test_estimator_with_any_part_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_estimator_at_its_defaults_passes_every_check(cls):
    estimator = cls(max_epochs=2)  # whatever their number, epochs run the same code
    results = estimator_checks.check_estimator(estimator, on_skip=None, on_fail=None)
    problems = [(r["check_name"], r["exception"]) for r in results if r["exception"]]
    assert problems == []
    assert {r["status"] for r in results} == {"passed"}


FURTHER_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_inplace_ensure_writeable,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    # Run by scikit-learn on estimators with partial_fit, or without a target.
    estimator_checks.check_estimators_partial_fit_n_features,
    estimator_checks.check_transformers_unfitted,
]


@pytest.mark.parametrize("check", FURTHER_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("variant", [small(c) for c in ESTIMATORS], ids=describe)
def test_estimator_passes_the_checks_of_scikit_learns_own_estimators(variant, check):
    with sklearn.config_context():
        check(type(variant).__name__, clone(variant))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_column_names_are_checked_while_early_stopping_validates(cls):
    estimator = small(cls, early_stopping=True, n_iter_no_change=1)
    estimator_checks.check_dataframe_column_names_consistency(cls.__name__, estimator)


def test_partial_fit_with_other_features_names_both_numbers(X):
    model = small().partial_fit(X)
    with pytest.raises(ValueError, match=r"has 4 features, .* expecting 5 features"):
        model.partial_fit(X[:, :4])
