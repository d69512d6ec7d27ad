"""Wasserstein autoencoders."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from skvae._utils.validation import check_choice, check_real
from skvae.estimators._deterministic import DeterministicAutoencoder
from skvae.estimators._parameters import SharedParameters
from skvae.losses import wae_gan_loss, wae_mmd_loss
from skvae.module import AutoencoderModule
from skvae.networks._discriminator import Discriminator

__all__ = ["WAE"]

_MAX_MMD_WEIGHT, _GAN_WEIGHT = 100.0, 5.0


class WAE(DeterministicAutoencoder):
    """Wasserstein autoencoder: codes that match the prior as a whole.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
    divergence : {"mmd", "gan"}, default="mmd"
        Between the codes of a batch and draws of N(0, I): a maximum mean discrepancy,
        or the cross-entropy of a discriminator that trains along.
    divergence_weight : float or None, default=None
        Weight of the divergence, in nats; None is one for every feature, at most 100,
        for "mmd", and 5 for "gan".
    kernel : {"imq", "rbf"}, default="imq"
        Kernel of the discrepancy: a sum of seven inverse multiquadratic kernels at the
        published scales, or a Gaussian kernel with a median bandwidth.
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
    The objective is -log p(x|z) + divergence_weight D, in nats, for z = encoder(x). The
    paper's is a cost ||x - G(z)||^2 + lambda D; with a Gaussian likelihood of scale s,
    fixed or learned, lambda is 2 s^2 `divergence_weight`, and equal to it for
    ``GaussianLikelihood(scale=0.5**0.5)``. The authors' code weighs the cost by 0.05:
    its lambda of 10 for MNIST and 100 for CelebA are 200 and 2000 in the paper's form.
    The discrepancy is the unbiased estimate, which may be negative, of a sum of seven
    kernels: at most 14.

    The discriminator has four layers of 512 units and its own Adam (rate 5e-4). Its
    cross-entropy is part of the loss in `history_`, where the terms stand apart.

    `score` is a reconstruction log-likelihood; see `score_samples`.

    References
    ----------
    Tolstikhin, Bousquet, Gelly & Schoelkopf, "Wasserstein Auto-Encoders", ICLR 2018,
    algorithms 1 and 2. https://arxiv.org/abs/1711.01558

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import WAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> wae = WAE(2, max_epochs=2, random_state=0).fit(X)
    >>> wae.sample(5, random_state=0).shape
    (5, 3)
    """

    def __init__(
        self,
        n_components: int = 16,
        *,
        divergence: str = "mmd",
        divergence_weight: float | None = None,
        kernel: str = "imq",
        **parameters: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, **parameters)
        self.divergence = divergence
        self.divergence_weight = divergence_weight
        self.kernel = kernel

    def loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return the terms of `wae_mmd_loss` or `wae_gan_loss`."""
        weight = self.divergence_weight
        if weight is None:
            # A reconstruction with a learned scale is worth some nats for each feature.
            weight = min(_MAX_MMD_WEIGHT, float(module.n_features))
            weight = _GAN_WEIGHT if self.divergence == "gan" else weight
        if self.divergence == "gan":
            return wae_gan_loss(
                module, x, generator=generator, divergence_weight=weight
            )
        return wae_mmd_loss(
            module,
            x,
            generator=generator,
            divergence_weight=weight,
            kernel=self.kernel,
        )

    def finish_module(
        self, module: AutoencoderModule, generator: torch.Generator
    ) -> AutoencoderModule:
        """Add the discriminator of WAE-GAN."""
        if self.divergence == "gan":
            module.discriminator = Discriminator(self.n_components, generator)
        return module

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        check_choice("WAE", "divergence", self.divergence, ("mmd", "gan"))
        check_choice("WAE", "kernel", self.kernel, ("imq", "rbf"))
        weight = self.divergence_weight
        if weight is not None:
            check_real("WAE", "divergence_weight", weight, low_included=True)
