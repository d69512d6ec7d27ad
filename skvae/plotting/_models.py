"""What displays ask of a fitted estimator or Pipeline, by public methods only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skvae._utils.arrays import column_names
from skvae._utils.validation import check_integer
from skvae.diagnostics.codes import autoencoder_of
from skvae.estimators.base import BaseAutoencoder
from skvae.pipeline._abilities import (
    as_fitted,
    can_reconstruct,
    can_sample,
    last_step,
    reconstruct,
    to_last_step,
)
from skvae.pipeline._inversion import invert
from skvae.pipeline.sampling import chosen_model, sample_rows, steps_before_last


def check_models(owner: str, models: Any, what: str) -> None:
    """Raise an error for anything but a dict that is not empty."""
    if not isinstance(models, Mapping):
        raise TypeError(
            f"{owner} needs {what}, in a dict by the names of the models, got a "
            f"{type(models).__name__}."
        )
    if not models:
        raise ValueError(f"{owner} needs {what}, got {{}}.")


def name_of(estimator: Any) -> str:
    """Return the name of the class of an estimator, or of a pipeline's last step."""
    return type(last_step(estimator)).__name__


def draw_samples(
    owner: str,
    estimator: Any,
    n_samples: int,
    mean: bool,
    random_state: Any,
    X: Any = None,
) -> np.ndarray:
    """Sample an estimator or pipeline, in the units of its input.

    Rows like `X`, if it is given, tell the names of columns, in the order of the fit.
    """
    if not can_sample(estimator):
        raise TypeError(
            f"{owner} needs an estimator that has `sample`, but {name_of(estimator)} "
            "has none. Pass a generative model, such as VAE or GaussianMixture."
        )
    check_is_fitted(last_step(estimator))
    n_samples = check_integer(owner, "n_samples", n_samples, 1)
    columns = column_names(as_fitted(estimator, X))
    return sample_rows(estimator, n_samples, mean, random_state, columns)


def refuse_categories(owner: str, estimator: Any) -> None:
    """Raise TypeError for a model of rows with categories, which are no pictures."""
    columns = getattr(last_step(estimator), "columns_of_rows", None)
    kinds = [] if columns is None else columns.kinds
    if set(kinds) - {"number"}:
        pairs = zip(columns.names, kinds, strict=True)
        column = next(name for name, kind in pairs if kind != "number")
        raise TypeError(
            f"{owner} draws numbers, as pictures or in a plane, but "
            f"{name_of(estimator)} was fitted to a table with categories, such as "
            f"column {column!r}. Draw its columns by ColumnsDisplay, or its codes by "
            "LatentSpaceDisplay."
        )


def reconstruct_rows(owner: str, estimator: Any, X: Any) -> np.ndarray:
    """Encode and decode rows, in the units of the input."""
    check_codes(owner, estimator)
    return reconstruct(estimator, X)


def encode_rows(owner: str, estimator: Any, X: Any) -> np.ndarray:
    """Encode rows as latent variables that `decode_rows` takes."""
    check_codes(owner, estimator)
    return np.asarray(estimator.transform(X))


def decode_rows(estimator: Any, Z: np.ndarray) -> np.ndarray:
    """Decode latent variables, to the units of the input."""
    return np.asarray(estimator.inverse_transform(Z))


def autoencoder_and_rows(
    owner: str, estimator: Any, *rows: Any
) -> tuple[BaseAutoencoder, list[Any]]:
    """Return the autoencoder at the end of a pipeline, and rows as it sees them."""
    last = autoencoder_of(owner, estimator)
    return last, [to_last_step(estimator, X) for X in rows]


def from_last_step(estimator: Any, X: Any) -> np.ndarray:
    """Bring rows from the input space of a pipeline's last step to that of its first.

    The inverse of what brings rows to the last step.
    """
    estimator = chosen_model(estimator)
    if not isinstance(estimator, Pipeline):
        return np.asarray(X)
    X = from_last_step(estimator[-1], X)
    for _, step in reversed(steps_before_last(estimator)):
        X = invert(step, X)
    return X


def check_codes(owner: str, estimator: Any) -> None:
    """Raise TypeError for an estimator that cannot encode and decode."""
    if not can_reconstruct(estimator):
        raise TypeError(
            f"{owner} needs an estimator that has `transform` and `inverse_transform`, "
            f"but {type(estimator).__name__} lacks one. Pass an autoencoder, such as "
            "VAE, or a Pipeline of steps that can all be inverted."
        )
    check_is_fitted(last_step(estimator))
    refuse_categories(owner, estimator)
