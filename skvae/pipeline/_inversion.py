"""Undo what transformers do, for rows that no transformer has made."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
)

from skvae._utils.columns import is_frame, take_columns

_PROBLEM = "sample_pipeline cannot go back to the units of X: step"
_REMEDY = (
    "Replace it by a transformer that has one, or sample the last step alone: "
    "pipeline[-1].sample(...)."
)
_IMPUTERS = (SimpleImputer, KNNImputer)


def active_steps(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return those steps of a pipeline that do something."""
    return [(name, step) for name, step in steps if _does_something(step)]


def check_invertible(name: str, step: Any) -> None:
    """Raise AttributeError if a step, or a part of it, cannot be undone."""
    for part, inner, _ in _parts(step):
        check_invertible(f"{name}__{part}", inner)
    if isinstance(step, ColumnTransformer):
        _check_columns(name, step)
    elif not isinstance(step, Pipeline) and not _is_invertible(step):
        raise AttributeError(
            f"{_PROBLEM} {name!r} ({type(step).__name__}) has no `inverse_transform`"
            f"{_reason(step)}. {_REMEDY}"
        )


def invert(step: Any, Z: Any) -> Any:
    """Take rows, an array or a frame, from the units after a step to those before it.

    Codes of categories need not be codes exactly: the nearest one counts.
    """
    if isinstance(step, Pipeline):
        for _, inner in reversed(active_steps(step.steps)):
            Z = invert(inner, Z)
        return Z
    if isinstance(step, ColumnTransformer):
        return _invert_columns(step, Z)
    if isinstance(step, _IMPUTERS):
        return Z  # what it returns are values of its input
    if isinstance(step, FunctionTransformer) and is_frame(Z):
        return step.inverse_transform(Z)
    # A plain array is no reason to warn of names that are not there.
    step = copy.copy(step)
    vars(step).pop("feature_names_in_", None)
    return np.asarray(step.inverse_transform(_nearest_code(step, np.asarray(Z))))


def _does_something(step: Any) -> bool:
    return step is not None and not isinstance(step, str)  # "passthrough", "drop"


def _parts(step: Any) -> list[tuple[str, Any, Any]]:
    """Name, transformer and columns of what a step is made of."""
    if isinstance(step, Pipeline):
        return [(name, inner, None) for name, inner in active_steps(step.steps)]
    if isinstance(step, ColumnTransformer):
        parts = getattr(step, "transformers_", step.transformers)
        return [part for part in parts if _does_something(part[1])]
    return []


def _is_invertible(step: Any) -> bool:
    # A FunctionTransformer without inverse_func returns its input as the inverse, and
    # the inverse of an imputer takes what it marks for missing.
    if isinstance(step, FunctionTransformer) and step.inverse_func is None:
        return step.func is None
    if isinstance(step, _IMPUTERS):
        return not step.add_indicator and not _loses_columns(step)
    return hasattr(step, "inverse_transform")


def _loses_columns(imputer: Any) -> bool:
    n_before = getattr(imputer, "n_features_in_", None)
    return n_before is not None and n_before != len(imputer.get_feature_names_out())


def _reason(step: Any) -> str:
    if isinstance(step, _IMPUTERS):
        return " that suits samples, as it marks or drops columns with missing values"
    return ""


# ------------------------------------------------------------------- columns by columns


def _check_columns(name: str, step: ColumnTransformer) -> None:
    """Raise AttributeError unless every column of X comes out of exactly one part."""
    if not hasattr(step, "transformers_"):
        return
    uses = np.zeros(step.n_features_in_, dtype=int)
    for _, _, columns in _parts(step):
        uses[_indices(step, columns)] += 1
    names = getattr(step, "feature_names_in_", np.arange(len(uses)))
    if not uses.all():
        raise AttributeError(
            f"{_PROBLEM} {name!r} (ColumnTransformer) drops columns "
            f"{names[uses == 0].tolist()}, so that samples have no values for them. "
            "Leave them out of X, or let them pass: remainder='passthrough'."
        )
    if (uses > 1).any():
        raise AttributeError(
            f"{_PROBLEM} {name!r} (ColumnTransformer) uses columns "
            f"{names[uses > 1].tolist()} more than once, and what samples say of them "
            "need not agree. Give each column to one transformer."
        )


