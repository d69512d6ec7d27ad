"""A transformer that fills in missing values."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.impute import MissingIndicator
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skvae._utils.columns import gaps_of, is_frame, take_columns
from skvae._utils.containers import as_array_like, with_nan
from skvae._utils.random import draw_seed, numpy_seed
from skvae._utils.validation import check_boolean, check_integer
from skvae.estimators import IWAE
from skvae.impute._tables import has_categories, with_columns

__all__ = ["AutoencoderImputer"]


class AutoencoderImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill in missing values by an autoencoder of the rows.

    Columns are standardised by the values that are there, an autoencoder is fitted to
    them, and missing values become their expectation given those observed, or draws.
    A data frame with categories is taken as it is, and comes back as a frame: missing
    categories become the likeliest one.

    Parameters
    ----------
    estimator : BaseAutoencoder, default=None
        With ``impute`` (and ``sample_missing``, for `sample_posterior`); cloned, and
        fitted to standardised rows, or to a frame with categories. None is a small
        `IWAE`: half as many components as columns, at most 16, with a mixture of at
        most ten normals as latent density.
    sample_posterior : bool, default=False
        Draw from p(x_missing | x_observed) rather than take its mean. Each `transform`
        draws anew: several make a multiple imputation.
    n_importance_samples : int, default=256
        Draws z ~ q(z|x) for each row.
    add_indicator : bool, default=False
        Append a column for each one with missing values in `fit`, 1 where a value is
        missing.
    keep_empty_features : bool, default=False
        Keep columns without any value in `fit`, filled with 0; else they are left out.
        In a frame with categories they stay empty.
    random_state : int, RandomState instance or None, default=None
        Decides the fit, and with it all expectations; with `sample_posterior`, also
        the draws of each call, as in `IterativeImputer`.

    Attributes
    ----------
    estimator_ : BaseAutoencoder
        The fitted autoencoder, of standardised rows.
    scaler_ : StandardScaler
        None for a frame with categories.
    indicator_ : MissingIndicator
        None without `add_indicator`.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names that are strings.

    Raises
    ------
    ValueError, TypeError
        In ``fit``, if X or a parameter is not valid; the imputer stays as it was.

    See Also
    --------
    sklearn.impute.IterativeImputer : A regression for each column, in rounds.
    skvae.BaseAutoencoder.impute : The same of a fitted model, without scaling.

    References
    ----------
    Mattei & Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete
    Data Sets", ICML 2019. https://arxiv.org/abs/1812.02633

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skvae.impute import AutoencoderImputer
    >>> X = load_wine().data
    >>> X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    >>> imputed = AutoencoderImputer(random_state=0).fit_transform(X)
    >>> imputed.shape, bool(np.isnan(imputed).any())
    ((178, 13), False)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        sample_posterior: bool = False,
        n_importance_samples: int = 256,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sample_posterior = sample_posterior
        self.n_importance_samples = n_importance_samples
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the autoencoder to the values that are there.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            With NaN, None or NA where a value is missing.
        y : Ignored

        Returns
        -------
        self : object
        """
        self._check_parameters()
        twin = copy.copy(self)
        twin._fit(X)
        self.__dict__ = {**vars(self), **twin._fitted()}
        return self

    def transform(self, X: Any) -> Any:
        """Fill in the missing values of X.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)

        Returns
        -------
        X_imputed : ndarray of shape (n_samples, n_features_out), or data frame
            Values that are observed are those of X. A frame, if `fit` had one with
            categories, with its types; of all else an array, unless `set_output` says
            otherwise.
        """
        check_is_fitted(self)
        X = self._validate(X)
        filled = self._impute(self._chosen(X)) if self._is_table else self._filled(X)
        if self.indicator_ is None:
            return filled
        indicator = self.indicator_.transform(self._values(X))
        if not self._is_table:
            return np.hstack([filled, indicator])
        names = self.get_feature_names_out(list(map(str, X.columns)))
        return with_columns(filled, names[filled.shape[1] :], indicator)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            None is ``feature_names_in_``, or "x0", "x1", ... without names.

        Returns
        -------
        feature_names_out : ndarray of str
        """
        check_is_fitted(self)
        names = super().get_feature_names_out(input_features)
        kept = names if self.keep_empty_features else names[self._kept]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def _fit(self, X: Any) -> None:
        self._is_table = has_categories(X)
        X = self._validate(X, reset=True)
        values = self._values(X)
        self._kept = ~np.isnan(values).all(axis=0)
        if not self._kept.any():
            raise ValueError(
                f"{type(self).__name__} needs values to learn from, but all "
                f"{values.size} values of X are missing."
            )
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(values)
        rows, self.scaler_ = self._chosen(X), None
        if not self._is_table:
            self.scaler_ = StandardScaler().fit(rows)
            rows = self.scaler_.transform(rows)
        self._seed = draw_seed(self.random_state)
        estimator = self.estimator
        if estimator is None:
            estimator = default_model(*rows.shape)
        estimator = clone(estimator)
        if estimator.get_params()["random_state"] is None:
            estimator.set_params(random_state=numpy_seed(self._seed, 0))
        self.estimator_ = estimator.fit(rows)
        self._draws = np.random.RandomState(numpy_seed(self._seed, 1))

    def _filled(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        rows = self._chosen(X)
        missing = np.isnan(rows)
        filled = rows.copy()
        if missing.any():
            scaled = self._impute(self.scaler_.transform(rows))
            values = self.scaler_.inverse_transform(scaled)
            filled[missing] = values[missing]
        if self.keep_empty_features:
            whole = np.where(np.isnan(X), 0, X)
            whole[:, self._kept] = filled
            filled = whole
        return filled

    def _chosen(self, X: Any) -> Any:
        """Return the columns that the autoencoder sees."""
        if self._is_table and self.keep_empty_features:
            return X
        return take_columns(X, np.flatnonzero(self._kept))

    def _values(self, X: Any) -> NDArray[np.floating]:
        """Return numbers that are nan where X has no value."""
        return np.where(gaps_of(X), np.nan, 0.0) if self._is_table else X

    def _fitted(self) -> dict[str, Any]:
        parameters = self.get_params(deep=False)
        return {k: v for k, v in vars(self).items() if k not in parameters}

    def _impute(self, scaled: Any) -> Any:
        options = {}
        if not self.estimator_.make_posterior().deterministic:
            options["n_importance_samples"] = self.n_importance_samples
        if not self.sample_posterior:
            return self.estimator_.impute(scaled, **options)
        options["random_state"] = self._draws
        return self.estimator_.sample_missing(scaled, 1, **options)[0]

    def _validate(self, X: Any, reset: bool = False) -> Any:
        if self._is_table:
            if not is_frame(X):
                raise TypeError(
                    f"{type(self).__name__} was fitted to a data frame with "
                    f"categories, but X is of type {type(X).__name__}. Pass a frame."
                )
            validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        return validate_data(
            self,
            as_array_like(with_nan(X)),
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            reset=reset,
        )

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        for name in ("sample_posterior", "add_indicator", "keep_empty_features"):
            check_boolean(owner, name, getattr(self, name))
        check_integer(owner, "n_importance_samples", self.n_importance_samples, 1)
        if self.estimator is not None and not hasattr(self.estimator, "impute"):
            raise TypeError(
                f"The 'estimator' parameter of {owner} must be an autoencoder of skvae "
                f"with `impute`, such as VAE() or IWAE(), or None. Got "
                f"{self.estimator!r} instead."
            )
        posterior = self.estimator and self.estimator.make_posterior()
        if self.sample_posterior and posterior and posterior.deterministic:
            raise ValueError(
                f"{owner}(sample_posterior=True) needs draws of q(z|x), but that of "
                f"{type(self.estimator).__name__} is a point. Use a VAE or an IWAE, or "
                "sample_posterior=False."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def default_model(n_rows: int, n_features: int) -> IWAE:
    """Return the autoencoder that rows of this shape are imputed by."""
    n_components = max(1, min(16, n_features // 2))
    n_normals = max(1, min(10, n_rows // 20))
    return IWAE(n_components, latent_density=GaussianMixture(n_normals))
