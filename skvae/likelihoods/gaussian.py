"""The normal observation model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skvae._distributions.normal import DiagonalNormal, IsotropicNormal
from skvae.likelihoods.scaled import ScaledLikelihood


class GaussianLikelihood(ScaledLikelihood):
    r"""Normal observation model, p(x|z) = N(x; f(z), diag(scale^2)).

    Parameters
    ----------
    scale : {"auto", "global", "feature", "predicted"} or float, default="auto"
        Standard deviation of the observation noise, in the units of X.

        - "auto" sets the noise in closed form when the training ends. If the mean is
          bounded, it learns one scale for all features until then, so that errors
          count alike everywhere, and the variance becomes ``v0 + v1 * m * (1 - m)``,
          where m is the mean's share of the way between the bounds. Else it is one for
          each feature, in training at least a tenth of the data's own.
        - "global" learns one for all features (Dai & Wipf's gamma, a standard
          deviation here), "feature" one for each feature.
        - "predicted" lets the decoder predict it for every sample and feature.
        - A float fixes it.

        One scale for all stays above 1e-4 of the data's own, all others above 1e-2.
    update : {"closed_form", "gradient"}, default="closed_form"
        How a scale is learned in training. "closed_form" moves the variance in every
        step a tenth of the way to the optimum for the current batch, the mean squared
        error; "gradient" leaves it to the networks' optimizer, as in the authors' code,
        where its logarithm moves by at most the learning rate in a step and lags for
        tens of thousands of steps.
    bounds : "auto", None or tuple (low, high), default="auto"
        What the mean f(z) stays between, by a logistic function as in the authors'
        decoders; X must lie there. None leaves the mean free. "auto" takes the bounds
        that X shows, if at least half of its features span half of them: 0 and 255 of
        whole numbers up to 255, or else the least and the greatest value of X, if more
        than one value in ten thousand, and more than two for each feature, are equal to
        either.

    Attributes
    ----------
    bounds_ : tuple (low, high) or None
        What the mean stays between.
    scale_ : float or ndarray of shape (n_features,)
        The standard deviation, its root mean square where it depends on the mean; not
        available for "predicted".

    Notes
    -----
    A scale learned on training rows is that of training rows, too small for new ones
    where the networks overfit. With `early_stopping`, the noise is therefore set to the
    optimum for draws of the posterior, weighted by importance, when the training ends.
    Up to 500 rows held out, pooled with ten rows of training, say how large errors are,
    and all rows say how they differ between features or means. Without rows held out,
    "auto" takes the errors of training rows, and the others stay as they have been
    learned.

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, section 3, and its
    code for the bounded mean.
    Yu, "A Tutorial on VAEs", arXiv 2006.10273, eq. 43 (the closed form).
    McCullagh & Nelder, "Generalized Linear Models", 1989, chapter 9 (variances that are
    functions of the mean).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> X = load_digits().data  # 0 to 16
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> S = vae.sample(100, random_state=0)
    >>> bool(S.min() >= 0 and S.max() <= 16)
    True
    """

    optimal_average = "mean"

    def __init__(
        self,
        scale: str | float = "auto",
        update: str = "closed_form",
        bounds: Any = "auto",
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update
        self.bounds = bounds

    def distribution(self, loc: Tensor, log_scale: Tensor) -> DiagonalNormal:
        """Return the normal distribution; see `ScaledLikelihood.distribution`."""
        one_for_all = log_scale.shape[-1:] in ((), (1,))
        return (IsotropicNormal if one_for_all else DiagonalNormal)(loc, log_scale)
