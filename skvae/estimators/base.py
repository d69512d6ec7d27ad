"""The base class of autoencoders: parameters, and what a subclass defines."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.mixture import GaussianMixture
from sklearn.utils import Tags
from torch import Tensor

from skvae._utils.selection import ColumnsOfRows
from skvae._utils.validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_real,
)
from skvae.densities._adapter import check_density, takes_labels
from skvae.estimators._fitting import FittingMixin
from skvae.estimators._imputation import ImputationMixin
from skvae.estimators._parameters import InheritedParametersMixin
from skvae.estimators._persistence import PersistenceMixin
from skvae.likelihoods import ColumnLikelihood, resolve_likelihood
from skvae.module import AutoencoderModule

__all__ = ["BaseAutoencoder"]

# Of the mixture of a table's codes: rows for each component and dimension, and what is
# added to variances, where that of the prior is 1.
_ROWS_PER_DIMENSION, _LEAST_VARIANCE = 1.5, 0.03


class BaseAutoencoder(
    InheritedParametersMixin,
    FittingMixin,
    ImputationMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    PersistenceMixin,
    BaseEstimator,
):
    """Base class of autoencoder estimators.

    All methods that take rows take images too; rows that come out have the shape that X
    had in `fit`.

    A subclass defines `make_posterior` and `loss`; it may extend `finish_module`,
    `make_latent_density`, `annealing` and `check_parameters`. If it has parameters of
    its own, its ``__init__`` takes and stores these, and hands all others on as
    ``**parameters``.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
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
    """

    collapse_remedies: tuple[str, ...] = ()
    """What helps against a collapse of the posterior, beside longer training."""

    def __init__(
        self,
        n_components: int = 16,
        *,
        network: Any = "mlp",
        likelihood: Any = "auto",
        categorical_features: Any = "from_dtype",
        latent_density: Any = None,
        input_noise: float = 0.0,
        learning_rate: float = 1e-3,
        lr_schedule: Any = "constant",
        batch_size: int = 128,
        max_epochs: int = 100,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        precision: str = "float32",
        compile: bool = False,
        device: Any = "auto",
        distributed: bool = False,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.network = network
        self.likelihood = likelihood
        self.categorical_features = categorical_features
        self.latent_density = latent_density
        self.input_noise = input_noise
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
        self.distributed = distributed
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def make_posterior(self) -> Any:
        """Return a new, unbuilt `Posterior` for one fit."""
        raise NotImplementedError

    def make_likelihood(self) -> Any:
        """Return the likelihood of one fit, still to be cloned and built."""
        table = self._table
        likelihood = resolve_likelihood(self.likelihood, is_table=table is not None)
        is_whole = isinstance(likelihood, ColumnLikelihood)
        if table is None or is_whole or not table.has_categories:
            return likelihood
        return ColumnLikelihood(remainder=likelihood)

    @property
    def columns_of_rows(self) -> ColumnsOfRows | None:
        """Names and kinds of the columns of X, if it is a table."""
        return None if self._table is None else self._table.columns_of_rows

    def loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch, in nats, to be minimised.

        Parameters
        ----------
        module : AutoencoderModule
            With ``encode(x)`` and ``decode(z)``.
        x : Tensor of shape (n, n_features)
            The rows of a batch; of several processes, the share of this one.
        generator : torch.Generator
            Source of all random numbers, on the device of `x`.
        annealing : float or Tensor of shape ()
            What `annealing` returns for the progress of the training; 1 when rows are
            held out to validate on.

        Returns
        -------
        terms : dict of str to Tensor of shape (n,) or ()
            The loss is the sum of their means; each has an entry in `history_`.
        """
        raise NotImplementedError

    def finish_module(
        self, module: AutoencoderModule, generator: torch.Generator
    ) -> AutoencoderModule:
        """Change or extend a new module, on the CPU, before training starts.

        Parameters
        ----------
        module : AutoencoderModule
        generator : torch.Generator
            Source of initial weights.

        Returns
        -------
        module : AutoencoderModule
        """
        return module

    def make_latent_density(self, n_samples: int) -> Any:
        """Return the density to fit to `n_samples` rows of codes; None is N(0, I)."""
        by_columns = isinstance(self.make_likelihood(), ColumnLikelihood)
        if self.latent_density is not None or not by_columns:
            return self.latent_density
        n_normals = int(n_samples / (_ROWS_PER_DIMENSION * self.n_components))
        return GaussianMixture(min(10, max(1, n_normals)), reg_covar=_LEAST_VARIANCE)

    def annealing(self, progress: float) -> float:
        """Return the factor of annealed terms at a progress of 0 to 1 of all epochs."""
        return 1.0

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        owner = type(self).__name__
        check_integer(owner, "n_components", self.n_components, 1)
        check_density(self.latent_density)
        check_real(owner, "input_noise", self.input_noise, low_included=True)
        check_real(owner, "learning_rate", self.learning_rate)
        if not callable(self.lr_schedule):
            names = ("constant", "plateau", "cosine")
            rule = "a callable that returns a scheduler"
            check_choice(owner, "lr_schedule", self.lr_schedule, names, rule)
        for name in ("batch_size", "max_epochs", "n_iter_no_change"):
            check_integer(owner, name, getattr(self, name), 1)
        if not isinstance(self.verbose, bool):
            check_integer(owner, "verbose", self.verbose, 0)
        check_real(owner, "validation_fraction", self.validation_fraction, 0, 1)
        check_choice(owner, "precision", self.precision, ("float32", "bfloat16"))
        if self.early_stopping != "auto":
            check_boolean(owner, "early_stopping", self.early_stopping)
        for name in ("compile", "distributed", "warm_start"):
            check_boolean(owner, name, getattr(self, name))

    def _find_collapse(self) -> str | None:
        """Return a warning if the fitted codes carry too little information."""
        n_active, d = len(self.active_components_), self.module_.n_components
        if 4 * n_active > d or (n_active and d < 4):
            return None
        return (
            f"Posterior collapse: of {d} latent components only {n_active} are active "
            f"(components {self.active_components_.tolist()}); the others carry no "
            "information on X. That is no harm if reconstructions are good; if not, "
            + ", ".join(["train longer", *self.collapse_remedies])
            + ", or let GaussianLikelihood(scale='global') learn the noise."
        )

    @property
    def _unfitted_density(self) -> Any:
        return self.latent_density

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = True
        tags.target_tags.required = takes_labels(self._unfitted_density)
        return tags
