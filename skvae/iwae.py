"""The importance weighted autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor

from skvae._module import AutoencoderModule
from skvae._validation import check_choice, check_integer
from skvae.base import BaseAutoencoder
from skvae.losses import iwae_loss
from skvae.posteriors import resolve_posterior

__all__ = ["IWAE"]


class IWAE(BaseAutoencoder):
    """Importance weighted autoencoder: a VAE trained on a tighter bound.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space.
    network : "mlp" or Network, default="mlp"
        Architecture of encoder and decoder, such as
        ``MLP(hidden_layer_sizes=(256, 256))``; see `skvae.networks`.
    likelihood : "gaussian", "bernoulli", ... or Likelihood, default="gaussian"
        Observation model p(x|z); see `skvae.likelihoods`. The default learns one scale.
    posterior : "diagonal", "isotropic", ... or Posterior, default="diagonal"
        Form of q(z|x); see `skvae.posteriors`.
    latent_density : estimator with `fit` and `sample`, or None, default=None
        Density of the latent space that `sample` draws from, fitted to encoded rows
        after training, such as ``GaussianMixture(10)``. None is the prior N(0, I).
    n_importance_samples : int, default=5
        Draws z ~ q(z|x) for every row of a step; 1 gives the evidence lower bound.
    gradient : {"standard", "dreg"}, default="standard"
        "standard" differentiates the bound, "dreg" takes the doubly reparameterised
        gradient for the encoder: the same in expectation, with less variance.
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
        network: Any = "mlp",
        likelihood: Any = "gaussian",
        posterior: Any = "diagonal",
        latent_density: Any = None,
        n_importance_samples: int = 5,
        gradient: str = "standard",
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
        self.posterior = posterior
        self.latent_density = latent_density
        self.n_importance_samples = n_importance_samples
        self.gradient = gradient
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

    def _make_posterior(self) -> Any:
        return clone(resolve_posterior(self.posterior))

    def _loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        return iwae_loss(
            module,
            x,
            generator=generator,
            n_importance_samples=self.n_importance_samples,
            gradient=self.gradient,
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        k = self.n_importance_samples
        check_integer("IWAE", "n_importance_samples", k, 1)
        check_choice("IWAE", "gradient", self.gradient, ("standard", "dreg"))
