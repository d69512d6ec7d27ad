"""Outlier detection by any density."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skvae._utils.arrays import FloatArray
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_boolean, check_choice, check_real
from skvae._utils.warn import warn
from skvae.estimators import VAE
from skvae.outliers import _columns
from skvae.outliers._conformal import conformal_p_values, limits, rows_needed
from skvae.outliers._held_out import fit_and_score, log_density
from skvae.outliers._tables import as_table, column, has_columns, typical_values

__all__ = ["DensityOutlierDetector"]

# Of new rows like those of X, the share that "auto" calls outliers.
_LEVEL = 0.05
_N_VALUES = 5  # put into a column by score_columns


class DensityOutlierDetector(OutlierMixin, BaseEstimator):
    """Outliers are rows that a density finds less likely than rows held out from it.

    Every row is scored by a density that was fitted without it. Ranks among these
    scores are p-values of new rows, whatever the density and however it overfits.

    Parameters
    ----------
    estimator : object, default=None
        A density: anything with ``fit`` and ``score_samples``, of skvae or of
        scikit-learn, such as a GaussianMixture, a KernelDensity, PCA, or a Pipeline
        that ends in one. None is ``VAE()``. It is cloned, and fitted anew. One that is
        fitted, to other rows, is taken as it is inside of a
        `sklearn.frozen.FrozenEstimator`; X is then held out as a whole.
    contamination : "auto" or float, default="auto"
        What `predict` calls an outlier. With "auto", rows with a p-value of at most
        0.05, so that one in twenty new rows that are like the training rows is a false
        alarm. A number in (0, 0.5] is the share of outliers in X: so many of the rows
        of `fit` are called outliers, and new rows below the same score.
    two_sided : bool, default=False
        Whether a row that is too likely is an outlier, too. Densities of many columns
        may give outliers a higher likelihood than any training row, such as uniform
        images beside photographs (Nalisnick et al., 2019).
    cv : int or cross-validation generator, default=5
        Which rows are held out. An integer is a number of folds: there are as many
        densities, each row is held out from one of them, and their mean score counts.
        A splitter must hold out no row twice. ``ShuffleSplit(1, test_size=0.2)`` takes
        one fit; but densities that overfit score the rows they were fitted to higher
        than those held out, by which the ranks of the rows of X are spoiled.
    random_state : int, RandomState instance or None, default=None
        Of the split, and of a density that has no seed of its own.

    Attributes
    ----------
    estimators_ : list
        The fitted densities, one for each split.
    calibration_scores_ : ndarray of shape (n_calibration,)
        Log densities of rows held out, in ascending order.
    offset_ : float
        ``decision_function(X) = score_samples(X) - offset_``.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X had names that are strings.

    Warns
    -----
    UserWarning
        If `contamination` is "auto" and so few rows are held out that no p-value can
        be 0.05. What is below (two-sided, or above) all of them is then an outlier.

    Notes
    -----
    P-values are valid, ``P(p <= a) <= a`` for every a, if the new row and the
    calibration rows are exchangeable: drawn independently from the same distribution,
    for instance. Rows of a later date or another source are not, nor are outliers in X,
    which make p-values larger. That holds on average over calibration rows. Given n of
    these, the rate of false alarms at level a varies with a standard deviation of about
    ``sqrt(a (1 - a) / n)``. No p-value is below 1 / (n + 1), two-sided 2 / (n + 1).
    All this is for one split, or a frozen density. Where folds are averaged there is no
    proof, but the mean of scores of a new row varies less than the scores of
    calibration rows: in simulations, false alarms at levels up to one half were as many
    as asked for, or fewer.

    The kernels of a Gaussian KernelDensity are summed here: in ten features and more,
    ``score_samples`` of scikit-learn's is wrong by many nats.

    Rows of X itself are not exchangeable with the rows held out, since the density has
    seen them: their p-values are too large. `fit_predict` is ``fit(X).predict(X)``.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Faster, without a density.
    sklearn.neighbors.LocalOutlierFactor : By distances to neighbours.

    References
    ----------
    Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal p-values",
    The Annals of Statistics 51, 2023.

    Nalisnick, Matsukawa, Teh, Gorur & Lakshminarayanan, "Do Deep Generative Models Know
    What They Don't Know?", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skvae.outliers import DensityOutlierDetector
    >>> X, is_benign = load_breast_cancer(return_X_y=True)
    >>> density = make_pipeline(StandardScaler(), GaussianMixture(reg_covar=1e-3))
    >>> detector = DensityOutlierDetector(density, random_state=0)
    >>> detector = detector.fit(X[is_benign == 1])
    >>> bool(np.mean(detector.predict(X[is_benign == 0]) == -1) > 0.6)
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        contamination: Any = "auto",
        two_sided: bool = False,
        cv: Any = 5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.two_sided = two_sided
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> DensityOutlierDetector:
        """Fit the density to a part of the rows, and calibrate on the others.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Of whatever the density takes.
        y : Ignored

        Returns
        -------
        self : DensityOutlierDetector
        """
        self._check_parameters()
        fitted = copy.copy(self)  # a fit that fails leaves this one as it was
        fitted._fit(as_table(X))
        self.__dict__ = fitted.__dict__
        return self

    def score_samples(self, X: Any) -> FloatArray:
        """Log density of every row; higher is more normal.

        Two-sided, by how much it lies between the limits of a p-value of 0.05:
        ``min(log p - lower, upper - log p)``, negative outside of them.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats, the mean over `estimators_`.
        """
        return self._scores(self._validated(X))

    def decision_function(self, X: Any) -> FloatArray:
        """``score_samples(X) - offset_``, negative for outliers.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        decision : ndarray of shape (n_samples,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, 1 for all other rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> FloatArray:
        """P-value of every row, of the hypothesis that it is like the calibration rows.

        It is ``(1 + #{calibration_scores_ <= log p(x)}) / (n_calibration + 1)``; ties
        count as lower. Two-sided, the lesser of this and that of ``>=``, twice. For
        many rows at once, `scipy.stats.false_discovery_control` bounds the share of
        false alarms among all alarms.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
        """
        scores = self._log_density(self._validated(X))
        return conformal_p_values(
            scores, self.calibration_scores_, two_sided=self.two_sided
        )

    def score_columns(self, X: Any) -> FloatArray:
        """Score every column of every row; the lowest makes the row an outlier.

        ``log p(x) - log mean_v p(x with v in column j)``, where v are five values of
        the column in X of `fit`, at evenly spaced ranks: minus what the row would gain
        if the column had values as usual. Categories are among them about as often as
        they are in X. About 0 where the column says nothing, 0 in gaps, and
        not to be compared between rows, for which `score_samples` is. A row that is too
        likely has no such column.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Takes ``5 n_features`` times as long to score as in `score_samples`: pass
            the rows that are to be explained, such as ``X[detector.predict(X) < 0]``.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_features)
            In nats; columns are those of `feature_names_in_`.

        Raises
        ------
        ValueError
            If X is a stack of images, or sparse.
        """
        X = self._validated(X)
        if not (self._typical and has_columns(X)):
            raise ValueError(
                "score_columns needs a dense array of shape (n_samples, n_features), "
                f"here and in fit, but X is {type(X).__name__} of shape {X.shape}. Fit "
                "to X.reshape(len(X), -1), or X.toarray()."
            )
        return _columns.score_columns(self._log_density, X, self._typical)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        density = VAE() if self.estimator is None else self.estimator
        tags.input_tags = get_tags(density).input_tags
        return tags

    @property
    def _level(self) -> float:
        """Level of a one-sided p-value."""
        return _LEVEL / 2 if self.two_sided else _LEVEL

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        for method in ("fit", "score_samples"):
            lacks = isinstance(self.estimator, type) or not hasattr(
                self.estimator, method
            )
            if self.estimator is not None and lacks:
                raise TypeError(
                    f"The 'estimator' parameter of {owner} must be None or a density "
                    "with `fit` and `score_samples`, such as GaussianMixture(10). Got "
                    f"{self.estimator!r}, which has no usable `{method}`."
                )
        if isinstance(self.contamination, str):
            other = "a float in (0, 0.5]"
            check_choice(owner, "contamination", self.contamination, ("auto",), other)
        else:
            check_real(
                owner, "contamination", self.contamination, 0, 0.5, high_included=True
            )
        check_boolean(owner, "two_sided", self.two_sided)

    def _density(self, seed: int) -> Any:
        """Return the density to fit, with a seed wherever it has none."""
        density = VAE() if self.estimator is None else self.estimator
        if isinstance(density, FrozenEstimator):
            return density
        density = clone(density)
        params = density.get_params()
        missing = [k for k, v in params.items() if _is_seed(k) and v is None]
        return density.set_params(**dict.fromkeys(missing, seed))

    def _fit(self, X: Any) -> None:
        seed = draw_seed(self.random_state)
        self.estimators_, self.calibration_scores_ = fit_and_score(
            self._density(seed), X, self.cv, seed
        )
        validate_data(self, X, skip_check_array=True)
        self._limits = limits(self.calibration_scores_, self._level)
        columns = [column(X, j) for j in range(X.shape[1])] if has_columns(X) else []
        self._typical = [typical_values(values, _N_VALUES) for values in columns]
        self.offset_ = self._find_offset(X)

    def _validated(self, X: Any) -> Any:
        check_is_fitted(self)
        X = as_table(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        return X

    def _log_density(self, X: Any) -> FloatArray:
        return np.mean([log_density(e, X) for e in self.estimators_], axis=0)

    def _scores(self, X: Any) -> FloatArray:
        scores = self._log_density(X)
        if not self.two_sided:
            return scores
        low, high = self._limits
        return np.minimum(scores - low, high - scores)

    def _find_offset(self, X: Any) -> float:
        if not isinstance(self.contamination, str):
            return float(np.percentile(self._scores(X), 100 * self.contamination))
        n, needed = len(self.calibration_scores_), rows_needed(self._level)
        if n < needed:
            least = (1 + self.two_sided) / (n + 1)
            warn(
                f"contamination='auto' asks for p-values of {_LEVEL}, which take "
                f"{needed} calibration rows, but {n} are held out: no p-value is below "
                f"{least:.2g}. Pass more rows, or a number of folds as cv."
            )
        return 0.0 if self.two_sided else self._limits[0]


def _is_seed(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"
