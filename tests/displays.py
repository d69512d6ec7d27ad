"""Displays made as a user would, and their pictures cut into images."""

import inspect

from conftest import N_TRAIN
from sklearn.base import clone

from skvae.plotting import ModelComparisonDisplay, PlaneDensityDisplay

TWO_PIXELS = [27, 36]


def make(cls, estimator, X, y=None, **options):
    """Make a display of an estimator, as a user would."""
    if cls is PlaneDensityDisplay:
        estimator, X = of_two_features(estimator, X)
    train, test = X[:N_TRAIN], X[N_TRAIN:]
    if cls is ModelComparisonDisplay:
        return cls.from_scores({"A": [1.0, 2.0], "B": [3.0, 5.0]}, **options)
    known = {
        **{"X": test, "X_train": train, "y": y},
        **{"random_state": 0, "n_runs": 1, "n_clusters": 5, "n_grid": 8},
    }
    names = inspect.signature(cls.from_estimator).parameters
    options = {k: v for k, v in known.items() if k in names} | options
    return cls.from_estimator(estimator, **options)


def of_two_features(estimator, X):
    """Return two of the columns, and the estimator fitted to them, if it is fitted."""
    X = X.iloc[:, TWO_PIXELS] if hasattr(X, "iloc") else X[:, TWO_PIXELS]
    is_fitted = hasattr(estimator, "n_features_in_")
    return clone(estimator).fit(X[:N_TRAIN]) if is_fitted else estimator, X


def cells(picture, height, width, n_rows, n_columns):
    """Cut a picture back into its images, knowing only where they should stand."""
    gap_y = (picture.shape[0] - n_rows * height) // max(1, n_rows - 1)
    gap_x = (picture.shape[1] - n_columns * width) // max(1, n_columns - 1)
    assert gap_y >= 1 or n_rows == 1
    assert gap_x >= 1 or n_columns == 1
    return [
        picture[
            i * (height + gap_y) : i * (height + gap_y) + height,
            j * (width + gap_x) : j * (width + gap_x) + width,
        ]
        for i in range(n_rows)
        for j in range(n_columns)
    ]
