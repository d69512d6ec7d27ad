"""What all autoencoder estimators share: arrays in, arrays out, around one module."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skvae._training.callbacks import (
    CallbackSupportMixin,
    EpochCallbacks,
    callback_state,
    with_callbacks,
)
from skvae._training.fit import SCORE, Fit, fit_latent_density
from skvae._training.loop import training_context
from skvae._utils.device import resolve_device
from skvae._utils.random import child_seed, draw_seed, make_generator, row_normal
from skvae._utils.validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_real,
)
from skvae.densities import check_density, sample_density, score_density
from skvae.estimators._persistence import PersistenceMixin
from skvae.estimators._rows import RowsMixin
from skvae.losses import importance_weights
from skvae.module import AutoencoderModule, blockwise

__all__ = ["BaseAutoencoder"]

_DECODED_BLOCKS = 8


def _has_latent_density(estimator: Any) -> bool:
    if "latent_density" in estimator.get_params(deep=False):
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has no parameter `latent_density`: its own second "
        "stage is the density of its codes. Fit it anew, or give a VAE the density."
    )


class BaseAutoencoder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    RowsMixin,
    PersistenceMixin,
    BaseEstimator,
):
    """Base class of autoencoder estimators.

    All methods that take rows take images too; rows that come out have the shape that X
    had in `fit`.

    A subclass stores its parameters in ``__init__`` and defines `_make_posterior` and
    `_loss`; it may extend `_finish_module`, `_make_latent_density`, `_annealing` and
    `_check_parameters`.
    """

    def fit(self, X: Any, y: Any = None) -> BaseAutoencoder:
        """Train on the rows of X.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
            Rows, or images of shape (n_samples, H, W) or (n_samples, C, H, W), of any
            numeric type: bytes need no conversion. A memory-mapped array is read batch
            by batch.
        y : Ignored

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If X or a parameter is not valid; the estimator then stays as it was.
        FloatingPointError
            If the loss stays non-finite although the learning rate was halved thrice.
        """
        return self._fit(X, y, None, self.warm_start)

    def partial_fit(self, X: Any, y: Any = None) -> BaseAutoencoder:
        """Train for one more epoch on the rows of X.

        ``max_epochs`` calls with the same X equal one ``fit`` with a constant learning
        rate. The statistics that centre and scale X stay those of the first call.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, 1, True)

    @available_if(_has_latent_density)
    def fit_latent_density(self, X: Any, y: Any = None) -> BaseAutoencoder:
        """Fit `latent_density` to the codes of the rows of X, and train nothing.

        With the training rows this gives `latent_density_` as ``fit`` would have done
        with the density that is now the parameter, at none of its cost. Encoder and
        decoder stay as they are, and with them transforms and reconstructions.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        self : object
            The fitted estimator, with another `latent_density_`.

        Raises
        ------
        NotFittedError
            If there are no networks yet.
        TypeError
            If the parameter `latent_density` is not a density.

        References
        ----------
        Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020,
        section 5.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.mixture import GaussianMixture
        >>> from skvae import VAE
        >>> X = np.random.default_rng(0).normal(size=(64, 3))
        >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
        >>> vae.set_params(latent_density=GaussianMixture(2)).fit_latent_density(X)
        VAE(latent_density=GaussianMixture(n_components=2), ...)
        >>> vae.latent_density_.n_components
        2
        """
        module, X = self._fitted_module(), self._validate(X)
        module.likelihood.check_support(X)
        check_density(self.latent_density)
        density = fit_latent_density(self, module, X, self._seed)
        self.latent_density_ = density
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode: the mean of q(z|x) for every row.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)

        Returns
        -------
        Z : ndarray of shape (n_samples, n_components)
        """
        module, X = self._fitted_module(), self._validate(X)
        module.likelihood.check_support(X)
        return module.blockwise(lambda x: module.encode(x).mean, X)

    def inverse_transform(self, X: Any) -> NDArray[np.float32]:
        """Decode: the expectation of p(x|z) for every latent row.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_components)
            Latent variables z.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        module = self._fitted_module()
        Z = self._validate_codes(X, module.n_components)
        # A decoder of the user's own may work in place.
        rows = module.blockwise(lambda z: module.decode(z).mean, Z.copy())
        return self._as_fitted(rows)

    def reconstruct(self, X: Any) -> NDArray[np.float32]:
        """Encode and decode: E[x | z] at the mean of q(z|x).

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)

        Returns
        -------
        X_reconstructed : ndarray of shape (n_samples, n_features)
        """
        module, X = self._fitted_module(), self._validate(X)
        module.likelihood.check_support(X)
        rows = module.blockwise(lambda x: module.decode(module.encode(x).mean).mean, X)
        return self._as_fitted(rows)

    def sample(
        self, n_samples: int = 1, *, mean: bool = True, random_state: Any = None
    ) -> NDArray[np.float32]:
        """Generate rows: draw z from `latent_density_` and decode.

        Parameters
        ----------
        n_samples : int, default=1
        mean : bool, default=True
            Return the decoder's means, as the papers do; False adds the observation
            noise of p(x|z).
        random_state : int, RandomState instance or None, default=None
            None gives other rows in every call, whatever the constructor's
            `random_state` is.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        """
        module = self._fitted_module()
        check_integer(type(self).__name__ + ".sample", "n_samples", n_samples, 1)
        seed = draw_seed(random_state)
        Z = sample_density(self.latent_density_, n_samples, child_seed(seed, 0) % 2**31)
        generator = make_generator(seed, 1, device=module.device)

        def decode(z: Tensor) -> Tensor:
            p = module.decode(z)
            return p.mean if mean else p.sample(generator)

        return self._as_fitted(module.blockwise(decode, Z))

    def score_samples(
        self, X: Any, *, n_importance_samples: int = 64
    ) -> NDArray[np.float64]:
        """Estimate log p(x) of every row by importance sampling.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        n_importance_samples : int, default=64
            Draws z ~ q(z|x) for each row. The estimate is in expectation a lower bound
            that tightens with their number; 1 gives the evidence lower bound.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the units of X.

        Notes
        -----
        The noise is determined by `random_state` and the content of a row: scores do
        not depend on a row's position or neighbours, and the errors of distinct rows
        are independent.

        References
        ----------
        Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", 2016, eq. 8.
        """
        module, X = self._fitted_module(), self._validate(X)
        module.likelihood.check_support(X)
        k = n_importance_samples
        check_integer(
            type(self).__name__ + ".score_samples", "n_importance_samples", k, 1
        )
        density, seed = self._scoring_density(), child_seed(self._seed, SCORE)

        def bound(x: Tensor) -> Tensor:
            noise = row_normal(x, k, module.n_components, seed).to(module.device)
            log_ratio, z = importance_weights(module, x, noise)
            Z = z.reshape(-1, module.n_components).cpu().double().numpy()
            log_prior = torch.from_numpy(score_density(density, Z)).reshape(k, -1)
            log_w = log_ratio.cpu().double() + log_prior
            return log_w.logsumexp(0) - np.log(k)

        n_rows = max(1, _DECODED_BLOCKS * module.block // k)
        return blockwise(bound, X, module.device, n_rows)

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
    def _n_features_out(self) -> int:
        return self.module_.n_components

    # The rest is for subclasses and scikit-learn.

    def _make_posterior(self) -> Any:
        raise NotImplementedError

    def _loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        raise NotImplementedError

    def _finish_module(
        self, module: AutoencoderModule, generator: torch.Generator
    ) -> AutoencoderModule:
        """Change or extend a new module, on the CPU, before training starts."""
        return module

    def _make_latent_density(self, n_samples: int) -> Any:
        """Return the density to fit to the codes of so many rows, or None."""
        return self.latent_density

    def _annealing(self, progress: float) -> float:
        """Return the factor of annealed terms when a share of all epochs is done."""
        return 1.0

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        check_integer(owner, "n_components", self.n_components, 1)
        check_density(self.latent_density)
        check_real(owner, "learning_rate", self.learning_rate)
        if not callable(self.lr_schedule):
            names = ("constant", "plateau", "cosine")
            rule = "a callable that returns a scheduler"
            check_choice(owner, "lr_schedule", self.lr_schedule, names, rule)
        for name in ("batch_size", "max_epochs", "n_iter_no_change"):
            check_integer(owner, name, getattr(self, name), 1)
        if not isinstance(self.verbose, bool):
            check_integer(owner, "verbose", self.verbose, 0)
        check_real(owner, "validation_fraction", self.validation_fraction, 0, 1)
        check_choice(owner, "precision", self.precision, ("float32", "bfloat16"))
        for name in ("early_stopping", "compile", "warm_start"):
            check_boolean(owner, name, getattr(self, name))

    @with_callbacks
    def _fit(
        self, X: Any, y: Any, n_epochs: int | None, resume: bool
    ) -> BaseAutoencoder:
        before = dict(vars(self))
        try:
            self._check_parameters()
            n_epochs = n_epochs or self.max_epochs
            rows = self._validate(
                X, reset=not (resume and self.__sklearn_is_fitted__())
            )
            device = resolve_device(self.device)
            with training_context(device, self.precision):
                fit = self._make_fit(rows, n_epochs, resume)
                callbacks = EpochCallbacks(self, fit.n_callback_epochs, X, y)
                fit.run(callbacks)
                fitted = fit.attributes()
            callbacks.end(lambda: fitted)
        except BaseException:
            kept = callback_state(vars(self))
            vars(self).clear()
            vars(self).update(before | kept)
            raise
        vars(self).update(fitted)
        if message := self._find_collapse():
            warnings.warn(message, UserWarning, stacklevel=4)  # the line of fit
        return self

    def _make_fit(self, X: np.ndarray, n_epochs: int, resume: bool) -> Fit:
        return Fit(self, X, n_epochs, resume)

    def _find_collapse(self) -> str | None:
        """Return a warning if the fitted codes carry too little information."""
        n_active, d = len(self.active_components_), self.module_.n_components
        if 4 * n_active > d or (n_active and d < 4):
            return None
        names = {"beta": "lower", "kl_warmup": "raise", "free_bits": "raise"}
        advice = [f"{do} {name}" for name, do in names.items() if hasattr(self, name)]
        return (
            f"Posterior collapse: of {d} latent components only {n_active} are active "
            f"(components {self.active_components_.tolist()}); the others carry no "
            "information on X. That is no harm if reconstructions are good; if not, "
            + ", ".join(["train longer", *advice])
            + ", or let GaussianLikelihood(scale='global') learn the noise."
        )

    def _fitted_module(self) -> AutoencoderModule:
        check_is_fitted(self)
        return self.module_

    def _scoring_density(self) -> Any:
        if hasattr(self.latent_density_, "score_samples"):
            return self.latent_density_
        raise AttributeError(
            "score_samples needs a latent density that has `score_samples`; "
            f"{type(self.latent_density_).__name__} has none. Fit with "
            "latent_density=None or a GaussianMixture."
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
