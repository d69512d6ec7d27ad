"""One fit of an autoencoder: from validated rows to the fitted attributes."""

from __future__ import annotations

import contextlib
import copy
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from skvae._distributions.normal import rsample_with_kl
from skvae._training.adam import FusedAdam
from skvae._training.batches import Batches
from skvae._training.callbacks import EpochCallbacks
from skvae._training.loop import Step, minimize
from skvae._utils.device import resolve_device
from skvae._utils.images import image_shape_of
from skvae._utils.random import child_seed, draw_seed, make_generator, standard_normal
from skvae._utils.rows import summarise
from skvae.densities import fit_density
from skvae.likelihoods import resolve_likelihood
from skvae.module import AutoencoderModule
from skvae.networks import resolve_network

# One purpose, one stream of random numbers.
INIT, SHUFFLE, NOISE, SPLIT, VALIDATE, ENCODE, DENSITY, SCORE, FOREIGN = range(9)
DIAGNOSE, SECOND_STAGE = 9, 10

_MAX_DIAGNOSED = 4096
_MIN_ENCODED, _MAX_ENCODED = 10_000, 200_000
_ACTIVE_VARIANCE = 0.01
_ADDRESS = re.compile(" at 0x[0-9a-f]+")  # other after unpickling
_DIAGNOSTIC_DRAWS = 16


