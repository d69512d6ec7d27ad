"""What autoencoders with a deterministic encoder share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skvae.estimators._inference import reconstruction
from skvae.estimators._parts import by_parts
from skvae.estimators._scoring import in_units
from skvae.estimators.base import BaseAutoencoder
from skvae.module import AutoencoderModule
from skvae.posteriors import PointPosterior


class DeterministicAutoencoder(BaseAutoencoder):
    """Base class of autoencoders that encode a row as a point."""

    def score_samples(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Log-likelihood of every row given its own code, log p(x | z = encoder(x)).

        A reconstruction score, not an estimate of log p(x): there is no bound on the
        likelihood for a deterministic encoder. Compare it between models of one family
        only, never with a VAE's or an IWAE's.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : None
            Given its code, a row is as likely in every class.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the units of X.

        Raises
        ------
        ValueError
            If there is a y.
        """
        if y is not None:
            raise ValueError(
                f"score_samples of {type(self).__name__} takes no y, since a row given "
                "its code is as likely in every class. Score codes, "
                "latent_density_.score_samples(model.transform(X), y), or use a VAE."
            )
        module, X = self._fitted_module(), self._validate(X)

        def log_likelihood(module: AutoencoderModule, x: Tensor) -> Tensor:
            p = module.decode(module.encode(x).mean)
            return p.log_prob(x.double()).double()  # squares may overflow in float32

        def scored(module: Any, rows: NDArray[Any]) -> NDArray[np.float64]:
            module.likelihood.check_support(rows)
            return in_units(module.blockwise(log_likelihood, rows), module, rows)

        return by_parts(scored, X, module)

    def impute(self, X: Any) -> NDArray[np.floating]:
        """Replace missing values by their reconstructions.

        A deterministic encoder, which sees the training mean in their place, has no
        draws to weigh: VAE and IWAE impute better. (Reconstructing again and again
        diverged on tables with half of their values.)

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
            With NaN, None or NA where a value is missing.

        Returns
        -------
        X_imputed : ndarray of shape (n_samples, n_features)
            In the floating type of X. Values that are observed are those of X.
        """
        like, module, X = X, self._fitted_module(), np.asarray(self._validate(X))
        module.likelihood.check_support(X)
        rows, missing = self._in_units(module.blockwise(reconstruction, X)), np.isnan(X)
        filled = np.where(missing, rows, X).astype(X.dtype)
        return self._as_given(filled, like, missing)

    def sample_missing(self, X: Any, *args: Any, **options: Any) -> Any:
        """Raise TypeError: a deterministic encoder says nothing of what it misses."""
        raise TypeError(
            "Draws of missing values need a posterior q(z|x), but the encoder of "
            f"{type(self).__name__} is deterministic. Use `impute`, or a VAE or IWAE."
        )

    def make_posterior(self) -> Any:
        """Return a new, unbuilt `Posterior` for one fit."""
        return PointPosterior()
