"""What an estimator, pipeline or search can do, in the units of its input."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skvae._utils.arrays import column_names
from skvae._utils.columns import as_array, is_frame
from skvae.pipeline.sampling import chosen_model, steps_before_last

FloatArray = NDArray[np.float64]

_DIVIDING = (StandardScaler, RobustScaler, MaxAbsScaler)
_MULTIPLYING = (MinMaxScaler,)


def can_sample(estimator: Any) -> bool:
    """Whether the estimator, or a pipeline's last step, has ``sample``."""
    return hasattr(last_step(estimator), "sample")


def can_score(estimator: Any) -> bool:
    """Whether the estimator, or a pipeline's last step, has ``score_samples``."""
    return hasattr(last_step(estimator), "score_samples")


def can_reconstruct(estimator: Any) -> bool:
    """Whether the estimator has ``reconstruct`` or can transform back and forth."""
    estimator = chosen_model(estimator)
    both = ("transform", "inverse_transform")
    return hasattr(estimator, "reconstruct") or all(hasattr(estimator, m) for m in both)


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, also a nested one; else the estimator.

    Of a fitted search, the model that it has chosen counts.
    """
    estimator = chosen_model(estimator)
    while isinstance(estimator, Pipeline):
        estimator = chosen_model(estimator[-1])
    return estimator


def as_fitted(estimator: Any, X: Any, name: str = "X") -> Any:
    """Bring the columns of a data frame into the order in which a model was fitted.

    Raises
    ------
    ValueError
        If they have other names.
    """
    fitted = getattr(chosen_model(estimator), "feature_names_in_", None)
    columns = column_names(X)
    if fitted is None or columns is None or columns == list(fitted):
        return X
    if sorted(columns) != sorted(fitted):
        unknown = sorted(set(columns) ^ set(fitted)) or "some twice"
        raise ValueError(
            f"{name} must have the columns that {type(last_step(estimator)).__name__} "
            f"was fitted on, but they differ in {unknown}. Pass "
            f"{name}[estimator.feature_names_in_]."
        )
    return X[list(fitted)]


def draws_means(estimator: Any, mean: bool | None) -> bool:
    """Whether samples are decoder means; None is what ``sample`` does by itself."""
    if mean is not None:
        return mean
    return getattr(last_step(estimator), "columns_of_rows", None) is None


def is_discrete(estimator: Any) -> bool:
    """Whether likelihoods are probabilities of discrete data, not densities.

    `Likelihood.discrete` says so; an estimator without a ``likelihood_`` may have an
    attribute ``discrete`` of its own.
    """
    last = last_step(estimator)
    return bool(getattr(getattr(last, "likelihood_", last), "discrete", False))


def probable_values(estimator: Any) -> dict[Any, Any]:
    """Return what has a probability rather than a density under a model, by column.

    "all" values of categories and of discrete likelihoods, and those of numbers that
    are repeated in `NormalScoresLikelihood`. Columns of densities are left out.
    """
    likelihood = getattr(last_step(estimator), "likelihood_", None)
    if likelihood is None:
        return {}
    whole = [("", likelihood, range(last_step(estimator).n_features_in_))]
    found: dict[Any, Any] = {}
    for _, part, columns in getattr(likelihood, "likelihoods_", whole):
        if part.discrete:
            found |= dict.fromkeys(columns, "all")
        elif hasattr(part, "repeated_values"):
            pairs = zip(columns, part.repeated_values(), strict=True)
            found |= {column: tuple(values) for column, values in pairs if values}
    return found


def only_rescales(estimator: Any) -> bool:
    """Whether all steps of a pipeline before the last are known to scale features."""
    estimator = chosen_model(estimator)
    if not isinstance(estimator, Pipeline):
        return True
    steps = (step for _, step in steps_before_last(estimator))
    return all(map(_scales, steps)) and only_rescales(estimator[-1])


def to_last_step(estimator: Any, X: Any) -> Any:
    """Bring rows to the input space of a pipeline's last step."""
    estimator = chosen_model(estimator)
    if not isinstance(estimator, Pipeline):
        return X
    for _, step in steps_before_last(estimator):
        X = step.transform(X)
    return to_last_step(estimator[-1], X)


def reconstruct(estimator: Any, X: Any) -> Any:
    """Encode and decode rows, to an array, or to a frame with more than numbers."""
    estimator = chosen_model(estimator)
    if hasattr(estimator, "reconstruct"):
        rows = estimator.reconstruct(X)
    else:
        rows = estimator.inverse_transform(estimator.transform(X))
    array = as_array(rows) if is_frame(rows) else np.asarray(rows)
    return rows if is_frame(rows) and array.dtype == object else array


