"""How an autoencoder is fitted: all or nothing, at once or epoch by epoch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from skvae._training.callbacks import (
    CallbackSupportMixin,
    EpochCallbacks,
    forget_callbacks,
    with_callbacks,
)
from skvae._training.fit import Fit
from skvae._training.latents import fit_latent_density
from skvae._training.loop import training_context
from skvae._training.processes.joined import current_processes, joined
from skvae._training.processes.same import check_same
from skvae._utils.labels import as_labels
from skvae._utils.rows import row_blocks
from skvae._utils.sources import is_stored
from skvae._utils.validation import check_boolean, with_plain_integers
from skvae._utils.warn import warn
from skvae.densities._adapter import check_density, takes_labels, try_density

# What an estimator knows of the X that it is fitted to.
_DESCRIPTION = ("n_features_in_", "feature_names_in_", "_row_shape", "_table")


def _has_latent_density(estimator: Any) -> bool:
    if "latent_density" in estimator.get_params(deep=False):
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has no parameter `latent_density`: its own second "
        "stage is the density of its codes. Fit it anew, or give a VAE the density."
    )


class FittingMixin(CallbackSupportMixin):
    """Methods that train an autoencoder."""

    def fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Train on the rows of X.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features), or data frame
            Rows, or images of shape (n_samples, H, W) or (n_samples, C, H, W), of any
            numeric type: bytes need no conversion. What is stored elsewhere is read
            block by block: a memory-mapped array, or an array of h5py, zarr, dask or
            pyarrow. A frame of pandas or polars is a table: columns that do not hold
            numbers are categories, and rows that come out are frames. NaN, None and NA
            stand for missing values.
        y : array-like of shape (n_samples,), default=None
            Labels, where the latent density is one of classes, such as
            ``ClassConditionalDensity()``: None, NaN or pandas.NA for rows without one.
            Else ignored.
        X_val : array-like or Tensor of shape (n_validation, n_features), default=None
            Rows whose loss `early_stopping` follows, in place of a random share of X:
            of later times, for instance, or of other groups. All rows of X are then
            trained on. In a Pipeline, ``Pipeline(..., transform_input=["X_val"])``
            takes them through the same steps as X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If X, X_val or a parameter is not valid, or if there is an X_val without
            early stopping; the estimator then stays as it was.
        FloatingPointError
            If the loss is still not finite after the learning rate has been halved
            three times.
        KeyboardInterrupt
            After an interrupt from the keyboard. If an epoch was complete, the
            estimator is fitted: it has the model that a RuntimeWarning names.
        Exception
            Of any type, if the latent density fails after the training. The estimator
            then is fitted, too: with another `latent_density` as parameter, or by
            `fit_latent_density`, it can do all that others do.

        Warns
        -----
        UserWarning
            If a value is so far from all others of its column that it would decide the
            fit; in training it is drawn in. If a column of a table is empty, or has a
            category for nearly every row.
        """
        return self._fit(X, y, X_val, None, self.warm_start)

    def partial_fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Train for one more epoch on the rows of X.

        ``max_epochs`` calls with the same X equal one ``fit`` without early stopping
        (with more than 10,000 rows, except for what is estimated from codes). A
        `lr_schedule` goes on from call to call; "cosine" begins anew after every
        ``max_epochs`` of them.

        X may be the next chunk of a stream. The latent density and the diagnostics are
        then those of a sample of the stream, rows of ``fit`` included, in which every
        row has equal probability: at most 10,000 rows, or 64 MB in float32. A chunk of
        at least 32 rows that comes again is counted once. The density is fitted when
        it is first used, and not in every call.

        The statistics that centre and scale X, and its bounds, are those of all rows
        of the stream. In a first pass over its chunks, the networks begin anew, at
        principal components of the sample, where a chunk moves these statistics by
        more than a quarter of a spread: with further passes, chunks that are unlike
        each other are learned as by ``fit``. Networks that have seen rows more than
        1.5 times, on average, are kept. They become the same functions of rows in the
        new statistics, or keep the old ones if their outermost layers are not affine.
        Bounds and margins of columns then stay, too. A warning names the feature if a
        chunk of 32 rows or more lies more than ten spreads away from those before.

        The weight of an annealed term, such as that of `kl_warmup`, follows passes over
        the stream, with `max_epochs` passes in the place of epochs.

        `early_stopping` stops nothing here, since it is the caller who decides on the
        next epoch: it holds out rows of every chunk, of at least two, and records
        their loss. With an X_val, the losses of all calls are those of the same rows.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        X_val : array-like or Tensor of shape (n_validation, n_features), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, X_val, 1, True)

    @available_if(_has_latent_density)
    def fit_latent_density(self, X: Any, y: Any = None) -> Self:
        """Fit `latent_density` to the codes of the rows of X, and train nothing.

        With the training rows this gives `latent_density_` as ``fit`` would have done
        with the density that is now the parameter, at none of its cost. Encoder and
        decoder stay as they are, and with them transforms and reconstructions.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            As in `fit`.

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
        for rows in row_blocks(X) if is_stored(X) else (X,):
            module.likelihood.check_support(rows)
        check_density(self.latent_density)
        plain = with_plain_integers(self)
        labels = self._labels(y, len(X))
        self._density = fit_latent_density(plain, module, X, self._seed, labels)
        return self

    def _fit(
        self, X: Any, y: Any, X_val: Any, n_epochs: int | None, resume: bool
    ) -> Self:
        """Fit all or nothing, on this process or on all of them."""
        check_boolean(type(self).__name__, "distributed", self.distributed)
        with joined(self.distributed) as processes:
            return self._fit_on(processes, X, y, X_val, n_epochs, resume)

    def _fit_on(
        self,
        processes: Any,
        X: Any,
        y: Any,
        X_val: Any,
        n_epochs: int | None,
        resume: bool,
    ) -> Self:
        """Fit all or nothing: the fitted attributes are set by one assignment."""
        fit = self._prepare(X, y, X_val, n_epochs, resume)
        try:
            self._with_callbacks_of(processes)._train(fit, X, y)
            fitted = self._with(fit.fitted)
            if fitted._sample.n_seen > 1 and (message := fitted._find_collapse()):
                warn(message)
            processes.agree("end of the fit")
            self.__dict__ = vars(fitted)
        except KeyboardInterrupt as interrupt:
            try:
                self._keep_what_is_trained(fit, "The fit was interrupted;")
            finally:
                raise interrupt
        except Exception as error:
            if not fit.is_trained or fit.fitted is not None:
                raise
            try:
                self._keep_what_is_trained(fit, "The latent density failed;")
            finally:
                raise error
        finally:
            forget_callbacks(self)
        return self

    def _prepare(
        self, X: Any, y: Any, X_val: Any, n_epochs: int | None, resume: bool
    ) -> Fit:
        """Return the fit to X; this estimator stays as it is."""
        twin = with_plain_integers(self)
        twin.check_parameters()
        if X_val is not None and not twin._stops_early:
            raise ValueError(
                "X_val has the rows that early stopping follows, but early_stopping is "
                "False. Set early_stopping=True, or leave X_val out."
            )
        goes_on = resume and self.__sklearn_is_fitted__()
        rows = twin._validate(X, reset=not goes_on)
        held_out = twin._validate_held_out(X_val)
        is_chunk = n_epochs is not None
        labels = twin._labels(y, len(rows), is_chunk=is_chunk)
        data = {"X": rows, "X_val": held_out, "y": labels}
        method, before = "partial_fit" if is_chunk else "fit", self if goes_on else None
        check_same(current_processes(), twin, method, data, before)
        if not is_chunk:  # the density of a stream is fitted when it is used
            twin._try_density()
        n_epochs = n_epochs or twin.max_epochs
        return twin._make_fit(rows, held_out, n_epochs, resume, is_chunk, labels)

    def _with_callbacks_of(self, processes: Any) -> Self:
        """Return this estimator on the first process, else one without callbacks."""
        if processes.is_first:
            return self
        twin = self._with({})
        twin.set_callbacks()
        return twin

    @with_callbacks
    def _train(self, fit: Any, X: Any, y: Any) -> None:
        processes = current_processes()
        with training_context(fit.device, self.precision):
            callbacks = EpochCallbacks(self, fit.n_callback_epochs, X, y, fit)
            resumed = processes.same(callbacks.resumed)
            if resumed is not None and not processes.is_first:
                fit.resume(resumed)
            fit.run(callbacks)
            fit.fitted = fit.attributes()
        callbacks.end(lambda: fit.fitted)

    def _keep_what_is_trained(self, fit: Any, reason: str) -> None:
        """Become the model of the last complete epoch, if there is one."""
        with training_context(fit.device, self.precision):
            fitted = fit.rescue()
        if fitted is not None:
            self.__dict__ = vars(self._with(fitted))
            warn(f"{reason} {fit.describe()}", RuntimeWarning)

    def _with(self, fitted: dict[str, Any]) -> Self:
        """Return a copy of this estimator with other fitted attributes."""
        twin = object.__new__(type(self))
        kept = {k: v for k, v in vars(self).items() if k not in _DESCRIPTION}
        vars(twin).update(kept | fitted)
        return twin

    def _labels(
        self, y: Any, n_rows: int, *, is_chunk: bool = False
    ) -> np.ndarray | None:
        """Return the labels of rows, None where the latent density takes none.

        A chunk of a stream may lack classes.
        """
        density = self._density_of_codes(n_rows)
        if not takes_labels(density):
            return None
        name = f"{type(self).__name__} with classes in its latent density"
        labels = as_labels(y, n_rows, name)
        if hasattr(density, "check_labels") and not is_chunk:
            density.check_labels(labels)
        return labels

    def _density_of_codes(self, n_samples: int) -> Any:
        """Return the density that is to be fitted to the codes of so many rows."""
        return self.make_latent_density(n_samples)

    def _try_density(self) -> None:
        """Refuse a latent density that is no use, as far as can be known so early."""
        try_density(self.latent_density, self.n_components)

    @property
    def _stops_early(self) -> bool:
        """Whether there is a use for rows to validate on."""
        return self.early_stopping

    def _make_fit(
        self,
        X: np.ndarray,
        X_val: np.ndarray | None,
        n_epochs: int,
        resume: bool,
        stream: bool,
        labels: np.ndarray | None,
    ) -> Fit:
        """Return the fit to X, which goes on from this estimator if it may and can."""
        return Fit(
            self,
            X,
            n_epochs,
            {k: v for k, v in vars(self).items() if k in _DESCRIPTION},
            previous=self if resume and self.__sklearn_is_fitted__() else None,
            stream=stream,
            keep_state=resume,
            X_val=X_val,
            labels=labels,
        )