class Fit:
    """The state of one fit; `run` trains, `attributes` is what the estimator keeps.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Its parameters have been checked. It is read, never written.
    X : ndarray of shape (n_samples, n_features)
    n_epochs : int
    resume : bool
        Go on from the estimator's fitted state, if there is one, bit for bit as if it
        had never stopped (except after unpickling, which loses Adam's moments).
    """

    def __init__(
        self, estimator: Any, X: np.ndarray, n_epochs: int, resume: bool
    ) -> None:
        self.estimator, self.X, self.n_epochs = estimator, X, n_epochs
        self.rows = X
        self.keep_optimizer = resume
        resume = resume and hasattr(estimator, "module_")
        self.device = resolve_device(estimator.device)
        self.seed = estimator._seed if resume else draw_seed(estimator.random_state)
        self.first_epoch = estimator.n_epochs_ if resume else 0
        self.history = dict(estimator.history_) if resume else {}
        self.row_shape = getattr(estimator, "_row_shape", X.shape[1:])
        self.network = resolve_network(estimator.network).for_shape(self.row_shape)
        self.resume = resume

    @property
    def n_callback_epochs(self) -> int:
        """Number of epochs that callbacks are told of."""
        return self.n_epochs

    def run(self, callbacks: EpochCallbacks) -> None:
        """Build or resume the module and train it."""
        with self.network.rng_context(child_seed(self.seed, FOREIGN)):
            make_module = self._resumed_module if self.resume else self._new_module
            self.module = make_module()
            self.optimizers = self._make_optimizers()
            self._train(callbacks)

    def attributes(self) -> dict[str, Any]:
        """Return the fitted attributes of the estimator for the module as it is."""
        module = copy.deepcopy(self.module).eval()
        return {
            "module_": module,
            "latent_density_": fit_latent_density(
                self.estimator, module, self.X, self.seed
            ),
            "history_": self.history,
            "n_epochs_": len(self.history["loss"]),
            **self._diagnosis(module),
            "image_shape_": self._image_shape(),
            "_row_shape": self.row_shape,
            "_parts": self._parts(),
            "_seed": self.seed,
            "_optimizer_state": self._optimizer_state(),
        }

    # --------------------------------------------------------------- building blocks

    def _new_module(self) -> AutoencoderModule:
        estimator, summary = self.estimator, summarise(self.X)
        d, posterior = estimator.n_components, estimator._make_posterior()
        likelihood = clone(resolve_likelihood(estimator.likelihood))
        likelihood.check_support(self.X)
        likelihood.build(summary)
        n_outputs = likelihood.outputs_per_feature * summary.n_features
        g = make_generator(self.seed, INIT)
        encoder = self.network.make_encoder(
            summary.n_features, posterior.n_outputs(d), g
        )
        decoder = self.network.make_decoder(d, n_outputs, g)
        posterior.build(d, g)
        module = AutoencoderModule(encoder, posterior, decoder, likelihood, summary, d)
        module = estimator._finish_module(module, g)
        return module.to(self.device).train()

    def _image_shape(self) -> tuple[int, int, int] | None:
        shape = getattr(self.network, "image_shape", None)
        if len(self.row_shape) > 1:
            shape = self.row_shape
        return shape and image_shape_of(shape, type(self.network).__name__)

    def _parts(self) -> dict[str, str]:
        """Describe what the module is made of, by the parameters that say so."""
        estimator = self.estimator
        parts = {
            "n_components": estimator.n_components,
            "network": self.network,
            "likelihood": resolve_likelihood(estimator.likelihood),
            "posterior": estimator._make_posterior(),
        }
        return {name: _described(part) for name, part in parts.items()}

    def _check_parts(self) -> None:
        before = self.estimator._parts
        for name, now in self._parts().items():
            if now != before[name]:
                raise ValueError(
                    "warm_start and partial_fit go on with the networks that are "
                    f"there, but {name} has changed: {now} instead of {before[name]}. "
                    "Set it back, or fit a clone with warm_start=False."
                )

    def _resumed_module(self) -> AutoencoderModule:
        self._check_parts()
        module = copy.deepcopy(self.estimator.module_)
        module.likelihood.check_support(self.X)
        return module.to(self.device).train()

    def _make_optimizers(self) -> list[Any]:
        parts = [m for m in self.module.modules() if hasattr(m, "optimizers")]
        special = [optimizer for part in parts for optimizer in part.optimizers()]
        taken = {id(p) for o in special for g in o.param_groups for p in g["params"]}
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        adam = FusedAdam(
            [p for p in parameters if id(p) not in taken],
            lr=self.estimator.learning_rate,
        )
        optimizers = [adam, *special]
        if self.resume and self.estimator._optimizer_state is not None:
            states = copy.deepcopy(self.estimator._optimizer_state)
            for optimizer, state in zip(_with_state(optimizers), states, strict=True):
                optimizer.load_state_dict(state)
            adam.param_groups[0]["lr"] = self.estimator.learning_rate
        return optimizers

    def _optimizer_state(self) -> list[dict[str, Any]] | None:
        if not self.keep_optimizer:
            return None
        states = [o.state_dict() for o in _with_state(self.optimizers)]
        return copy.deepcopy(states)

    def _schedulers(self) -> list[Any]:
        schedule, adam = self.estimator.lr_schedule, self.optimizers[0]
        if schedule == "constant":
            return []
        if schedule == "plateau":
            # Losses in nats may be negative, where a relative threshold misbehaves.
            return [
                ReduceLROnPlateau(adam, factor=0.5, patience=5, threshold_mode="abs")
            ]
        if schedule == "cosine":
            return [CosineAnnealingLR(adam, T_max=self.n_epochs)]
        return [schedule(adam)]

    # ---------------------------------------------------------------------- training

    def _train(self, callbacks: EpochCallbacks) -> None:
        estimator, device = self.estimator, self.device
        train, validation = self._split()
        batches = Batches(self.rows, estimator.batch_size, device, train)
        noise = torch.Generator(device=device)
        annealing = torch.ones((), device=device, dtype=torch.float32)
        n_total = max(estimator.max_epochs, self.first_epoch + self.n_epochs)

        def epoch_batches(epoch: int) -> Iterator[Tensor]:
            callbacks.begin_epoch()
            self.epoch_start = time.perf_counter()
            noise.manual_seed(child_seed(self.seed, NOISE, epoch))
            self.network.reseed(child_seed(self.seed, FOREIGN, 1 + epoch))
            shuffle = make_generator(self.seed, SHUFFLE, epoch)
            factor = None
            for i, x in enumerate(batches.shuffled(shuffle)):
                progress = (epoch + i / len(batches)) / n_total
                previous, factor = factor, estimator._annealing(progress)
                if factor != previous:
                    annealing.fill_(factor)
                yield x

        def terms(x: Tensor) -> dict[str, Tensor]:
            x = self._present(x, noise)
            return estimator._loss(self.module, x, noise, annealing)

        def end_epoch(record: dict[str, float]) -> bool:
            self._record(record)
            return callbacks.end_epoch(self.attributes)

        with self._compiled():
            minimize(
                Step(terms, self.optimizers),
                self.module,
                range(self.first_epoch, self.first_epoch + self.n_epochs),
                epoch_batches,
                validation_loss=self._validation_loss(validation),
                patience=estimator.n_iter_no_change if len(validation) else None,
                schedulers=self._schedulers(),
                end_epoch=end_epoch,
            )

    def _present(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Turn a batch of `rows` into what the estimator models."""
        return x

    def _split(self) -> tuple[Tensor | None, Tensor]:
        n, estimator = len(self.X), self.estimator
        if not estimator.early_stopping:
            return None, torch.empty(0, device="cpu")
        generator = make_generator(self.seed, SPLIT)
        order = torch.randperm(n, generator=generator, device="cpu")
        n_validation = max(1, round(n * estimator.validation_fraction))
        if n_validation >= n:
            raise ValueError(
                f"early_stopping=True needs rows to train on and rows to validate on, "
                f"but n_samples = {n} and validation_fraction = "
                f"{estimator.validation_fraction} leave {n - n_validation} to train on."
            )
        return order[n_validation:], order[:n_validation]

    def _validation_loss(self, rows: Tensor) -> Callable[[], float] | None:
        if not len(rows):
            return None
        batches = Batches(self.rows, self.estimator.batch_size, self.device, rows)
        noise = torch.Generator(device=self.device)

        def loss() -> float:
            noise.manual_seed(child_seed(self.seed, VALIDATE))
            self.module.eval()
            total = 0.0
            with torch.no_grad():
                for x in batches.ordered():
                    x = self._present(x, noise)
                    terms = self.estimator._loss(self.module, x, noise, 1.0)
                    total += sum(t.mean() for t in terms.values()) * len(x)
            self.module.train()
            return float(total) / len(rows)

        return loss

    @contextlib.contextmanager
    def _compiled(self) -> Iterator[None]:
        networks = [self.module.encoder, self.module.decoder]
        if self.estimator.compile:
            for network in networks:
                network.compile()
        try:
            yield
        finally:
            for network in networks:
                network._compiled_call_impl = None

    def _record(self, record: dict[str, float]) -> None:
        record["learning_rate"] = float(self.optimizers[0].param_groups[0]["lr"])
        record.update(self.module.likelihood.monitor())
        for name, value in record.items():
            old = self.history.get(name, np.empty(0))
            self.history[name] = np.append(old, value)
        if self.estimator.verbose:
            self._print(record)

    def _print(self, record: dict[str, float]) -> None:
        n_done = len(self.history["loss"])
        figures = "  ".join(f"{name} {value:.4g}" for name, value in record.items())
        seconds = time.perf_counter() - self.epoch_start
        name = type(self.estimator).__name__
        total = self.first_epoch + self.n_epochs
        print(f"[{name}] epoch {n_done}/{total}  {figures}  ({seconds:.2f} s)")

    # --------------------------------------------------------------- after training

    def _diagnosis(self, module: AutoencoderModule) -> dict[str, np.ndarray]:
        """Summarise the posterior on (at most 4,096 of) the training rows."""
        X = self.X[:: -(-len(self.X) // _MAX_DIAGNOSED)]

        generator = make_generator(self.seed, DIAGNOSE, device=self.device)

        def moments(x: Tensor) -> Tensor:
            q = module.encode(x)
            shape = (_DIAGNOSTIC_DRAWS, *q.mean.shape)
            noise = standard_normal(*shape, generator=generator, device=x.device)
            return torch.stack([rsample_with_kl(q, noise)[1], q.mean], 1)

        kl, mean = module.blockwise(moments, X).astype(np.float64).swapaxes(0, 1)
        active = np.flatnonzero(mean.var(0) > _ACTIVE_VARIANCE)
        return {"kl_per_component_": kl.mean(0), "active_components_": active}


def fit_latent_density(
    estimator: Any, module: AutoencoderModule, X: np.ndarray, seed: int
) -> Any:
    """Return the estimator's latent density, fitted to the codes of the rows of X."""
    density = estimator._make_latent_density(len(X))
    codes = np.zeros((1, module.n_components))
    if density is not None:
        codes = _encoded_draws(module, X, seed)
    return fit_density(density, codes, child_seed(seed, DENSITY) % 2**31)


def _encoded_draws(module: AutoencoderModule, X: np.ndarray, seed: int) -> np.ndarray:
    """Draw z ~ q(z|x) for rows, more than once if they are few."""
    X = X if len(X) <= _MAX_ENCODED else X[:: -(-len(X) // _MAX_ENCODED)]
    n_draws = min(10, -(-_MIN_ENCODED // len(X)))
    n_draws = 1 if module.posterior.deterministic else n_draws
    generator = make_generator(seed, ENCODE, device=module.device)
    Z = module.draw_codes(X, generator, n_draws)
    return Z.reshape(-1, module.n_components).astype(np.float64)


def _described(part: Any) -> str:
    """Spell out a part with all its parameters, in the same words in every process.

    The `repr` of scikit-learn leaves out what is at its default, if its configuration
    says so, and the middle of what is long.
    """
    if not hasattr(part, "get_params"):
        return repr(part)
    parameters = part.get_params(deep=False).items()
    text = ", ".join(f"{name}={value!r}" for name, value in parameters)
    return f"{type(part).__name__}({_ADDRESS.sub('', text)})"


def _with_state(optimizers: list[Any]) -> list[Any]:
    return [o for o in optimizers if hasattr(o, "load_state_dict")]
