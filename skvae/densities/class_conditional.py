"""A density of each class of labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skvae._utils.labels import as_labels, encode
from skvae._utils.random import draw_seed, numpy_seed
from skvae._utils.validation import check_integer, named
from skvae._utils.warn import warn
from skvae.densities._adapter import (
    asked_labels,
    by_class,
    check_density,
    draw_labels,
    fit_density,
    sample_classes,
    score_density,
)
from skvae.densities._normal import shrunk_normals

__all__ = ["ClassConditionalDensity"]


class ClassConditionalDensity(DensityMixin, BaseEstimator):
    """A density p(z|y) of each class, and their mixture by the priors of the classes.

    As the latent density of an autoencoder it makes a model of rows and labels: `fit`
    then takes labels, and `sample` and `score_samples` take a class.

    Parameters
    ----------
    density : None or estimator with ``fit`` and ``sample``, default=None
        Fitted once for each class, such as ``GaussianMixture(10)`` or
        ``KernelDensity(bandwidth=0.3)``. None is a normal density, whose covariance is
        the more that of all classes, the fewer rows a class has.
    priors : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in sorted order. None takes their shares.
    min_samples : int, default=None
        Rows that a class must have for `density`. One with fewer has the normal density
        of None in its place, and a warning names it. None is as many rows as determine
        a covariance matrix, one more than there are features, for each component of a
        mixture.
    random_state : int, RandomState instance or None, default=None
        Seed of densities that have none of their own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    class_count_ : ndarray of shape (n_classes,)
        Rows of each class.
    class_prior_ : ndarray of shape (n_classes,)
        Probability of each class.
    densities_ : list
        The fitted density of each class.
    n_features_in_ : int

    See Also
    --------
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis : Normal densities of
        classes, for prediction.

    Notes
    -----
    The covariance of a normal density is that of its class, which counts as many rows
    as the class has beyond the first, and the pooled one of all classes, which counts
    ``n_features + 1``. A class of one row has the pooled covariance around that row.

    References
    ----------
    Friedman, "Regularized Discriminant Analysis", 1989, JASA 84(405), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.densities import ClassConditionalDensity
    >>> Z, y = np.array([[-9.0], [-8.0], [-7.0], [8.0]]), ["a", "a", "a", "b"]
    >>> density = ClassConditionalDensity().fit(Z, y)
    >>> density.class_prior_
    array([0.75, 0.25])
    >>> bool((density.sample(5, "b", random_state=0) > 4).all())
    True
    >>> density.predict_proba([[-5.0]]).round(2)
    array([[1., 0.]])
    """

    def __init__(
        self,
        density: Any = None,
        *,
        priors: Any = None,
        min_samples: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.density = density
        self.priors = priors
        self.min_samples = min_samples
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, n_draws: int = 1
    ) -> ClassConditionalDensity:
        """Fit a density to the rows of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Integers, strings, booleans or categories. Rows whose label is None, NaN or
            pandas.NA are left out.
        n_draws : int, default=1
            Number of rows of X that are draws of one and the same row, so that a class
            with many of them may still be a rare one.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there are no labels, or no probabilities of as many classes in `priors`.

        Warns
        -----
        UserWarning
            If a class has too few rows for `density`.
        """
        self.check_parameters()
        X = validate_data(self, X, dtype=np.float64)
        labels = as_labels(y, len(X), type(self).__name__)
        self.check_labels(labels)
        self.classes_, index = encode(labels)
        self.class_count_ = np.bincount(index[index >= 0]) / n_draws
        shares = self.class_count_ / self.class_count_.sum()
        self.class_prior_ = (
            shares if self.priors is None else np.array(self.priors, float)
        )
        groups = [X[index == k] for k in range(len(self.classes_))]
        self.densities_ = self._fitted(groups, n_draws)
        return self

    def sample(
        self, n_samples: int = 1, y: Any = None, *, random_state: Any = None
    ) -> NDArray[np.float64]:
        """Draw rows.

        Parameters
        ----------
        n_samples : int, default=1
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each row. None draws classes by their priors.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        owner = f"{type(self).__name__}.sample"
        n_samples = check_integer(owner, "n_samples", n_samples, 1)
        seed = draw_seed(random_state)
        if y is None:
            labels = draw_labels(self, n_samples, seed)
        else:
            labels = asked_labels(self, y, n_samples, owner)
        return sample_classes(self, labels, seed, self.n_features_in_)

    def score_samples(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Log density of every row in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each row. None is the mixture of all classes.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            log p(x|y), or log of the sum of p(y) p(x|y) over classes.
        """
        X = self._validate(X)
        if y is None:
            return logsumexp(self._log_joint(X), axis=1)
        labels = asked_labels(self, y, len(X), f"{type(self).__name__}.score_samples")
        scores = np.empty(len(X))
        for rows, density in by_class(self, labels):
            scores[rows] = score_density(density, X[rows])
        return scores

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log density of the mixture of all classes in nats."""
        return float(self.score_samples(X).mean())

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class given a row, by Bayes' rule.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            The priors where no class has a density.
        """
        log_joint = self._log_joint(self._validate(X))
        total = logsumexp(log_joint, axis=1, keepdims=True)
        shares = np.exp(log_joint - np.where(np.isfinite(total), total, 0.0))
        return np.where(np.isfinite(total), shares, self.class_prior_)

    def of_class(self, y: Any) -> Any:
        """Return the fitted density of one class.

        Raises
        ------
        ValueError
            If there was no such class in `fit`.
        """
        check_is_fitted(self)
        found = np.flatnonzero([label == y for label in self.classes_.tolist()])
        if not len(found):
            raise ValueError(
                f"y must be one of the classes {self.classes_.tolist()}, got {y!r}, of "
                "which there were no rows in fit."
            )
        return self.densities_[found[0]]

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        with named(f"the 'density' parameter of {type(self).__name__}"):
            check_density(self.density)
        if self.min_samples is not None:
            name = type(self).__name__
            check_integer(name, "min_samples", self.min_samples, 1)

    def check_labels(self, labels: NDArray[Any]) -> None:
        """Raise ValueError if there are no labels, or none that `priors` are for."""
        classes, _ = encode(labels)
        if not len(classes):
            raise ValueError(
                f"{type(self).__name__} needs labels of some rows, but y has none."
            )
        if self.priors is None:
            return
        priors = np.asarray(self.priors, dtype=np.float64)
        is_valid = priors.shape == classes.shape and (priors >= 0).all()
        if not (is_valid and np.isclose(priors.sum(), 1, rtol=0, atol=1e-8)):
            raise ValueError(
                f"The 'priors' parameter of {type(self).__name__} must have a "
                f"probability for each of the classes {classes.tolist()}, with a sum "
                f"of 1. Got {self.priors!r} instead."
            )

    def _fitted(self, groups: list[NDArray[Any]], n_draws: int) -> list[Any]:
        densities: list[Any] = shrunk_normals(groups, n_draws)
        if self.density is None:
            return densities
        least, seed = self._least(groups[0].shape[1]), draw_seed(self.random_state)
        few = self.class_count_ < least
        if few.any():
            self._warn_of_few(few, least)
        for k in np.flatnonzero(~few):
            with named(f"class {self.classes_[k : k + 1].tolist()[0]!r}"):
                own = fit_density(self.density, groups[k], numpy_seed(seed, k))
            densities[k] = own
        return densities

    def _least(self, n_features: int) -> int:
        if self.min_samples is not None:
            return self.min_samples
        is_mixture = isinstance(self.density, GaussianMixture | BayesianGaussianMixture)
        return (n_features + 1) * (self.density.n_components if is_mixture else 1)

    def _warn_of_few(self, few: NDArray[np.bool_], least: int) -> None:
        classes, counts = self.classes_[few].tolist(), self.class_count_[few]
        found = ", ".join(
            f"{label!r} has {count:g}"
            for label, count in zip(classes, counts, strict=True)
        )
        warn(
            f"The density {self.density!r} needs {least} rows of a class, but {found}. "
            "Such a class has a normal density, with a covariance that is partly that "
            "of all classes. Lower min_samples if its own density is to be fitted."
        )

    def _validate(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        options = {"dtype": np.float64, "ensure_all_finite": False}
        return validate_data(self, X, reset=False, **options)

    def _log_joint(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of p(y) p(x|y), shape (n_samples, n_classes)."""
        with np.errstate(divide="ignore"):  # a class may have no probability
            log_priors = np.log(self.class_prior_)
        return np.stack([score_density(d, X) for d in self.densities_], 1) + log_priors

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
