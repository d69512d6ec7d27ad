"""How an autoencoder is fitted: all or nothing, at once or epoch by epoch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from skvae._training.callbacks import (
    CallbackSupportMixin,
    EpochCallbacks,
    with_callbacks,
)
from skvae._training.fit import Fit
from skvae._training.latents import fit_latent_density
from skvae._training.loop import training_context
from skvae._utils.validation import with_plain_integers
from skvae._utils.warn import warn
from skvae.densities import check_density

# What an estimator knows of the X that it is fitted to.
_DESCRIPTION = ("n_features_in_", "feature_names_in_", "_row_shape")


def _has_latent_density(estimator: Any) -> bool:
    if "latent_density" in estimator.get_params(deep=False):
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has no parameter `latent_density`: its own second "
        "stage is the density of its codes. Fit it anew, or give a VAE the density."
    )


class FittingMixin(CallbackSupportMixin):
    """Methods that train an autoencoder."""

    def fit(self, X: Any, y: Any = None) -> Self:
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
            If the loss is still not finite after the learning rate has been halved
            three times.
        KeyboardInterrupt
            After an interrupt from the keyboard. If an epoch was complete, the
            estimator is fitted: it has the model that a RuntimeWarning names.

        Warns
        -----
        UserWarning
            If a value is so far from all others of its column that it would decide the
            fit; in training it is drawn in.
        """
        return self._fit(X, y, None, self.warm_start)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one more epoch on the rows of X.

        ``max_epochs`` calls with the same X equal one ``fit`` with a constant learning
        rate (with more than 10,000 rows, except for what is estimated from codes).

        X may be the next chunk of a stream. The latent density and the diagnostics are
        then those of a sample of the stream, rows of ``fit`` included, in which every
        row has equal probability: at most 10,000 rows, or 64 MB in float32. A chunk of
        at least 32 rows that comes again is counted once. The density is fitted when
        it is first used, and not in every call.

        The statistics that centre and scale X are those of the first 32 rows and the
        rest of their chunk: after chunks of fewer rows, or of equal rows, the networks
        begin anew. Let the first chunk be like the stream as a whole.

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
    def fit_latent_density(self, X: Any, y: Any = None) -> Self:
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
        plain = with_plain_integers(self)
        self._density = fit_latent_density(plain, module, X, self._seed)
        return self

    def _fit(self, X: Any, y: Any, n_epochs: int | None, resume: bool) -> Self:
        """Fit all or nothing: the fitted attributes are set by one assignment."""
        fit = self._prepare(X, n_epochs, resume)
        try:
            self._train(fit, X, y)
            fitted = self._with(fit.fitted)
            if fitted._sample.n_seen > 1 and (message := fitted._find_collapse()):
                warn(message)
            self.__dict__ = vars(fitted)
        except KeyboardInterrupt as interrupt:
            try:
                self._keep_what_is_trained(fit)
            finally:
                raise interrupt
        return self

    def _prepare(self, X: Any, n_epochs: int | None, resume: bool) -> Fit:
        """Return the fit to X; this estimator stays as it is."""
        twin = with_plain_integers(self)
        twin.check_parameters()
        goes_on = resume and self.__sklearn_is_fitted__()
        rows = twin._validate(X, reset=not goes_on)
        is_chunk = n_epochs is not None
        return twin._make_fit(rows, n_epochs or twin.max_epochs, resume, is_chunk)

    @with_callbacks
    def _train(self, fit: Any, X: Any, y: Any) -> None:
        with training_context(fit.device, self.precision):
            callbacks = EpochCallbacks(self, fit.n_callback_epochs, X, y)
            fit.run(callbacks)
            fit.fitted = fit.attributes()
        callbacks.end(lambda: fit.fitted)

    def _keep_what_is_trained(self, fit: Any) -> None:
        """Become the model of the last complete epoch, if there is one."""
        with training_context(fit.device, self.precision):
            fitted = fit.rescue()
        if fitted is not None:
            self.__dict__ = vars(self._with(fitted))
            warn(f"The fit was interrupted; {fit.describe()}", RuntimeWarning)

    def _with(self, fitted: dict[str, Any]) -> Self:
        """Return a copy of this estimator with other fitted attributes."""
        twin = object.__new__(type(self))
        kept = {k: v for k, v in vars(self).items() if k not in _DESCRIPTION}
        vars(twin).update(kept | fitted)
        return twin

    def _make_fit(
        self, X: np.ndarray, n_epochs: int, resume: bool, stream: bool
    ) -> Fit:
        """Return the fit to X, which goes on from this estimator if it may and can."""
        return Fit(
            self,
            X,
            n_epochs,
            {k: v for k, v in vars(self).items() if k in _DESCRIPTION},
            previous=self if resume and self.__sklearn_is_fitted__() else None,
            stream=stream,
            keep_optimizer=resume,
        )

    def _find_collapse(self) -> str | None:
        """Return a warning if the fitted codes carry too little information."""
        n_active, d = len(self.active_components_), self.module_.n_components
        if 4 * n_active > d or (n_active and d < 4):
            return None
        return (
            f"Posterior collapse: of {d} latent components only {n_active} are active "
            f"(components {self.active_components_.tolist()}); the others carry no "
            "information on X. That is no harm if reconstructions are good; if not, "
            + ", ".join(["train longer", *self.collapse_remedies])
            + ", or let GaussianLikelihood(scale='global') learn the noise."
        )
