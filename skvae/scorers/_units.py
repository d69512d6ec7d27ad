"""Columns whose unit hides all others from distances between rows."""

from __future__ import annotations

from skvae._utils.arrays import FloatArray
from skvae._utils.warn import warn

_HIDDEN = 0.01  # of the largest variance
_NOTHING = 0.01  # of the total variance


def warn_of_units(X: FloatArray, columns: list[str] | None, name: str) -> None:
    """Warn if half of the columns, or more, hardly enter distances between rows.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    columns : list of str or None
        Names of the columns.
    name : str
        That of `X`, for the message.
    """
    variances = X.var(axis=0)
    varying = variances[variances > 0]
    if len(varying) < 2:
        return
    hidden = varying[varying < _HIDDEN * varying.max()]
    share = hidden.sum() / varying.sum()
    if 2 * len(hidden) < len(varying) - 1 or share >= _NOTHING:
        return
    largest = int(variances.argmax())
    most = variances[largest] / varying.sum()
    label = columns[largest] if columns else largest
    warn(
        f"Column {label!r} of {name} has {100 * most:.4g} % of the total variance, and "
        f"{len(hidden)} of {len(varying)} columns have {100 * share:.1g} % together: "
        "distances between rows, and squared errors, hardly see them. Where units "
        "differ, compare scaled rows: features=StandardScaler().fit(X_other)."
    )
