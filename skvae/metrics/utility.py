"""Use of samples: models trained on them, tested on real rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.metrics import check_scoring

from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.columns import codes_of, is_frame, levels_of
from skvae._utils.random import RandomState, draw_seed, random_state_of
from skvae._utils.validation import check_integer
from skvae.metrics._columns import as_columns
from skvae.metrics._sets import as_sets

_OWNER = "train_on_synthetic_test_on_real"
_SHARE = 0.8


class TrainOnSynthetic(NamedTuple):
    """Scores of models trained on samples and of models trained on real rows."""

    value: float
    """Mean score of models trained on generated rows."""
    real: float
    """Mean score of models trained on real rows."""
    difference: float
    """Mean of `value` less `real`: 0 if samples are as good as real rows."""
    difference_std: float
    """Standard deviation of the difference over the repeats; nan for one."""
    scores: FloatArray
    """Of models trained on generated rows, shape (n_repeats,)."""
    scores_real: FloatArray
    """Of models trained on real rows, shape (n_repeats,)."""
    n_train: int
    """Rows that each model was trained on."""
    n_test: int
    """Held-out rows."""


def train_on_synthetic_test_on_real(
    X_real: Any,
    X_generated: Any,
    X_test: Any,
    *,
    target: Hashable,
    estimator: Any = None,
    scoring: str | Callable[..., float] | None = None,
    n_repeats: int = 5,
    random_state: RandomState = None,
) -> TrainOnSynthetic:
    """Score of models trained on samples, beside that of models trained on real rows.

    Parameters
    ----------
    X_real : data frame or array-like of shape (n, n_columns)
        Rows that the generative model was trained on.
    X_generated : data frame or array-like of shape (m, n_columns)
        Generated rows.
    X_test : data frame or array-like of shape (l, n_columns)
        Held-out real rows, on which all models are scored.
    target : hashable
        Name of the column to predict; 0, 1, ... for arrays.
    estimator : classifier or regressor, default=None
        None is `HistGradientBoostingRegressor` for a column of numbers, else
        `HistGradientBoostingClassifier`. It sees the other columns as numbers: as they
        are, or by `TableFeatures` in frames with categories or gaps.
    scoring : str or callable, default=None
        As in scikit-learn's `cross_val_score`; None is the estimator's own score, the
        accuracy or R^2.
    n_repeats : int, default=5
        How often models are trained.
    random_state : int, RandomState or None, default=None
        Draws the rows to train on, and seeds estimators with a `random_state` of None.

    Returns
    -------
    result : TrainOnSynthetic
        Named tuple (value, real, difference, difference_std, scores, scores_real,
        n_train, n_test).

    Raises
    ------
    TypeError
        If `estimator` has no `fit`, or columns cannot be read.
    ValueError
        If there is no such target, it has gaps, or the columns of the sets differ.

    Notes
    -----
    Each repeat trains both models on as many rows, 0.8 times those of the smaller set,
    drawn without replacement. Their spread is that of these draws and of the seeds. It
    does not say what other samples or other held-out rows would give.

    A model of categories that the generated rows lack cannot predict them: this is what
    is measured.

    References
    ----------
    Esteban, Hyland and Rätsch 2017, Real-valued (medical) time series generation with
    recurrent conditional GANs, arXiv:1706.02633 (TSTR).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skvae.metrics import train_on_synthetic_test_on_real
    >>> X = np.random.default_rng(0).normal(size=(300, 3))
    >>> X[:, 2] = X[:, 0] + X[:, 1]
    >>> found = train_on_synthetic_test_on_real(
    ...     X[:100], X[100:200], X[200:], target=2, estimator=LinearRegression()
    ... )
    >>> round(found.value, 6), round(found.real, 6)
    (1.0, 1.0)
    """
    n_repeats = check_integer(_OWNER, "n_repeats", n_repeats, 1)
    sets = {"X_real": X_real, "X_generated": X_generated, "X_test": X_test}
    targets, is_number = _targets(sets, target)
    features = as_sets(**{name: _without(X, target) for name, X in sets.items()})
    rng = random_state_of(random_state)
    model = _model(estimator, is_number)
    score = check_scoring(model, scoring)
    n = int(_SHARE * min(len(targets[0]), len(targets[1])))
    found = []
    for _ in range(n_repeats):
        seed = draw_seed(rng)
        draws = [rng.choice(len(y), n, replace=False) for y in targets[:2]]
        found.append(
            [
                score(_fitted(model, X[rows], y[rows], seed), features[2], targets[2])
                for X, y, rows in zip(features[:2], targets[:2], draws, strict=True)
            ]
        )
    real, generated = np.transpose(found)
    differences = generated - real
    std = float(differences.std(ddof=1)) if n_repeats > 1 else np.nan
    return TrainOnSynthetic(
        float(generated.mean()), float(real.mean()), float(differences.mean()), std,
        generated, real, n, len(targets[2]),
    )  # fmt: skip


def _targets(sets: dict[str, Any], target: Hashable) -> tuple[list[NDArray], bool]:
    """Return the target column of each set, and whether it holds numbers."""
    tables = as_columns(**sets)
    names = [column.name for column in tables[0]]
    if target not in names:
        raise ValueError(
            f"The 'target' parameter of {_OWNER} must be a column of X_real. Got "
            f"{target!r} instead; the columns are {names}."
        )
    columns = [table[names.index(target)] for table in tables]
    for name, column in zip(sets, columns, strict=True):
        if column.gaps.any():
            raise ValueError(
                f"Column {target!r} of {name}, the target, must have no gaps, but has "
                f"{column.gaps.sum()}. Leave out those rows."
            )
    if columns[0].kind == "number":
        return [column.values for column in columns], True
    levels = levels_of(columns[0])
    return [codes_of(column, levels) for column in columns], False


def _without(X: Any, target: Any) -> Any:
    if is_frame(X):
        return X[[name for name in X.columns if name != target]]
    return np.delete(as_rows(X, "X"), target, axis=1)


def _model(estimator: Any, is_number: bool) -> Any:
    if estimator is None:
        kinds = HistGradientBoostingClassifier, HistGradientBoostingRegressor
        return kinds[is_number]()
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"The 'estimator' parameter of {_OWNER} must be a classifier or regressor "
            f"of scikit-learn. Got {estimator!r} ({type(estimator).__name__}) instead."
        )
    return estimator


def _fitted(model: Any, X: FloatArray, y: NDArray[Any], seed: int) -> Any:
    model = clone(model)
    if model.get_params(deep=False).get("random_state", 0) is None:
        model.set_params(random_state=seed)
    return model.fit(X, y)
