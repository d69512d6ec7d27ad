"""Input validation and output shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from skvae._utils.containers import as_array_like, with_nan
from skvae._utils.float32 import check_finite
from skvae._utils.images import check_same_images, flatten_images
from skvae._utils.rows import without_values
from skvae._utils.sources import TYPES, StoredRows
from skvae._utils.stores import as_stored
from skvae._utils.validation import named
from skvae.estimators._table import Table, is_table, read_table

# Anything else, lists and polars frames included, becomes float64.
_DTYPES = list(TYPES)


class InputMixin:
    """Takes rows or images of any numeric type; returns them in the shape of `fit`."""

    _table: Table | None = None  # what `fit` had, if not an array of numbers

    def _validate(
        self, X: Any, reset: bool = False, *, is_looked_through: bool = False
    ) -> Any:
        """Return checked rows: an array, or stored rows that are not looked at."""
        if (stored := as_stored(X)) is not None:
            return self._validate_stored(stored, reset, is_looked_through)
        return self._validate_array(X, reset, is_looked_through)

    def _validate_array(
        self, X: Any, reset: bool, is_looked_through: bool, head: Any = None
    ) -> np.ndarray:
        """Check rows in memory, whose columns have the names of `head`, if any."""
        if reset:
            self._table = None
            if is_table(X, self.categorical_features):
                return self._validate_first_table(X)
        elif self._table is not None:
            return self._validate_table(X, is_looked_through)
        X = as_array_like(with_nan(X))
        X, shape = self._flattened(_in_native_order(X), reset)
        options = {"dtype": _DTYPES, "order": "C", "ensure_all_finite": False}
        if head is None:
            X = validate_data(self, X, **options, reset=reset)
        else:
            X = check_array(X, **options, estimator=self, input_name="X")
            validate_data(self, head, skip_check_array=True, reset=reset)
        # Others are checked block by block, while they are in the processor's cache.
        if reset or is_looked_through:
            check_finite(X, has_missing=True)
            _check_values(X)
        if reset:
            self._row_shape = shape or X.shape[1:]
        return X

    def _validate_stored(
        self, X: StoredRows, reset: bool, is_looked_through: bool
    ) -> Any:
        """Read rows that are few; check what is known of others without reading."""
        if X.is_small:
            rows = np.asarray(X)
            return self._validate_array(rows, reset, is_looked_through, X.head)
        if X.ndim < 2:
            raise ValueError(
                f"X must have shape (n_samples, n_features), but has {X.shape}. Store "
                "one feature as (n_samples, 1)."
            )
        is_new_table = reset and is_table(X, self.categorical_features)
        if is_new_table or (self._table is not None and not reset):
            raise TypeError(
                "Tables, with columns of several kinds, must be in memory, but X has "
                f"{X.size:,} values that are read by blocks. Pass data frames of fewer "
                "rows, one after the other."
            )
        X, shape = self._flattened(X, reset)
        named_rows = X if X.head is None else X.head
        validate_data(self, named_rows, skip_check_array=True, reset=reset)
        if reset:
            self._table, self._row_shape = None, shape or X.shape[1:]
        return X

    def _flattened(self, X: Any, reset: bool) -> tuple[Any, tuple[int, ...] | None]:
        X, shape = flatten_images(X)
        if shape and not reset and self.image_shape_:
            check_same_images(shape, self.image_shape_, type(self).__name__)
        return X, shape

    def _validate_first_table(self, X: Any) -> np.ndarray:
        self._table, rows = read_table(X, self.categorical_features)
        validate_data(self, self._table.ordered(X), skip_check_array=True)
        _check_values(rows)
        self._row_shape = rows.shape[1:]
        return rows

    def _validate_table(self, X: Any, is_looked_through: bool) -> np.ndarray:
        X = self._table.ordered(X)
        validate_data(self, X, skip_check_array=True, reset=False)
        rows = self._table.read(X)
        if is_looked_through:
            _check_values(rows)
        return rows

    def _validate_held_out(self, X_val: Any) -> np.ndarray | None:
        """Check rows to validate on, after X: they must be like those of X."""
        if X_val is None:
            return None
        with named("X_val"):
            if self._table is not None:
                return self._validate(X_val, is_looked_through=True)
            rows = as_stored(X_val, "X_val")
            if rows is None:
                rows = as_array_like(with_nan(X_val), "X_val")
            rows, shape = flatten_images(rows)
            if shape not in (None, self._row_shape):
                raise ValueError(
                    f"Its images must have the shape {self._row_shape} of the rows of "
                    f"X, but have the shape {shape}."
                )
            return self._validate(rows, is_looked_through=True)

    def _validate_codes(self, X: Any, n_components: int) -> np.ndarray:
        Z = _in_native_order(as_array_like(X))
        Z = check_array(Z, dtype=_DTYPES, ensure_all_finite=False, estimator=self)
        check_finite(Z)
        if Z.shape[1] != n_components:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but {type(self).__name__} was fitted "
                f"with n_components={n_components}. Pass latent variables, such as the "
                "output of transform."
            )
        return Z

    def _as_fitted(self, rows: np.ndarray, like: Any = None) -> Any:
        """Give rows the units, the type and the shape that they had in `fit`.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
            In the units of the module.
        like : object, optional
            If it is a frame of pandas, what has been one in `fit` gets its index.
        """
        return self._as_given(self._in_units(rows), like)

    def _as_given(self, rows: np.ndarray, like: Any, is_new: Any = None) -> Any:
        """Return rows in units of X as what X was in `fit`; see `Table.write`."""
        if self._table is not None:
            return self._table.write(rows, like, is_new)
        return rows.reshape(len(rows), *self._row_shape)

    def _in_units(self, rows: np.ndarray) -> np.ndarray:
        """Take rows to the units of X; raise ValueError unless they are finite."""
        rows = self.module_.frame.restore(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            # A sum is cheaper than a look at each value; finite ones may overflow it.
            is_finite = np.isfinite(rows.sum()) or np.isfinite(rows).all()
        if not is_finite:
            row = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise ValueError(
                f"{type(self).__name__} decodes row {row} to values that are not "
                "finite: it, or its code, lies too far from what the model was trained "
                "on. Leave it out, or rescale it as the training rows were."
            )
        return rows


def _check_values(X: np.ndarray) -> None:
    """Raise ValueError if all values are missing."""
    if len(without_values(X[:1])) and np.isnan(X).all():
        raise ValueError(
            f"X must have values, but all {X.size} of them are missing. See how it was "
            "read, or leave it out."
        )


def _in_native_order(X: Any) -> Any:
    """Return an array with the byte order of the machine; anything else as it is."""
    if isinstance(X, np.ndarray) and not X.dtype.isnative:
        return X.astype(X.dtype.newbyteorder("="))
    return X
