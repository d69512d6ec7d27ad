"""Regularised autoencoders."""

from __future__ import annotations

from typing import Any, Unpack

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from skvae._utils.validation import check_choice, check_real
from skvae.estimators._deterministic import DeterministicAutoencoder
from skvae.estimators._parameters import SharedParameters
from skvae.likelihoods import ScaledLikelihood
from skvae.losses import rae_loss
from skvae.module import AutoencoderModule
from skvae.networks._spectral import normalise_spectrally

__all__ = ["RAE"]

_ROWS_PER_DIMENSION = 20
_PENALTIES = {"spectral_norm": 0.01}
_PENALTY = 0.1


class RAE(DeterministicAutoencoder):
    """Regularised autoencoder: a deterministic encoder and a smooth decoder.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
    latent_penalty : float or None, default=None
        Weight of ||z||^2 / 2; the paper's beta in nats. 0 leaves the codes free. None
        is 0.1, and 0.01 for "spectral_norm", whose decoder cannot stretch codes that
        are held together.
    regularizer : {"l2", "gradient_penalty", "spectral_norm"} or None, default="l2"
        What keeps the decoder smooth: "l2" penalises its squared weights,
        "gradient_penalty" the squared Frobenius norm of its Jacobian with respect to z;
        "spectral_norm" divides the weight of every linear and convolutional layer by
        its largest singular value.
    regularizer_weight : float, default=1e-2
        Weight of the penalty of the decoder, in nats; "spectral_norm" has none.
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
        Density from which `sample` draws latents, fitted on the codes after training.
        None is ``GaussianMixture(10)``, with fewer components where
        they would have less than 20 rows for each latent dimension.
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
    The objective is -log p(x|z) + latent_penalty ||z||^2 / 2 + regularizer_weight R, in
    nats, for z = encoder(x). The paper's is ||x - D(z)||^2 + beta ||z||^2 / 2 +
    lambda R. With ``likelihood=GaussianLikelihood(scale=0.5**0.5)`` the two differ by a
    constant, `latent_penalty` is beta and `regularizer_weight` is lambda (for
    "gradient_penalty", lambda times the squared spread of X: the Jacobian is that of
    (D(z) - mean) / spread, the units of the encoder's input). It is estimated with one
    random direction per row.

    With another scale s, fixed or learned, beta is 2 s^2 `latent_penalty`, and lambda
    likewise. The default, a learned scale, needs no tuning to the units of X, but it
    falls as reconstructions get better, and the penalties fade with it: on 5,000 images
    of MNIST it is 0.12 in the end (100 epochs, no bounds), and beta 0.003, where the
    paper has 0.0128 to 0.064. RAE is then hardly more than a plain autoencoder. For
    penalties that stay, fix the scale, as in the example.

    The authors' code averages where the paper sums. Its settings for MNIST (16
    components) are, in the paper's sums: beta 0.064 for RAE; beta 0.0128 and lambda
    1.02e-4 for RAE-L2; beta 0.0128 for RAE-GP; beta 1.152 for RAE-SN. It also
    normalises the encoder; here, as in the paper, the decoder alone. There, batch
    normalisation between the layers undoes the bound, and codes can be short; here the
    decoder keeps it, codes must be as long as the data are wide, and beta must be far
    smaller. It takes more epochs than the others; then it overfits less, and its
    pictures are smoother. A plain autoencoder is
    ``RAE(latent_penalty=0, regularizer=None)``.

    `score` is a reconstruction log-likelihood; see `score_samples`.

    References
    ----------
    Ghosh, Sajjadi, Vergari, Black & Schoelkopf, "From Variational to Deterministic
    Autoencoders", ICLR 2020, sections 3 to 5. https://arxiv.org/abs/1903.12436

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skvae import RAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> rae = RAE(2, max_epochs=2, random_state=0).fit(X)
    >>> rae.sample(5, random_state=0).shape
    (5, 3)

    The objective of the paper's RAE-L2, with its weights for MNIST, for X in [0, 1]:

    >>> from skvae.likelihoods import GaussianLikelihood
    >>> likelihood = GaussianLikelihood(scale=0.5**0.5)
    >>> weights = {"latent_penalty": 0.0128, "regularizer_weight": 1.02e-4}
    >>> rae = RAE(2, likelihood=likelihood, **weights, max_epochs=2, random_state=0)
    >>> X = 1 / (1 + np.exp(-X))
    >>> Z = rae.fit(X).transform(X)
    >>> error = np.square(X - rae.inverse_transform(Z)).sum(axis=1)
    >>> latent = 0.0128 * np.square(Z).sum(axis=1) / 2
    >>> terms = rae.loss(rae.module_, torch.tensor(X).float(), torch.Generator(), 1.0)
    >>> constant = 3 / 2 * np.log(np.pi)
    >>> loss = terms["reconstruction"] + terms["latent"]
    >>> np.allclose(loss.detach(), error + latent + constant, rtol=1e-4)
    True
    """

    def __init__(
        self,
        n_components: int = 16,
        *,
        latent_penalty: float | None = None,
        regularizer: str | None = "l2",
        regularizer_weight: float = 1e-2,
        **parameters: Unpack[SharedParameters],
    ) -> None:
        super().__init__(n_components, **parameters)
        self.latent_penalty = latent_penalty
        self.regularizer = regularizer
        self.regularizer_weight = regularizer_weight

    def loss(
        self,
        module: AutoencoderModule,
        x: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor,
    ) -> dict[str, Tensor]:
        """Return the terms of `rae_loss`."""
        penalty = self.latent_penalty
        if penalty is None:
            penalty = _PENALTIES.get(self.regularizer, _PENALTY)
        return rae_loss(
            module,
            x,
            generator=generator,
            latent_penalty=penalty,
            regularizer=self.regularizer,
            regularizer_weight=self.regularizer_weight,
        )

    def finish_module(
        self, module: AutoencoderModule, generator: torch.Generator
    ) -> AutoencoderModule:
        """Normalise the decoder spectrally, if the regularizer says so."""
        if self.regularizer == "spectral_norm":
            module.decoder = normalise_spectrally(module.decoder, generator)
        return module

    def make_latent_density(self, n_samples: int) -> Any:
        """Return `latent_density`; for None, a mixture that suits `n_samples` rows."""
        if self.latent_density is not None:
            return self.latent_density
        n_mixed = n_samples // (_ROWS_PER_DIMENSION * self.n_components)
        return GaussianMixture(min(10, max(1, n_mixed)), max_iter=100)

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        names = ("l2", "gradient_penalty", "spectral_norm", None)
        check_choice("RAE", "regularizer", self.regularizer, names)
        check_real(
            "RAE", "regularizer_weight", self.regularizer_weight, low_included=True
        )
        penalty = self.latent_penalty
        if penalty is not None:
            check_real("RAE", "latent_penalty", penalty, low_included=True)

    def _find_collapse(self) -> str | None:
        squared_norm = 2 * float(self.kl_per_component_.sum())  # E ||z||^2
        n_features = self.module_.n_features  # total variance of X / spread
        bounded = self.regularizer == "spectral_norm"
        scaled = isinstance(self.likelihood_, ScaledLikelihood)
        if not (bounded and scaled and 4 * squared_norm < n_features):
            return super()._find_collapse()
        return (
            "Posterior collapse: the spectrally normalised decoder cannot stretch, and "
            f"codes of mean squared norm {squared_norm:.3g} are too short for the "
            f"spread of {n_features} features. Lower latent_penalty."
        )
