"""The two-stage variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from skvae._training.callbacks import EpochCallbacks
from skvae._training.fit import SECOND_STAGE, Fit
from skvae._utils.random import child_seed, make_generator, standard_normal
from skvae.estimators.iwae import IWAE
from skvae.estimators.vae import VAE
from skvae.module import AutoencoderModule, blockwise
from skvae.networks import MLP

__all__ = ["TwoStageVAE"]

_SHARED = (
    *("learning_rate", "lr_schedule", "batch_size", "early_stopping"),
    *("validation_fraction", "n_iter_no_change", "precision", "compile", "device"),
    "verbose",
)
_LARGEST_CODE = 30.0


class TwoStageVAE(VAE):
    """A VAE of the data, and a second one of its codes.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does no harm with the
        default likelihood: superfluous components stay at the prior.
    network : {"mlp", "convnet"} or Network, default="mlp"
        Architecture of encoder and decoder, such as
        ``MLP(hidden_layer_sizes=(512, 512))``, ``ConvNet(channels=(32, 64))`` for
        images, or ``CustomNetwork`` for modules of one's own. See `skvae.networks`.
    likelihood : str or Likelihood, default="gaussian"
        Observation model p(x|z): "gaussian" and "laplace" learn one noise scale for all
        features; "bernoulli" and "continuous_bernoulli" are for X in [0, 1],
        "discretized_logistic" for 8-bit levels. See `skvae.likelihoods`.
    posterior : str or Posterior, default="diagonal"
        Family of q(z|x): "diagonal", "isotropic" (one variance for each row),
        "constant" (one fixed variance, the CV-VAE), "full" (a covariance matrix for
        each row) or "flow". See `skvae.posteriors`.
    beta : float, default=1.0
        Weight of the KL divergence. Only 1 bounds the log-likelihood.
    kl_warmup : float, default=0.15
        Share of `max_epochs` over which the KL weight rises from 0 to `beta`, so that
        the encoder is used before the prior pulls on it.
    n_samples : int, default=1
        Draws z ~ q(z|x) for each row and training step.
    free_bits : float, default=0.0
        Bits of every latent component and row that cost nothing.
    second_stage : VAE, IWAE or None, default=None
        Model of the codes z, trained on draws z ~ q(z|x) that are fresh in every batch.
        None is the paper's VAE without its linear path: as many components,
        ``MLP((1024, 1024, 1024), skip=False)``, a learned scale, no KL warm-up and
        twice `max_epochs`; what concerns training it has from the first stage. A VAE
        given here is best without both, too (see Notes).
    learning_rate : float, default=1e-3
        Step size of Adam.
    lr_schedule : {"constant", "plateau", "cosine"} or callable, default="constant"
        "plateau" halves the rate after 5 epochs without progress, "cosine" lets it fall
        to 0; a callable is given the optimizer and returns a scheduler of
        ``torch.optim.lr_scheduler``, stepped once an epoch.
    batch_size : int, default=128
        Rows in a training step, at most: all batches of an epoch are about even.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool, default=False
        Hold out rows, stop when their loss has not improved for `n_iter_no_change`
        epochs, and restore the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of rows held out by `early_stopping`.
    n_iter_no_change : int, default=10
        Patience of `early_stopping` in epochs.
    precision : {"float32", "bfloat16"}, default="float32"
        Type of the networks' matrix products in training; losses are in float32.
    compile : bool, default=False
        Compile the networks with torch.compile for training.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is a device, else the CPU.
    warm_start : bool, default=False
        Let ``fit`` go on from the last fit, with the optimizer's state.
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
        The fitted second stage, also `second_stage_`.
    history_ : dict of ndarray of shape (n_epochs_,)
        Mean of every loss term by epoch in nats for each row, their sum "loss",
        "learning_rate", "scale" if one is learned, and "validation_loss".
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
    The first stage with its learned scale reconstructs well, but its codes do not fill
    the prior; the second stage, an autoencoder between spaces of equal dimension,
    learns their density. The two are never trained jointly. `sample` draws u ~ N(0, I),
    z from p(z|u) with the noise of the second scale, and returns the decoder's mean at
    z. `score_samples` uses both stages: the weights of its importance samples are
    p(x|z) p(z|u) p(u) / (q(u|z) q(z|x)).

    An interrupt from the keyboard ends the stage that trains at its last complete
    epoch, with a warning; during the first stage, the second one then still trains.
    Callbacks are told of the epochs of both stages.

    The paper's second stage concatenates its input to the last hidden layer, a linear
    path (``MLP(..., skip=True)``). Between spaces of equal dimension it makes copying
    the code easy; without it fewer components are active, and samples are better. So
    they are without a warm-up of the KL divergence, which the codes, near the prior
    already, do not need.

    The attributes describe the first stage, `second_stage_` those of the second. The
    paper's gamma is a variance; ``likelihood_.scale_`` is its root, as in the authors'
    code, from which also the fresh draws are taken (the text has one draw for a row).

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, section 4 and
    appendix. https://arxiv.org/abs/1903.05789

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE, TwoStageVAE
    >>> from skvae.networks import MLP
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> network = MLP(hidden_layer_sizes=(64, 64), skip=False)
    >>> second = VAE(2, network=network, kl_warmup=0, max_epochs=2)
    >>> model = TwoStageVAE(2, second_stage=second, max_epochs=2, random_state=0).fit(X)
    >>> model.sample(5, random_state=0).shape
    (5, 3)
    """

    latent_density = None  # its place is the second stage's

    def __init__(
        self,
        n_components: int = 16,
        *,
        network: Any = "mlp",
        likelihood: Any = "gaussian",
        posterior: Any = "diagonal",
        beta: float = 1.0,
        kl_warmup: float = 0.15,
        n_samples: int = 1,
        free_bits: float = 0.0,
        second_stage: Any = None,
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
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.n_samples = n_samples
        self.free_bits = free_bits
        self.second_stage = second_stage
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

    @property
    def second_stage_(self) -> Any:
        """The fitted second stage."""
        return self.latent_density_

    def partial_fit(self, X: Any, y: Any = None) -> TwoStageVAE:
        """Train the first stage for one more epoch, and the second for its share.

        The second stage sees the codes of the first as it then is, so that many calls
        differ from one ``fit``, which finishes the first stage before the second one
        starts. The first stage is the same after as many epochs. To go on with the
        stages one after the other, use ``warm_start`` and ``fit``.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, 1, True)

    def _make_fit(self, X: np.ndarray, n_epochs: int, resume: bool) -> Fit:
        return _TwoStageFit(self, X, n_epochs, resume)

    def _make_second_stage(self) -> Any:
        if self.second_stage is not None:
            return clone(self.second_stage)
        return VAE(
            self.n_components,
            network=MLP(hidden_layer_sizes=(1024, 1024, 1024), skip=False),
            kl_warmup=0.0,
            max_epochs=2 * self.max_epochs,
            **{name: getattr(self, name) for name in _SHARED},
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        second = self.second_stage
        if second is not None and (
            not isinstance(second, VAE | IWAE) or isinstance(second, TwoStageVAE)
        ):
            raise TypeError(
                "The 'second_stage' parameter of TwoStageVAE must be a VAE, an IWAE or "
                f"None. Got {second!r} instead."
            )
        self._make_second_stage()._check_parameters()


class _TwoStageFit(Fit):
    """A fit of the first stage, then one of the second to what it encodes."""

    def __init__(
        self, estimator: Any, X: np.ndarray, n_epochs: int, resume: bool
    ) -> None:
        super().__init__(estimator, X, n_epochs, resume)
        self.stage = self._make_second_stage()
        share = self.stage.max_epochs / estimator.max_epochs
        self.n_second_epochs = max(1, round(n_epochs * share))
        self.second: _SecondFit | None = None

    @property
    def n_callback_epochs(self) -> int:
        return self.n_epochs + self.n_second_epochs

    def run(self, callbacks: EpochCallbacks) -> None:
        super().run(callbacks)
        self.first = super().attributes()
        module = self.first["module_"]
        H = module.blockwise(module.raw_encoding, self.X)
        self.second = _SecondFit(self, module, H)
        self.second.run(_Relay(callbacks, self.attributes))

    def attributes(self) -> dict[str, Any]:
        if self.second is None:
            return super().attributes()
        stage = clone(self.stage)
        fitted = {**self.second.attributes(), "n_features_in_": self.second.X.shape[1]}
        vars(stage).update(fitted)
        return {**self.first, "latent_density_": stage}

    def _make_second_stage(self) -> Any:
        stage = self.estimator._make_second_stage()
        if stage.random_state is None:
            seed = child_seed(self.seed, SECOND_STAGE) % 2**31
            stage.set_params(random_state=seed)
        if self.resume:
            old = self.estimator.latent_density_
            learned = vars(old).keys() - old.get_params(deep=False).keys()
            vars(stage).update({name: vars(old)[name] for name in learned})
        return stage


class _SecondFit(Fit):
    """A fit whose every batch is a fresh draw from the first stage's posteriors.

    Parameters
    ----------
    fit : _TwoStageFit
    module : AutoencoderModule
        The trained first stage.
    H : ndarray of shape (n_samples, n_outputs)
        Its raw encodings of the training rows.
    """

    def __init__(self, fit: _TwoStageFit, module: AutoencoderModule, H: Any) -> None:
        self.first_stage = module
        g = make_generator(fit.seed, SECOND_STAGE, fit.first_epoch, device=fit.device)
        Z = blockwise(lambda h: self._present(h, g), H, fit.device)
        super().__init__(fit.stage, Z, fit.n_second_epochs, fit.keep_optimizer)
        self.rows, self.device = H, fit.device

    def _present(self, h: Tensor, generator: torch.Generator) -> Tensor:
        d = self.first_stage.n_components
        noise = standard_normal(len(h), d, generator=generator, device=h.device)
        with torch.no_grad():
            z = self.first_stage.posterior(h).rsample(noise)
        # A first stage that has hardly trained gives a few rows scales of exp(5) and
        # more, and their draws would swamp those of all others.
        return z.clamp(-_LARGEST_CODE, _LARGEST_CODE)


class _Relay:
    """Callbacks of the whole, told of the second stage's epochs."""

    def __init__(
        self, callbacks: EpochCallbacks, attributes: Callable[[], dict[str, Any]]
    ) -> None:
        self.callbacks, self.attributes = callbacks, attributes

    def begin_epoch(self) -> None:
        self.callbacks.begin_epoch()

    def end_epoch(self, second_attributes: Callable[[], dict[str, Any]]) -> bool:
        return self.callbacks.end_epoch(self.attributes)
