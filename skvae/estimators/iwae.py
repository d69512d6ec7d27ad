"""The importance weighted autoencoder."""

from __future__ import annotations

from typing import Any, Unpack

import torch
from sklearn.base import clone
from torch import Tensor

from skvae._utils.validation import check_choice, check_integer
from skvae.estimators._parameters import SharedParameters
from skvae.estimators.base import BaseAutoencoder
from skvae.losses import iwae_loss
from skvae.module import AutoencoderModule
from skvae.posteriors import resolve_posterior

__all__ = ["IWAE"]


class IWAE(BaseAutoencoder):
    """Importance weighted autoencoder: a VAE trained on a tighter bound.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
    posterior : str or Posterior, default="diagonal"
        Family of q(z|x), such as ``"full"`` for a covariance matrix per row.
        `skvae.posteriors` lists them.
    n_importance_samples : int, default=5
        Draws z ~ q(z|x) for every row of a step; 1 gives the evidence lower bound.
    gradient : {"standard", "dreg"}, default="standard"
        "standard" differentiates the bound, "dreg" takes the doubly reparameterised
        gradient for the encoder: the same in expectation, with less variance.
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

    Notes
    -----
    The bound that is maximised tightens with the number of draws, and the posterior is
    free to be looser than that of a VAE: judge an IWAE by `score`, never by its bound
    with one draw.

    References
    ----------
    Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", ICLR 2016,
    eq. 8, 13 and 14. https://arxiv.org/abs/1509.00519
    Tucker, Lawson, Gu & Maddison, "Doubly Reparameterized Gradient Estimators for Monte
    Carlo Objectives", ICLR 2019, eq. 8. https://arxiv.org/abs/1810.04152

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import IWAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> iwae = IWAE(2, n_importance_samples=10, max_epochs=2, random_state=0).fit(X)
    >>> iwae.transform(X).shape
    (64, 2)
    """

    def __init__(
        self,
        n_components: int = 16,
        *,
        posterior: Any = "diagonal",
        n_importance_samples: int = 5,
        gradient: str = "standard",
        **parameters: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, **parameters)
        self.posterior = posterior
        self.n_importance_samples = n_importance_samples
        self.gradient = gradient

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
        """Return the terms of `iwae_loss`."""
        return iwae_loss(
            module,
            x,
            generator=generator,
            n_importance_samples=self.n_importance_samples,
            gradient=self.gradient,
        )

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        k = self.n_importance_samples
        check_integer("IWAE", "n_importance_samples", k, 1)
        check_choice("IWAE", "gradient", self.gradient, ("standard", "dreg"))
