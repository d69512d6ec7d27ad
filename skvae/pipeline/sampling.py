"""Samples from a Pipeline, in the units of the data that it was fitted on."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skvae._utils.arrays import column_names
from skvae._utils.columns import as_array, is_frame, numbers_or_objects
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
    mean: bool | None = None,
    random_state: Any = None,
) -> Any:
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
    mean : bool or None, default=None
        True returns the decoder's means; False adds the observation noise of p(x|z).
        None is False for a last step that was fitted to a table, such as a data frame,
        and else True. Has no effect on a last step that knows no such difference.
    random_state : int, RandomState instance or None, default=None
        None gives other rows in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features), or data frame
        With the features that the pipeline's first step was fitted on, in their order.
        A frame if the last step was fitted to one and samples frames; an array is of
        type object if some features are not numbers.

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
    X = _sample_step(pipeline[-1], n_samples, mean, random_state, None, y)
    is_table, frame = is_frame(X), type(X)
    if not is_table:
        # Steps may restore what float32 cannot hold, such as time stamps.
        X = np.asarray(X, dtype=np.float64)
    for _, step in reversed(steps_before_last(pipeline)):
        X = invert(step, X)
    names = getattr(pipeline, "feature_names_in_", None)
    if is_table and not is_frame(X) and names is not None:
        return frame({name: X[:, j] for j, name in enumerate(names)})
    return X


def sample_rows(
    step: Any,
    n_samples: int,
    mean: bool | None,
    random_state: Any,
    columns: list[Any] | None = None,
    y: Any = None,
) -> Any:
    """Sample a pipeline, an estimator of skvae, a density, or what a search chose.

    Samples that are a data frame have their columns put into the order of `columns`,
    or of those that the model was fitted on, if it knows them. They stay a frame only
    if not all of its columns are numbers.
    """
    step = chosen_model(step)
    rows = _sample_step(step, n_samples, mean, random_state, columns, y)
    return _checked(step, rows, n_samples)


def _sample_step(
    step: Any, n_samples: int, mean: Any, random_state: Any, columns: Any, y: Any
) -> Any:
    """Sample an array or a frame."""
    step = chosen_model(step)
    if isinstance(step, Pipeline):
        return sample_pipeline(step, n_samples, y, mean=mean, random_state=random_state)
    if "mean" in inspect.signature(step.sample).parameters:
        asked = {} if y is None else {"y": y}
        asked |= {} if mean is None else {"mean": mean}
        rows = step.sample(n_samples, **asked, random_state=random_state)
        return _in_order(step, rows, columns)
    seed = draw_seed(random_state)
    if y is not None:
        owner = f"Sampling {type(step).__name__}"
        labels = asked_labels(step, y, n_samples, owner)
        return sample_classes(step, labels, seed, step.n_features_in_)
    rows = _in_order(step, draw(step, n_samples, seed), columns)
    return shuffled(_checked(step, rows, n_samples), seed)


def _in_order(model: Any, rows: Any, columns: list[Any] | None) -> Any:
    """Put the columns of samples that are a frame into the order of the fit."""
    name, own = type(model).__name__, column_names(rows)
    wanted = list(getattr(model, "feature_names_in_", columns or []))
    if own and wanted and own != wanted:
        if sorted(own) != sorted(wanted):
            raise ValueError(
                f"`sample` of {name} must return the columns of the rows that it was "
                f"fitted on, {wanted}, but has returned {own}. Mend {name}."
            )
        rows = rows[wanted]
    return rows


def _checked(model: Any, rows: Any, n_samples: int) -> Any:
    """Return samples as an array, of objects if it must be; or as a frame if it is."""
    array = as_array(rows) if is_frame(rows) else np.asarray(rows)
    if array.dtype.kind in "biuO":
        array = numbers_or_objects(array)
    elif array.dtype.kind not in "fc":
        array = array.astype(object)
    if array.ndim < 2 or len(array) != n_samples:
        name = type(model).__name__
        raise ValueError(
            f"`sample` of {name} must return {n_samples} rows, as it was asked to, in "
            f"shape ({n_samples}, n_features), but has returned shape {array.shape}. "
            f"Mend {name}."
        )
    return rows if is_frame(rows) and array.dtype == object else array


def sample_like(
    X: np.ndarray,
    estimator: Any,
    n_samples: int,
    mean: bool | None,
    random_state: Any,
    columns: list[Any] | None = None,
) -> Any:
    """Sample, in the shape of the rows of X if samples have as many features."""
    samples = sample_rows(estimator, n_samples, mean, random_state, columns)
    if is_frame(samples):
        return samples
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
