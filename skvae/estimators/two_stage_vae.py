"""The two-stage variational autoencoder."""

from __future__ import annotations

from typing import Any, Self, Unpack

from sklearn.base import clone

from skvae._training.two_stages import TwoStageFit
from skvae.estimators._parameters import FirstStageParameters
from skvae.estimators.iwae import IWAE
from skvae.estimators.vae import VAE
from skvae.networks import MLP

__all__ = ["TwoStageVAE"]

_SHARED = (
    *("learning_rate", "lr_schedule", "batch_size", "early_stopping"),
    *("validation_fraction", "n_iter_no_change", "precision", "compile", "device"),
    "verbose",
)


class TwoStageVAE(VAE, without=("latent_density",)):
    """A VAE of the data, and a second one of its codes.

    Parameters
    ----------
    n_components : int, default=16
        Dimension of the latent space. More than the data need does little harm with the
        default likelihood: superfluous components stay near the prior.
    second_stage : VAE, IWAE or None, default=None
        Model of the codes z, trained on draws z ~ q(z|x) that are fresh in every batch.
        None is one with as many components, ``MLP((1024, 1024, 1024), skip=False)``,
        that is, SiLUs and no linear path, a learned scale, ``kl_warmup=0.15`` and twice
        `max_epochs`; what concerns training it has from the first stage. A VAE given
        here is best with such a network and warm-up, too. Notes say how this differs
        from the paper's.
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
        The fitted second stage, also `second_stage_`.
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
    The first stage with its learned scale reconstructs well, but its codes do not fill
    the prior; the second stage, an autoencoder between spaces of equal dimension,
    learns their density. The two are never trained jointly. `sample` draws u ~ N(0, I),
    z from p(z|u) with the noise of the second scale, and returns the decoder's mean at
    z. `score_samples` uses both stages: the weights of its importance samples are
    p(x|z) p(z|u) p(u) / (q(u|z) q(z|x)).

    An interrupt from the keyboard ends the stage that trains at its last complete
    epoch, with a warning; during the first stage, the second one then still trains,
    and a second interrupt ends at once. Callbacks see the epochs of both stages.

    The default second stage has the three layers of 1,024 of the authors' code. It
    departs from the code in this:

    - No linear path. The code concatenates the input to the last hidden layer
      (``MLP(..., skip=True)``). Between spaces of equal dimension, that makes copying
      the code easy; without it fewer components are active, and samples are better.
    - SiLUs in place of ReLUs, which depend on that path: without it, at most one of 64
      components was active on 5,000 images of MNIST with each of three seeds, and 1 to
      7 on Fashion-MNIST (``docs/papers.md``).
    - A warm-up of the KL divergence. Codes of a first stage that has started at
      principal components are uncorrelated, and nearly normal one by one: without a
      warm-up, all components collapsed on MNIST.
    - A scale that is learned in closed form, and the first stage's batch size, rate and
      schedule. The code learns the scale by gradient, and has a rate of 1e-4 that is
      halved every 300 of 800 epochs.

    The authors' form is ``VAE(n_components, network=MLP((1024, 1024, 1024), "relu"),
    likelihood=GaussianLikelihood("global", update="gradient"), early_stopping=False,
    kl_warmup=0)``. The default first stage is that of `VAE`: a perceptron with a linear
    path that starts at principal components, a warm-up of the KL divergence, rows held
    out and noise set on them, where the paper has convolutions. Its decoder mean ends
    in a sigmoid, as the code's does, if X shows bounds, as images of bytes do.

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

    def __init__(
        self,
        n_components: int = 16,
        *,
        second_stage: Any = None,
        **parameters: Unpack[FirstStageParameters],
    ) -> None:
        super().__init__(n_components, **parameters)
        self.second_stage = second_stage

    @property
    def second_stage_(self) -> Any:
        """The fitted second stage."""
        return self.latent_density_

    def partial_fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Train the first stage for one more epoch, and the second for its share.

        The second stage sees codes of as many rows, drawn from a sample of all chunks,
        by the first stage as it then is, so that many calls
        differ from one ``fit``, which finishes the first stage before the second one
        starts. The first stage is the same after as many epochs. To go on with the
        stages one after the other, use ``warm_start`` and ``fit``.

        Parameters
        ----------
        X : array-like or Tensor of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        X_val : array-like or Tensor of shape (n_validation, n_features), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, X_val, 1, True)

    def make_latent_density(self, n_samples: int) -> Any:
        """Return None: the density of codes is the second stage."""
        return None

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        second = self.second_stage
        if second is not None and (
            not isinstance(second, VAE | IWAE) or isinstance(second, TwoStageVAE)
        ):
            raise TypeError(
                "The 'second_stage' parameter of TwoStageVAE must be a VAE, an IWAE or "
                f"None. Got {second!r} instead."
            )
        self._make_second_stage().check_parameters()

    def _make_second_stage(self) -> Any:
        """Return the unfitted second stage."""
        if self.second_stage is not None:
            return clone(self.second_stage)
        return VAE(
            self.n_components,
            network=MLP(hidden_layer_sizes=(1024, 1024, 1024), skip=False),
            kl_warmup=0.15,
            max_epochs=2 * self.max_epochs,
            **{name: getattr(self, name) for name in _SHARED},
        )

    @property
    def _unfitted_density(self) -> Any:
        return self.second_stage

    def _density_of_codes(self, n_samples: int) -> Any:
        return self._make_second_stage()

    def _try_density(self) -> None:
        self._make_second_stage()._try_density()

    @property
    def _stops_early(self) -> bool:
        return self.early_stopping or self._make_second_stage().early_stopping

    def _make_fit(self, *arguments: Any) -> TwoStageFit:
        first, stage = super()._make_fit(*arguments), self._make_second_stage()
        share = stage.max_epochs / self.max_epochs
        n_second_epochs = max(1, round(first.n_epochs * share))
        return TwoStageFit(first, stage, n_second_epochs)
