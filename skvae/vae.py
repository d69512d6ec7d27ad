"""The variational autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor

from skvae._module import AutoencoderModule
from skvae._validation import check_integer, check_real
from skvae.base import BaseAutoencoder
from skvae.losses import vae_loss
from skvae.posteriors import resolve_posterior

__all__ = ["VAE"]


class VAE(BaseAutoencoder):
    """Variational autoencoder."""

    def __init__(
        self,
        n_components: int = 16,
        *,
        network: Any = "mlp",
        likelihood: Any = "gaussian",
        posterior: Any = "diagonal",
        latent_density: Any = None,
        beta: float = 1.0,
        kl_warmup: float = 0.1,
        n_samples: int = 1,
        free_bits: float = 0.0,
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
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.n_samples = n_samples
        self.free_bits = free_bits
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
        return vae_loss(
            module,
            x,
            generator=generator,
            beta=self.beta * annealing,
            n_samples=self.n_samples,
            free_bits=self.free_bits,
        )

    def _annealing(self, progress: float) -> float:
        return min(1.0, progress / self.kl_warmup) if self.kl_warmup else 1.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_real("VAE", "beta", self.beta, low_included=True)
        check_real(
            "VAE",
            "kl_warmup",
            self.kl_warmup,
            0,
            1,
            low_included=True,
            high_included=True,
        )
        check_integer("VAE", "n_samples", self.n_samples, 1)
        check_real("VAE", "free_bits", self.free_bits, low_included=True)