def check_divisor(estimator: Any, divisor: Any) -> None:
    """Raise ValueError if probabilities, which have no unit, are to be rescaled."""
    columns = getattr(last_step(estimator), "columns_of_rows", None)
    has_categories = columns is not None and set(columns.kinds) != {"number"}
    has_no_unit = has_categories or is_discrete(estimator)
    if has_no_unit and np.any(np.asarray(divisor) != 1):
        raise ValueError(
            "divisor must be 1 for a model of probabilities, which have no unit, got "
            f"{divisor}. It is for densities."
        )


class LogLikelihoods(NamedTuple):
    """Log-likelihoods of rows, and the importance samples behind each."""

    values: FloatArray
    """In nats, shape (n_samples,)."""
    effective_sample_sizes: FloatArray | None = None
    """Of the importance samples, shape (n_samples,); None where there are none."""
    n_importance_samples: int | None = None
    """Drawn for each row."""


def log_likelihood(
    estimator: Any, X: Any, *, n_importance_samples: int | None = None
) -> FloatArray:
    """Log-likelihood of every row in nats, in the units of the estimator's input.

    The density of a pipeline's last step is brought to the units of the pipeline's
    input by the change of variables that the steps before it make; a probability of
    discrete data stays as it is.

    Parameters
    ----------
    estimator : object
        Fitted estimator or Pipeline whose last step has ``score_samples``.
    X : array-like of shape (n_samples, n_features)
    n_importance_samples : int, default=None
        For estimators that sample; None leaves their default.

    Returns
    -------
    log_likelihood : ndarray of shape (n_samples,)

    Raises
    ------
    TypeError
        If a step of a pipeline does more than scale features.
    """
    return log_likelihoods(estimator, X, n_importance_samples).values


def log_likelihoods(
    estimator: Any, X: Any, n_importance_samples: int | None = None
) -> LogLikelihoods:
    """Log-likelihoods as of `log_likelihood`, with their effective sample sizes."""
    found = _of_last_step(estimator, X, n_importance_samples)
    if is_discrete(estimator):
        return found
    return found._replace(values=found.values + log_determinant(estimator))


def _of_last_step(estimator: Any, X: Any, k: int | None) -> LogLikelihoods:
    score_samples, X = last_step(estimator).score_samples, to_last_step(estimator, X)
    known = inspect.signature(score_samples).parameters
    options = {} if k is None else {"n_importance_samples": k}
    options = options if "n_importance_samples" in known else {}
    if not {"n_importance_samples", "return_effective_sample_size"} <= set(known):
        values = np.asarray(score_samples(X, **options), dtype=np.float64)
        return LogLikelihoods(_one_for_each(values, X, estimator))
    values, sizes = score_samples(X, return_effective_sample_size=True, **options)
    k = known["n_importance_samples"].default if k is None else k
    return LogLikelihoods(values, sizes, k)


def _one_for_each(values: FloatArray, X: Any, estimator: Any) -> FloatArray:
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if values.shape != (n,):
        name = type(last_step(estimator)).__name__
        raise ValueError(
            f"score_samples of {name} must return one number for each of the {n} rows, "
            f"shape ({n},), got shape {values.shape}. Mend {name}."
        )
    return values


def log_determinant(estimator: Any) -> float:
    """Log-determinant of the Jacobian of a pipeline's steps before the last."""
    estimator = chosen_model(estimator)
    if not isinstance(estimator, Pipeline):
        return 0.0
    steps = steps_before_last(estimator)
    own = sum(_log_determinant_of(name, step) for name, step in steps)
    return own + log_determinant(estimator[-1])


def _log_determinant_of(name: str, step: Any) -> float:
    if not _scales(step):
        raise TypeError(
            "A likelihood in the units of a pipeline's input needs steps that scale "
            "feature by feature (StandardScaler, MinMaxScaler, MaxAbsScaler, "
            f"RobustScaler) before the last one, but step {name!r} is a {step!r}. "
            "Score the last step in its own units: "
            "log_likelihood of pipeline[-1] on pipeline[:-1].transform(X)."
        )
    scale = getattr(step, "scale_", None)
    if scale is None:
        return 0.0
    sign = 1 if isinstance(step, _MULTIPLYING) else -1
    return sign * float(np.log(scale).sum())


def _scales(step: Any) -> bool:
    identity = isinstance(step, FunctionTransformer) and step.func is None
    clips = getattr(step, "clip", False)  # and a row far off is like one at the edge
    return identity or (isinstance(step, (*_DIVIDING, *_MULTIPLYING)) and not clips)