def _invert_columns(step: ColumnTransformer, Z: Any) -> Any:
    blocks = []
    for name, inner, columns in _parts(step):
        columns = _indices(step, columns)
        if len(columns):
            places = np.arange(Z.shape[1])[step.output_indices_[name]]
            blocks.append((columns, invert(inner, take_columns(Z, places))))
    if is_frame(Z) and hasattr(step, "feature_names_in_"):
        return _frame_of_blocks(type(Z), step.feature_names_in_, blocks)
    blocks = [(columns, np.asarray(block)) for columns, block in blocks]
    dtypes = [block.dtype for _, block in blocks]
    are_numbers = all(dtype.kind in "biuf" for dtype in dtypes)
    dtype = np.result_type(*dtypes) if are_numbers else object
    X = np.empty((len(Z), step.n_features_in_), dtype=dtype)
    for columns, block in blocks:
        X[:, columns] = block
    return X


def _frame_of_blocks(frame: type, names: Any, blocks: list[tuple[Any, Any]]) -> Any:
    """Return a frame of columns, which keep their types where blocks are frames."""
    found = {
        names[j]: block[block.columns[i]] if is_frame(block) else block[:, i]
        for columns, block in blocks
        for i, j in enumerate(columns)
    }
    return frame({name: found[name] for name in names})


def _indices(step: ColumnTransformer, columns: Any) -> NDArray[np.intp]:
    """Places of columns that are given in any of scikit-learn's ways."""
    names = list(getattr(step, "feature_names_in_", []))
    if isinstance(columns, slice):
        first, last = columns.start, columns.stop
        first = names.index(first) if isinstance(first, str) else first
        last = names.index(last) + 1 if isinstance(last, str) else last  # included
        columns = slice(first, last, columns.step)
    elif isinstance(columns, str):
        columns = names.index(columns)
    elif not isinstance(columns, Integral):
        columns = [names.index(c) if isinstance(c, str) else c for c in columns]
        columns = np.asarray(columns, dtype=None if columns else int)
    return np.atleast_1d(np.arange(step.n_features_in_)[columns])


# --------------------------------------------------------------------------- categories


def _nearest_code(step: Any, Z: NDArray[Any]) -> NDArray[Any]:
    """Replace every code by the nearest one that the encoder can have made."""
    if isinstance(step, OneHotEncoder):
        return _nearest_one_hot(step, Z)
    if isinstance(step, OrdinalEncoder):
        largest = [n - 1 for n in _n_codes(step)]
        return np.clip(np.rint(Z), 0, largest)
    if isinstance(step, KBinsDiscretizer) and step.encode == "ordinal":
        return np.clip(np.rint(Z), 0, step.n_bins_ - 1)
    return Z


def _nearest_one_hot(encoder: OneHotEncoder, Z: NDArray[Any]) -> NDArray[Any]:
    nearest = np.zeros_like(Z)
    dropped = encoder.drop_idx_
    end = 0
    for i, n in enumerate(_n_codes(encoder)):
        has_zero_code = dropped is not None and dropped[i] is not None
        start, end = end, end + n - has_zero_code
        scores = Z[:, start:end]
        if has_zero_code:
            rest = 1 - scores.sum(axis=1, keepdims=True)
            scores = np.hstack([scores, rest])
        best = scores.argmax(axis=1)
        rows = np.flatnonzero(best < end - start)
        nearest[rows, start + best[rows]] = 1
    return nearest


def _n_codes(encoder: OneHotEncoder | OrdinalEncoder) -> list[int]:
    """Count the codes of each feature; rare categories share one."""
    rare = getattr(encoder, "infrequent_categories_", None)
    rare = rare or [None] * len(encoder.categories_)
    return [
        len(all_)
        - (0 if few is None else len(few) - 1)
        - _has_own_missing(encoder, all_)
        for all_, few in zip(encoder.categories_, rare, strict=True)
    ]


def _has_own_missing(encoder: Any, categories: NDArray[Any]) -> bool:
    """Tell whether missing values have a code beside the numbers 0, 1, ..."""
    last = categories[-1]
    is_missing = last is None or (isinstance(last, float) and np.isnan(last))
    return isinstance(encoder, OrdinalEncoder) and is_missing
