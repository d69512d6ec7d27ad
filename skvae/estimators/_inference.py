"""What a fitted autoencoder does: encode, decode, sample and score."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skvae._training.latents import fit_latent_density
from skvae._utils.random import (
    SampleStream,
    Stream,
    child_seed,
    draw_seed,
    make_generator,
    numpy_seed,
)
from skvae._utils.rows import without_values
from skvae._utils.validation import check_boolean, check_integer
from skvae.densities._adapter import (
    asked_labels,
    by_class,
    sample_classes,
    sample_density,
    takes_labels,
)
from skvae.estimators._input import InputMixin
from skvae.estimators._parts import by_parts
from skvae.estimators._scoring import ImportanceSampler
from skvae.module import AutoencoderModule


def _is_of_classes(estimator: Any) -> bool:
    density = vars(estimator).get("_density")
    return takes_labels(estimator._unfitted_density if density is None else density)


# A TransformerMixin, since `set_output` reaches methods of its own subclasses only.
class InferenceMixin(InputMixin, TransformerMixin):
    """Methods of a fitted autoencoder, around `module_` and `latent_density_`."""

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode: the mean of q(z|x) for every row.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
            NaN, None and NA stand for missing values, here as in all methods: the
            encoder sees the training mean in their place. A row without any value has
            the mean of N(0, I).

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
        """
        module, X = self._fitted_module(), self._validate(X)

        def encoded(module: Any, rows: NDArray[Any]) -> NDArray[np.float32]:
            module.likelihood.check_support(rows)
            Z = module.blockwise(lambda module, x: module.encode(x).mean, rows)
            Z[without_values(rows)] = 0  # as the prior's
            return Z

        return by_parts(encoded, X, module)

    def inverse_transform(self, X: Any) -> NDArray[np.floating]:
        """Decode: the expectation of p(x|z) for every latent row.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_components)
            Latent variables z.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features), or data frame

        Raises
        ------
        ValueError
            If a code is so far out that its row is not finite.
        """
        module = self._fitted_module()
        Z = self._validate_codes(X, module.n_components)
        # A decoder of the user's own may work in place.
        return self._as_fitted(decoded(module, Z.copy()), X)

    def reconstruct(self, X: Any) -> NDArray[np.floating]:
        """Encode and decode: E[x | z] at the mean of q(z|x).

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features), or data frame
        """
        module, rows = self._fitted_module(), self._validate(X)

        def reconstructed(module: Any, rows: NDArray[Any]) -> NDArray[np.floating]:
            module.likelihood.check_support(rows)
            return module.blockwise(reconstruction, rows)

        return self._as_fitted(by_parts(reconstructed, rows, module), X)

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        mean: bool | None = None,
        random_state: Any = None,
    ) -> NDArray[np.floating]:
        """Generate rows: draw z from `latent_density_` and decode.

        Parameters
        ----------
        n_samples : int, default=1
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each row, where the latent density is one of
            classes. None draws classes by their priors.
        mean : bool or None, default=None
            True returns the decoder's means, as the papers do; False draws from p(x|z),
            with its noise. None is False for tables, that is, where `fit` had a data
            frame or `categorical_features`, and else True.
        random_state : int, RandomState instance or None, default=None
            None gives other rows in every call, whatever the constructor's
            `random_state` is.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), or data frame
            A frame with the columns, types and categories of `fit`, if that had one.
            Numbers are rounded to as many decimals as those of `fit` have.
        """
        module = self._fitted_module()
        owner = type(self).__name__ + ".sample"
        mean = self._table is None if mean is None else mean
        n_samples = check_integer(owner, "n_samples", n_samples, 1)
        seed = draw_seed(random_state)
        Z = self._sample_codes(n_samples, y, numpy_seed(seed, SampleStream.CODES))
        generator = make_generator(
            seed, SampleStream.OBSERVATIONS, device=module.device
        )
        return self._as_fitted(decoded(module, Z, None if mean else generator))

    def score_samples(
        self,
        X: Any,
        y: Any = None,
        *,
        n_importance_samples: int = 64,
        return_effective_sample_size: bool = False,
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Estimate log p(x) of every row by importance sampling.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each row, where the latent density is one of
            classes: scores are then log p(x|y).
        n_importance_samples : int, default=64
            Draws z ~ q(z|x) for each row. The estimate is in expectation a lower bound
            that tightens with their number; 1 gives the evidence lower bound.
        return_effective_sample_size : bool, default=False
            Return also how many of them count.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the units of X. Of a row with missing values, that of those
            observed; 0 if there are none.
        effective_sample_size : ndarray of shape (n_samples,)
            ``(sum w)^2 / sum w^2`` of the weights, between 1 and
            `n_importance_samples`; only if it is asked for.

        Notes
        -----
        The estimate is too low by about ``(1 / E - 1 / K) / 2`` nats, where E is the
        effective sample size and K the number of draws; where E is near 1, by more.

        Rows far from the training data, for which the encoder extrapolates, and rows
        that all but a few of its draws miss are scored by draws around the mode of
        p(x, z), unless `n_importance_samples` is 1. A row whose mode is searched for
        takes about ten times as long as another, a far one a hundred times.

        The noise is determined by `random_state` and the content of a row: scores do
        not depend on a row's position or neighbours, and the errors of distinct rows
        are independent.

        References
        ----------
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", 2016, eq. 8.
        """
        module, X = self._fitted_module(), self._validate(X)
        owner = type(self).__name__ + ".score_samples"
        k = check_integer(owner, "n_importance_samples", n_importance_samples, 1)
        with_sizes = return_effective_sample_size
        check_boolean(owner, "return_effective_sample_size", with_sizes)
        seed = child_seed(self._seed, Stream.SCORE)
        scores, sizes = np.empty((2, len(X)))
        module = module if y is None else module.reading(X)
        for rows, density in self._scoring_densities(y, len(X)):
            scored = partial(_scored, density, k, seed)
            scores[rows], sizes[rows] = by_parts(scored, X, module, rows).T
        return (scores, sizes) if with_sizes else scores

    @available_if(_is_of_classes)
    def of_class(self, y: Any) -> Self:
        """Return the model of the rows of one class, p(x|y), which shares the networks.

        Parameters
        ----------
        y : label

        Returns
        -------
        model : object
            A fitted estimator whose latent density is that of the class.

        Raises
        ------
        ValueError
            If there was no such class in `fit`.
        """
        twin = object.__new__(type(self))
        density = self.latent_density_.of_class(y)
        vars(twin).update(vars(self) | {"_density": density})
        return twin

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `score_samples` over the rows of X, in nats.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        log_likelihood : float
        """
        return float(np.mean(self.score_samples(X)))

    @property
    def likelihood_(self) -> Any:
        """The observation model, with its learned parameters."""
        return self._fitted_module().likelihood

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the latent density, if it has any."""
        return self.latent_density_.classes_

    @property
    def class_prior_(self) -> NDArray[np.float64]:
        """The probabilities of these classes."""
        return self.latent_density_.class_prior_

    @property
    def latent_density_(self) -> Any:
        """The fitted latent density; that of a stream is fitted when it is needed."""
        module = self._fitted_module()
        if self._density is None:
            sample = self._sample
            self._density = fit_latent_density(
                self, module, sample.rows, self._seed, sample.labels
            )
        return self._density

    @latent_density_.setter
    def latent_density_(self, density: Any) -> None:
        self._density = density

    @property
    def _n_features_out(self) -> int:
        return self.module_.n_components

    def _fitted_module(self) -> AutoencoderModule:
        check_is_fitted(self)
        return self.module_

    def _sample_codes(self, n_samples: int, y: Any, seed: int) -> NDArray[np.float64]:
        density, n_components = self.latent_density_, self.module_.n_components
        if y is None:
            return sample_density(density, n_samples, seed, n_components)
        owner = f"{type(self).__name__}.sample"
        labels = asked_labels(density, y, n_samples, owner)
        return sample_classes(density, labels, seed, n_components)

    def _scoring_densities(self, y: Any, n_rows: int) -> Iterator[tuple[Any, Any]]:
        """Yield rows and the density that their codes are scored by."""
        density = self.latent_density_
        if y is None:
            parts = iter([(slice(None), density)])
        else:
            owner = f"{type(self).__name__}.score_samples"
            parts = by_class(density, asked_labels(density, y, n_rows, owner))
        for rows, part in parts:
            if not hasattr(part, "score_samples"):
                raise AttributeError(
                    "score_samples needs a latent density that has `score_samples`; "
                    f"{type(part).__name__} has none. Fit with latent_density=None or "
                    "a GaussianMixture."
                )
            yield rows, part

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")


def decoded(
    module: AutoencoderModule, Z: NDArray[Any], generator: torch.Generator | None = None
) -> NDArray[np.floating]:
    """Return means of p(x|z) for codes, or draws of it if there is a generator."""

    def decode(module: AutoencoderModule, z: Tensor) -> Tensor:
        p = module.decode(z)
        return p.mean if generator is None else p.sample(generator)

    return module.blockwise(decode, Z, draws=generator is not None, codes=True)


def _scored(
    density: Any, k: int, seed: int, module: AutoencoderModule, rows: NDArray[Any]
) -> NDArray[np.float64]:
    """Return scores and effective sample sizes of rows, shape (n, 2)."""
    module.likelihood.check_support(rows)
    sampler = ImportanceSampler(module, density, k, seed)
    return np.stack(sampler(rows), 1)


def reconstruction(module: AutoencoderModule, x: Tensor) -> Tensor:
    """Return the mean of p(x|z) at the mean of q(z|x)."""
    return module.decode(module.encode(x).mean).mean
