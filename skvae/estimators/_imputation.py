"""Missing values: their expectation and draws of them, given what is observed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._distributions.columns import weighted_mean
from skvae._utils.random import (
    SampleStream,
    Stream,
    child_seed,
    draw_seed,
    make_generator,
    numpy_seed,
)
from skvae._utils.rows import without_values
from skvae._utils.validation import check_integer
from skvae.estimators._inference import InferenceMixin, decoded
from skvae.estimators._scoring import ImportanceSampler
from skvae.module import AutoencoderModule

_OF_NOTHING = 1024  # draws of the prior, where nothing of a row is observed


class ImputationMixin(InferenceMixin):
    """Methods of a fitted autoencoder for rows with missing values."""

    def impute(self, X: Any, *, n_importance_samples: int = 64) -> Any:
        """Replace missing values by their expectation given those observed.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
            With NaN, None or NA where a value is missing.
        n_importance_samples : int, default=64
            Draws z ~ q(z|x) for each row, weighted by importance.

        Returns
        -------
        X_imputed : ndarray of shape (n_samples, n_features), or data frame
            In the floating type of X, or with the types of `fit`. Values that are
            observed are those of X; missing categories are the likeliest ones.

        Notes
        -----
        ``E[x_missing | x_observed]`` by self-normalised importance sampling, with the
        weights of `score_samples`. As there, the draws are determined by `random_state`
        and the content of a row. It has the least squared error, but varies less than
        data do: for what depends on their spread, use `sample_missing`.

        References
        ----------
        Mattei & Frellsen, "MIWAE: Deep Generative Modelling and Imputation of
        Incomplete Data Sets", ICML 2019, eq. 12.

        Examples
        --------
        >>> import numpy as np
        >>> from skvae import VAE
        >>> z = np.random.default_rng(0).normal(size=(200, 1))
        >>> X = z + 0.1 * np.random.default_rng(1).normal(size=(200, 3))
        >>> X[0, 2] = np.nan
        >>> vae = VAE(1, max_epochs=50, random_state=0).fit(X)
        >>> imputed = vae.impute(X)
        >>> bool(np.isnan(imputed).any()), bool(imputed[0, 0] == X[0, 0])
        (False, True)
        """
        owner = type(self).__name__ + ".impute"
        k = check_integer(owner, "n_importance_samples", n_importance_samples, 1)

        def expected(module: AutoencoderModule, z: Tensor, log_w: Tensor) -> Tensor:
            return weighted_mean(module.decode(z), log_w.softmax(0))

        def of_nothing(module: AutoencoderModule, n: int) -> NDArray[np.floating]:
            seed = child_seed(self._seed, Stream.SCORE)
            codes = self._prior_codes(_OF_NOTHING, seed)
            if not module.likelihood.is_nominal:
                return decoded(module, codes).mean(0)
            z = torch.from_numpy(codes).float().to(module.device).unsqueeze(1)
            with torch.inference_mode():
                p, share = module.decode(z), z.new_full(z.shape[:2], 1 / len(z))
                return weighted_mean(p, share).cpu().numpy()

        return self._filled(X, 1, k, expected, of_nothing)[0]

    def sample_missing(
        self,
        X: Any,
        n_draws: int = 1,
        *,
        n_importance_samples: int = 64,
        random_state: Any = None,
    ) -> Any:
        """Draw missing values from p(x_missing | x_observed): multiple imputation.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
            With NaN, None or NA where a value is missing.
        n_draws : int, default=1
        n_importance_samples : int, default=64
            Draws z ~ q(z|x) for each row, of which `n_draws` are chosen by their
            importance.
        random_state : int, RandomState instance or None, default=None
            None gives other draws in every call.

        Returns
        -------
        X_drawn : ndarray of shape (n_draws, n_samples, n_features), or list
            In the floating type of X, each with values drawn from p(x|z); of a table, a
            list of tables. Values that are observed are those of X.

        References
        ----------
        Rubin, "Multiple Imputation for Nonresponse in Surveys", 1987; Mattei &
        Frellsen, ICML 2019, section 3.

        Examples
        --------
        >>> import numpy as np
        >>> from skvae import VAE
        >>> z = np.random.default_rng(0).normal(size=(200, 1))
        >>> X = z + 0.1 * np.random.default_rng(1).normal(size=(200, 3))
        >>> X[0, 2] = np.nan
        >>> vae = VAE(1, max_epochs=50, random_state=0).fit(X)
        >>> vae.sample_missing(X, 5, random_state=0).shape
        (5, 200, 3)
        """
        owner = type(self).__name__ + ".sample_missing"
        k = check_integer(owner, "n_importance_samples", n_importance_samples, 1)
        m = check_integer(owner, "n_draws", n_draws, 1)
        seed = draw_seed(random_state)
        device = self._fitted_module().device
        generator = make_generator(seed, SampleStream.OBSERVATIONS, device=device)

        def drawn(module: AutoencoderModule, z: Tensor, log_w: Tensor) -> Tensor:
            share = log_w.softmax(0).T
            chosen = torch.multinomial(share, m, replacement=True, generator=generator)
            z = z.take_along_dim(chosen.T.unsqueeze(-1), dim=0)
            return module.decode(z).sample(generator).transpose(0, 1).flatten(1)

        def of_nothing(module: AutoencoderModule, n: int) -> NDArray[np.floating]:
            other = make_generator(seed, SampleStream.NOTHING, device=device)
            rows = decoded(module, self._prior_codes(m * n, seed), other)
            return rows.reshape(m, n, -1)

        filled = self._filled(X, m, k, drawn, of_nothing)
        return np.stack(filled) if self._table is None else filled

    def _filled(
        self,
        X: Any,
        m: int,
        k: int,
        summary: Callable[[AutoencoderModule, Tensor, Tensor], Tensor],
        of_nothing: Callable[[AutoencoderModule, int], NDArray[np.floating]],
    ) -> list[Any]:
        """Return X with its missing values filled in, in m ways."""
        like, module, X = X, self._fitted_module(), np.asarray(self._validate(X))
        module.likelihood.check_support(X)
        missing = np.isnan(X)
        filled = np.repeat(X[None], m, axis=0)
        nothing = without_values(X)
        rows = np.setdiff1d(np.flatnonzero(missing.any(axis=1)), nothing)
        if len(rows):
            seed = child_seed(self._seed, Stream.SCORE)
            _, density = next(self._scoring_densities(None, len(X)))
            sampler = ImportanceSampler(
                *(module.reading(X), density, k, seed),
                summary=functools.partial(summary, module),
            )
            values = sampler(X[rows])[2].reshape(len(rows), m, -1).swapaxes(0, 1)
            self._write(filled, rows, missing, values)
        if len(nothing):
            self._write(filled, nothing, missing, of_nothing(module, len(nothing)))
        return [self._as_given(rows, like, missing) for rows in filled]

    def _write(
        self,
        filled: NDArray[Any],
        rows: NDArray[np.intp],
        missing: NDArray[np.bool_],
        values: NDArray[Any],
    ) -> None:
        """Write values, in the units of the module, where they are missing in rows."""
        shape = len(filled), len(rows), filled.shape[2]
        values = np.broadcast_to(values, shape).reshape(-1, shape[2])
        values = self._in_units(values).reshape(shape)
        filled[:, rows] = np.where(missing[rows], values, filled[:, rows])

    def _prior_codes(self, n: int, seed: int) -> NDArray[np.float64]:
        return self._sample_codes(n, None, numpy_seed(seed, SampleStream.CODES))
