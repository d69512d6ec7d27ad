"""A density fitted to some rows, and its scores of the others."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skvae._utils.arrays import FloatArray
from skvae._utils.columns import take_rows
from skvae._utils.validation import check_integer
from skvae.densities._adapter import is_gaussian_kernels, score_density

# Stands for an infinite score, so that thresholds and differences are finite.
_LARGEST = 1e300


def log_density(estimator: Any, X: Any) -> FloatArray:
    """Scores of rows in float64; infinite ones are cut off at 1e300.

    Raises
    ------
    ValueError
        If there is not one number for every row.
    """
    with sklearn.config_context(array_api_dispatch=False):  # rows are NumPy arrays
        scores = np.asarray(_scores(estimator, X), dtype=np.float64)
    name, n = type(estimator).__name__, X.shape[0]
    if scores.shape != (n,):
        raise ValueError(
            f"score_samples of {name} must return one number for each of the {n} rows, "
            f"shape ({n},), got shape {scores.shape}. Mend {name}."
        )
    if np.isnan(scores).any():
        row = int(np.argmax(np.isnan(scores)))
        raise ValueError(
            f"score_samples of {name} must return numbers, but returns NaN for "
            f"{np.isnan(scores).sum()} of {n} rows, the first of them row {row}. Leave "
            "such rows out, or choose a density that can score them."
        )
    return np.clip(scores, -_LARGEST, _LARGEST)


def _scores(estimator: Any, X: Any) -> Any:
    """Return ``score_samples(X)``, which scikit-learn's kernels get wrong."""
    if isinstance(estimator, FrozenEstimator):
        return _scores(estimator.estimator, X)
    if isinstance(estimator, Pipeline) and is_gaussian_kernels(estimator[-1]):
        return _scores(estimator[-1], estimator[:-1].transform(X))
    if is_gaussian_kernels(estimator):
        return score_density(estimator, np.asarray(X, dtype=np.float64))
    return estimator.score_samples(X)


def fit_and_score(
    estimator: Any, X: Any, cv: Any, seed: int
) -> tuple[list[Any], FloatArray]:
    """Fit a density once for every split, and score the rows that it was not fitted to.

    Parameters
    ----------
    estimator : object
        A FrozenEstimator has been fitted to other rows: it scores all of X.
    X : array or data frame
    cv : int or cross-validation generator
    seed : int

    Returns
    -------
    estimators : list
        Fitted ones.
    scores : ndarray
        Of held-out rows, in ascending order.
    """
    if isinstance(estimator, FrozenEstimator):
        check_is_fitted(estimator)
        return [estimator], np.sort(log_density(estimator, X))
    fitted, scores = [], []
    for train, test in _splits(X.shape[0], cv, seed):
        with sklearn.config_context(array_api_dispatch=False):
            fitted.append(clone(estimator).fit(take_rows(X, train)))
        scores.append(log_density(fitted[-1], take_rows(X, test)))
    return fitted, np.sort(np.concatenate(scores))


def _splits(n: int, cv: Any, seed: int) -> list[tuple[Any, Any]]:
    splits = list(_splitter(cv, seed).split(np.zeros((n, 1))))
    held_out = np.concatenate([test for _, test in splits])
    if len(np.unique(held_out)) < len(held_out):
        raise ValueError(
            "The 'cv' parameter of DensityOutlierDetector must hold out no row more "
            f"than once, since p-values count rows, but {cv!r} does. Take an integer, "
            "a KFold, or one split."
        )
    return splits


def _splitter(cv: Any, seed: int) -> Any:
    if cv is None or isinstance(cv, Real):
        n_folds = check_integer("DensityOutlierDetector", "cv", cv, 2)
        return KFold(n_folds, shuffle=True, random_state=seed)
    return check_cv(cv)
