"""The variational autoencoder."""

from __future__ import annotations

from typing import Any, Unpack

import torch
from sklearn.base import clone
from torch import Tensor

from skvae._utils.validation import check_integer, check_real
from skvae.estimators._parameters import SharedParameters
from skvae.estimators.base import BaseAutoencoder
from skvae.losses import vae_loss
from skvae.module import AutoencoderModule
from skvae.posteriors import resolve_posterior

__all__ = ["VAE"]


class VAE(BaseAutoencoder):
    """Variational autoencoder.

    Fits a latent variable model p(x) = E_{z ~ N(0, I)} p(x|z), whose encoder q(z|x) and
    decoder p(x|z) are networks, by maximising the evidence lower bound.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
    posterior : str or Posterior, default="diagonal"
        Family of q(z|x), such as ``"full"`` for a covariance matrix per row.
        `skvae.posteriors` lists them.
    beta : float, default=1.0
        Weight of the KL divergence. Only 1 bounds the log-likelihood.
    kl_warmup : float, default=0.05
        Share of `max_epochs` over which the KL weight rises from 0 to `beta`, so that
        the encoder is used before the prior pulls on it. With `early_stopping`, share
        of at most 100 epochs. In a stream, epochs are passes over it.
    n_samples : int, default=1
        Draws z ~ q(z|x) for each row and training step.
    free_bits : float, default=0.0
        Bits of every latent component and row that cost nothing.
    network : str or Network, default="mlp"
        Architecture of encoder and decoder, such as
        ``MLP(hidden_layer_sizes=(512, 512))``, ``"convnet"`` for images, or
        ``CustomNetwork`` for modules of one's own. `skvae.networks` lists them.
        An ``MLP`` with its linear path, such as the default, begins at the principal
        components of X.
    likelihood : str or Likelihood, default="auto"
        Observation model p(x|z). For arrays, "auto" is normal: its mean stays within
        the bounds of X, where X shows them, and its noise is set when training ends, by
        feature or, between bounds, by how near to one the mean is. For data frames it
        has one likelihood for each column by its kind: normal scores for numbers and
        ordered categories, frequencies for all other categories. A likelihood given
        here is that of the numbers of a frame. `skvae.likelihoods` lists all, and which
        is for which data.
    categorical_features : "from_dtype" or array-like, default="from_dtype"
        Which columns hold categories. By default those of a data frame that do not hold
        numbers: booleans, strings, objects and categoricals. Names, positions or a mask
        name columns that hold categories whatever their type, also of an array.
    latent_density : None or estimator with ``fit`` and ``sample``, default=None
        Density from which `sample` draws latents and under which `score_samples`
        scores. None is the prior N(0, I), or with likelihoods by columns, as tables
        have them, a mixture of one to ten normal densities, one for every
        ``1.5 * n_components`` rows. Any other than the prior, such as
        ``GaussianMixture(10)``, is fitted on draws from q(z|x) after training. With
        ``ClassConditionalDensity()``, `fit` takes labels.
    input_noise : float, default=0.0
        Standard deviation, in the units of X, of normal noise that is added to what the
        encoder sees in training, anew in every step; the loss compares with X itself.
        `reconstruct` then removes such noise from new rows (Im et al., AAAI 2017). Not
        for tables, of which the encoder sees scores and categories.
    learning_rate : float, default=1e-3
        Step size of Adam.
    lr_schedule : {"constant", "plateau", "cosine"} or callable, default="constant"
        "plateau" halves the rate after 5 epochs without progress (not counting those in
        which the weight of the KL divergence rises), "cosine" lets it fall to 0 at
        `max_epochs`; a callable is given the optimizer and returns a scheduler of
        ``torch.optim.lr_scheduler``, stepped once per epoch.
    batch_size : int, default=128
        Rows in a training step, at most: all batches of an epoch are about even.
    max_epochs : int, default=100
        Passes over the data, at most.
    early_stopping : {"auto"} or bool, default="auto"
        Hold out rows, stop when their loss has not improved for `n_iter_no_change`
        epochs, and restore the weights of the best epoch. `max_epochs` is then a mere
        limit, which may be generous. The rows are a random share of X, or `X_val`, and
        also say how large the noise of p(x|z) is. False trains on all rows for
        `max_epochs`. "auto" is True from 100 rows on, or with an `X_val`; in
        ``partial_fit`` it is False.
    validation_fraction : float, default=0.1
        Share of rows held out by `early_stopping`, unless there is an `X_val`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping` in epochs, after the warm-up of the KL divergence.
    precision : {"float32", "bfloat16"}, default="float32"
        Type of the networks' matrix products in training; losses are in float32.
    compile : bool, default=False
        Compile the networks with torch.compile for training.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is a device, else the CPU.
    distributed : bool, default=False
        Let all processes of ``torch.distributed`` train one model: each calls ``fit``
        with the same X and parameters, trains on a share of the rows of every batch,
        and has the same fitted attributes, which are those of one process up to
        rounding. Output, warnings and callbacks are on the first one; "auto" is the
        CUDA device with the number of the process on its machine. False fits on this
        process alone, whatever others do.
    warm_start : bool, default=False
        Let ``fit`` go on from the last fit: with Adam's moments, with a schedule other
        than "cosine", and, on the same rows, with the best epoch and the patience of
        `early_stopping`.
    verbose : int, default=0
        Print a line after every epoch if positive. For progress bars use
        ``set_callbacks(sklearn.callback.ProgressBar())``.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, order of rows and noise. The global random states of
        NumPy, torch and Python are neither used nor changed.

    Attributes
    ----------
    module_ : torch.nn.Module
        The trained module, with ``encode(x)`` and ``decode(z)``.
    likelihood_ : Likelihood
        The observation model with its learned parameters, such as ``scale_``.
    latent_density_ : estimator
        The fitted latent density.
    history_ : dict of ndarray of shape (n_epochs_,)
        Mean of every loss term by epoch in nats for each row, their sum "loss",
        the "learning_rate" it was trained with, "scale" if one is learned, and
        "validation_loss".
    n_epochs_ : int
        Number of epochs trained.
    kl_per_component_ : ndarray of shape (n_components,)
        Mean KL(q(z_j|x) || N(0, 1)) over training rows, in nats.
    active_components_ : ndarray of int
        Components whose posterior mean varies over training rows (variance > 0.01).
    n_features_in_ : int
        Number of features; of images, the number of values of one.
    image_shape_ : tuple of int or None
        (C, H, W) of the images in X; None if X has rows and the network none either.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where X has names that are strings.

    See Also
    --------
    sklearn.decomposition.PCA : The linear model, at which the default networks begin.

    References
    ----------
    Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, for the learned scale.
    Higgins et al., "beta-VAE", ICLR 2017.
    Burda et al., "Importance Weighted Autoencoders", ICLR 2016, section 5, for active
    components.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> X = load_digits().data
    >>> vae = VAE(n_components=8, max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 8)
    >>> vae.sample(5, random_state=0).shape
    (5, 64)
    >>> bool(vae.score(X) > vae.score(X + 5))
    True
    """

    collapse_remedies = ("lower beta", "raise kl_warmup", "raise free_bits")

    def __init__(
        self,
        n_components: int = 16,
        *,
        posterior: Any = "diagonal",
        beta: float = 1.0,
        kl_warmup: float = 0.05,
        n_samples: int = 1,
        free_bits: float = 0.0,
        **parameters: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, **parameters)
        self.posterior = posterior
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.n_samples = n_samples
        self.free_bits = free_bits

    def make_posterior(self) -> Any:
        """Return a new, unbuilt `Posterior` for one fit."""
        return clone(resolve_posterior(self.posterior))

    def loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return the terms of `vae_loss`."""
        return vae_loss(
            module,
            x,
            generator=generator,
            beta=self.beta * annealing,
            n_samples=self.n_samples,
            free_bits=self.free_bits,
        )

    def annealing(self, progress: float) -> float:
        """Return the factor of the KL divergence at a progress of 0 to 1."""
        return min(1.0, progress / self.kl_warmup) if self.kl_warmup else 1.0

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        owner = type(self).__name__
        check_real(owner, "beta", self.beta, low_included=True)
        check_real(
            owner,
            "kl_warmup",
            self.kl_warmup,
            0,
            1,
            low_included=True,
            high_included=True,
        )
        check_integer(owner, "n_samples", self.n_samples, 1)
        check_real(owner, "free_bits", self.free_bits, low_included=True)
