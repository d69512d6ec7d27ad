"""Samples from a Pipeline, in the units of the data that it was fitted on."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skvae._utils.arrays import column_names
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_integer
from skvae.densities._adapter import asked_labels, draw, sample_classes, shuffled
from skvae.pipeline._inversion import active_steps, check_invertible, invert

__all__ = ["sample_pipeline"]


def sample_pipeline(
    pipeline: Pipeline,
    n_samples: int = 1,
    y: Any = None,
    *,
    mean: bool = True,
    random_state: Any = None,
) -> np.ndarray:
    """Generate rows with a pipeline's last step, in the units of the pipeline's input.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, or a fitted search over one. Its last step has ``sample``: an estimator
        of skvae, a GaussianMixture or KernelDensity, or a pipeline in turn. Every step
        before it has ``inverse_transform``, or is an imputer, or a ColumnTransformer
        whose parts have it and which gives every column to one of them.
    n_samples : int, default=1
    y : label or array-like of shape (n_samples,), default=None
        Class of all rows, or of each row, where the last step has a density of classes.
    mean : bool, default=True
        Return the decoder's means; False adds the observation noise of p(x|z). Has no
        effect on a last step that knows no such difference.
    random_state : int, RandomState instance or None, default=None
        None gives other rows in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        With the features that the pipeline's first step was fitted on, in their order;
        of type object if some are not numbers.

    Raises
    ------
    TypeError
        If `pipeline` is not a Pipeline.
    AttributeError
        If the last step cannot sample or another one cannot be inverted.
    NotFittedError
        If the pipeline is not fitted.

    Notes
    -----
    Of categories (OneHotEncoder, OrdinalEncoder, KBinsDiscretizer), the one whose code
    is nearest to the sample is returned. With ``mean=True`` that is the likeliest
    category of each sample, so that rare ones are rarer than in the data. For columns
    that a feature selector has dropped, samples have zeros, as its own
    ``inverse_transform`` gives.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skvae import VAE
    >>> from skvae.pipeline import sample_pipeline
    >>> X = load_iris().data
    >>> pipeline = make_pipeline(StandardScaler(), VAE(2, max_epochs=5)).fit(X)
    >>> sample_pipeline(pipeline, 10, random_state=0).shape
    (10, 4)
    """
    n_samples = check_integer("sample_pipeline", "n_samples", n_samples, 1)
    pipeline = chosen_model(pipeline)
    _check_steps(pipeline)
    check_is_fitted(pipeline)
    X = sample_rows(pipeline[-1], n_samples, mean, random_state, y=y)
    # Steps may restore what float32 cannot hold, such as time stamps.
    X = np.asarray(X, dtype=np.float64)
    for _, step in reversed(steps_before_last(pipeline)):
        X = invert(step, X)
    return X


def sample_rows(
    step: Any,
    n_samples: int,
    mean: bool,
    random_state: Any,
    columns: list[str] | None = None,
    y: Any = None,
) -> np.ndarray:
    """Sample a pipeline, an estimator of skvae, a density, or what a search chose.

    Samples that are a data frame have their columns put into the order of `columns`,
    or of those that the model was fitted on, if it knows them.
    """
    step = chosen_model(step)
    if isinstance(step, Pipeline):
        return sample_pipeline(step, n_samples, y, mean=mean, random_state=random_state)
    if "mean" in inspect.signature(step.sample).parameters:
        asked = {} if y is None else {"y": y}
        rows = step.sample(n_samples, **asked, mean=mean, random_state=random_state)
        return _as_rows(step, rows, n_samples, columns)
    seed = draw_seed(random_state)
    if y is not None:
        owner = f"Sampling {type(step).__name__}"
        labels = asked_labels(step, y, n_samples, owner)
        return sample_classes(step, labels, seed, step.n_features_in_)
    rows = _as_rows(step, draw(step, n_samples, seed), n_samples, columns)
    return shuffled(rows, seed)


def _as_rows(
    model: Any, rows: Any, n_samples: int, columns: list[str] | None
) -> np.ndarray:
    """Return what a model has sampled as an array, of objects if it must be."""
    name, own = type(model).__name__, column_names(rows)
    wanted = list(getattr(model, "feature_names_in_", columns or []))
    if own and wanted and own != wanted:
        if sorted(own) != sorted(wanted):
            raise ValueError(
                f"`sample` of {name} must return the columns of the rows that it was "
                f"fitted on, {wanted}, but has returned {own}. Mend {name}."
            )
        rows = rows[wanted]
    try:
        array = np.asarray(rows)
        array = array.astype(np.float64) if array.dtype.kind in "biuO" else array
    except (TypeError, ValueError):
        array = np.asarray(rows, dtype=object)
    if array.ndim < 2 or len(array) != n_samples:
        raise ValueError(
            f"`sample` of {name} must return {n_samples} rows, as it was asked to, in "
            f"shape ({n_samples}, n_features), but has returned shape {array.shape}. "
            f"Mend {name}."
        )
    return array


def sample_like(
    X: np.ndarray,
    estimator: Any,
    n_samples: int,
    mean: bool,
    random_state: Any,
    columns: list[str] | None = None,
) -> np.ndarray:
    """Sample, in the shape of the rows of X if samples have as many features."""
    samples = sample_rows(estimator, n_samples, mean, random_state, columns)
    shape = X.shape[1:]
    return samples.reshape(-1, *shape) if samples[0].size == np.prod(shape) else samples


def chosen_model(estimator: Any) -> Any:
    """Return the model in a fitted search or a FrozenEstimator; others as they are."""
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def steps_before_last(pipeline: Pipeline) -> list[tuple[str, Any]]:
    """Names and objects of all steps that do something before the last."""
    return active_steps(pipeline.steps[:-1])


def _check_steps(pipeline: Any) -> None:
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            "sample_pipeline needs a scikit-learn Pipeline, such as "
            f"make_pipeline(StandardScaler(), VAE()). Got {pipeline!r} (a "
            f"{type(pipeline).__name__}) instead."
        )
    name, last = pipeline.steps[-1]
    last = chosen_model(last)
    if not (hasattr(last, "sample") or isinstance(last, Pipeline)):
        raise AttributeError(
            f"sample_pipeline needs a last step that has `sample`, but step {name!r} "
            f"({_describe(last)}) has none. End the pipeline with an estimator such as "
            "VAE or GaussianMixture, or leave the last steps out: pipeline[:-1]."
        )
    for name, step in steps_before_last(pipeline):
        check_invertible(name, step)


def _describe(step: Any) -> str:
    return repr(step) if isinstance(step, str | None) else type(step).__name__
