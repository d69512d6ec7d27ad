"""Wasserstein autoencoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skvae._deterministic import DeterministicAutoencoder
from skvae._discriminator import Discriminator
from skvae._module import AutoencoderModule
from skvae._validation import check_choice, check_real
from skvae.losses import wae_gan_loss, wae_mmd_loss

__all__ = ["WAE"]

_WEIGHTS = {"mmd": 100.0, "gan": 5.0}


class WAE(DeterministicAutoencoder):
    """Wasserstein autoencoder: codes that match the prior as a whole.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space.
    network : "mlp" or Network, default="mlp"
        Architecture of encoder and decoder, such as
        ``MLP(hidden_layer_sizes=(256, 256))``; see `skvae.networks`.
    likelihood : "gaussian", "bernoulli", ... or Likelihood, default="gaussian"
        Observation model p(x|z); see `skvae.likelihoods`. The default learns one scale.
    latent_density : estimator with `fit` and `sample`, or None, default=None
        Density of the latent space that `sample` draws from, fitted to encoded rows
        after training, such as ``GaussianMixture(10)``. None is the prior N(0, I).
    divergence : {"mmd", "gan"}, default="mmd"
        Between the codes of a batch and draws of N(0, I): a maximum mean discrepancy,
        or the cross-entropy of a discriminator that trains along.
    divergence_weight : float or None, default=None
        Weight of the divergence, in nats; None is 100 for "mmd" and 5 for "gan".
    kernel : {"imq", "rbf"}, default="imq"
        Of the discrepancy: a sum of seven inverse multiquadratic kernels at the
        published scales, or a Gaussian kernel with a median bandwidth.
    learning_rate : float, default=1e-3
        Step size of Adam.
    lr_schedule : "constant", "plateau", "cosine" or callable, default="constant"
        A callable receives the optimizer and returns a torch scheduler.
    batch_size : int, default=128
        Rows of one gradient step.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool, default=False
        Hold out rows and keep the epoch with the best loss on them.
    validation_fraction : float, default=0.1
        Share of rows held out when `early_stopping` is True.
    n_iter_no_change : int, default=10
        Epochs without a better held-out loss after which training stops.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of matrix products while training.
    compile : bool, default=False
        Compile the networks with ``torch.compile`` while training.
    device : "auto", str or torch.device, default="auto"
        Where to train; "auto" takes a CUDA device if there is one.
    warm_start : bool, default=False
        Let `fit` go on from the fitted state.
    verbose : int, default=0
        1 prints a line for every epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of everything that is random in `fit`.

    Attributes
    ----------
    module_ : nn.Module
        ``encode(x)`` gives q(z|x), ``decode(z)`` gives p(x|z).
    likelihood_ : Likelihood
        The observation model, with its learned parameters.
    latent_density_ : estimator
        The fitted latent density.
    history_ : dict of ndarray of shape (n_epochs_,)
        The mean of every loss term in nats, and figures of the likelihood, by epoch.
    n_epochs_ : int
        Number of epochs trained.
    kl_per_component_ : ndarray of shape (n_components,)
        KL(q(z|x) || N(0, I)) by component in nats, averaged over training rows.
    active_components_ : ndarray of int
        Components whose posterior mean has a variance above 0.01 over training rows.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X has them.

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
        network: Any = "mlp",
        likelihood: Any = "gaussian",
        latent_density: Any = None,
        divergence: str = "mmd",
        divergence_weight: float | None = None,
        kernel: str = "imq",
        learning_rate: float = 1e-3,
        lr_schedule: Any = "constant",
        batch_size: int = 128,
        max_epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        precision: str = "float32",
        compile: bool = False,
        device: Any = "auto",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.network = network
        self.likelihood = likelihood
        self.latent_density = latent_density
        self.divergence = divergence
        self.divergence_weight = divergence_weight
        self.kernel = kernel
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.precision = precision
        self.compile = compile
        self.device = device
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        weight = self.divergence_weight
        weight = _WEIGHTS[self.divergence] if weight is None else weight
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

    def _finish_module(
        self, module: AutoencoderModule, generator: torch.Generator
    ) -> AutoencoderModule:
        if self.divergence == "gan":
            module.discriminator = Discriminator(self.n_components, generator)
        return module

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("WAE", "divergence", self.divergence, ("mmd", "gan"))
        check_choice("WAE", "kernel", self.kernel, ("imq", "rbf"))
        weight = self.divergence_weight
        if weight is not None:
            check_real("WAE", "divergence_weight", weight, low_included=True)
