"""Figures of merit of a generative model, and the trial that they are computed in."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from skvae import metrics
from skvae._utils.random import child_seed
from skvae._utils.warn import warn
from skvae.metrics._checks import FloatArray, as_rows, at_most
from skvae.metrics._gaussian import gaussian_of_rows, squared_wasserstein
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_sample,
    can_score,
    last_step,
    log_likelihood,
    reconstruct,
)
from skvae.pipeline.sampling import sample_rows
from skvae.scorers._reference import Reference, feature_rows


class Trial:
    """One fitted estimator on one set of rows; what figures share is computed once.

    Parameters
    ----------
    estimator : object
        Fitted.
    X : array-like
        Held-out rows, as the estimator takes them.
    real : callable
        Gives the `Reference` of X.
    train : callable
        Gives the `Reference` of the training rows.
    n_samples : int
    mean : bool
    features : None, callable or transformer
    seed : int
    options : mapping of str to dict
        Parameters of the functions of `skvae.metrics`, by their names.
    wanted : tuple of str
        Names of all figures that will be asked for.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        *,
        real: Callable[[], Reference],
        train: Callable[[], Reference],
        n_samples: int,
        mean: bool,
        features: Any,
        seed: int,
        options: Mapping[str, dict[str, Any]],
        wanted: tuple[str, ...],
    ) -> None:
        self.estimator, self.X = estimator, X
        self._real, self._train = real, train
        self.n_samples, self.mean, self.features = n_samples, mean, features
        self.seed, self.options, self.wanted = seed, options, wanted
        self._results: dict[str, Any] = {}

    @cached_property
    def real(self) -> Reference:
        """Held-out rows."""
        return self._real()

    @cached_property
    def train(self) -> Reference:
        """Training rows."""
        return self._train()

    @cached_property
    def generated(self) -> FloatArray:
        """Samples after the feature map: one draw, one pass, for all figures."""
        samples = sample_rows(
            self.estimator, self.n_samples, self.mean, self.seed_for("sample")
        )
        shape = np.shape(self.X)[1:]
        if samples[0].size == np.prod(shape):
            samples = samples.reshape(-1, *shape)
        return feature_rows(samples, self.features, "the samples")

    def seed_for(self, purpose: str) -> int:
        """Return the seed of one purpose: the same whatever else is computed."""
        return child_seed(self.seed, zlib.crc32(purpose.encode())) % 2**31

    def measure(self, function: Callable[..., Any], *sets: Any, **defaults: Any) -> Any:
        """Return the result of a function of `skvae.metrics`, computed once."""
        name = function.__name__
        if name not in self._results:
            if "random_state" in inspect.signature(function).parameters:
                defaults["random_state"] = self.seed_for(name)
            options = defaults | self.options.get(name, {})
            self._results[name] = function(*sets, **options)
        return self._results[name]

    def frechet_distance(self) -> float:
        """Fréchet distance, with the moments of the held-out rows kept."""
        real, Y = self.real, self.generated
        _warn_if_few(min(len(real.rows), len(Y)), Y.shape[1])
        if len(Y) < 2 or Y.shape[1] != real.rows.shape[1]:
            return metrics.frechet_distance(real.rows, Y)  # which refuses it
        return squared_wasserstein(real.gaussian, gaussian_of_rows(Y, real.origin))

    def kernel_distance(self) -> Any:
        """Kernel distance."""
        return self.measure(metrics.kernel_distance, self.real.rows, self.generated)

    def discrepancy(self) -> Any:
        """Maximum mean discrepancy, its bandwidth fixed on the held-out rows."""
        options = self.options.get("maximum_mean_discrepancy", {})
        fixed = {"kernel", "bandwidth"} & set(options)
        defaults = {} if fixed else {"bandwidth": self.real.bandwidth}
        function = metrics.maximum_mean_discrepancy
        return self.measure(function, self.real.rows, self.generated, **defaults)

    def precision_recall_distribution(self) -> Any:
        """PRD of equally many rows."""
        X, Y = self.real.rows, self.generated
        n = min(len(X), len(Y))
        rng = np.random.RandomState(self.seed_for("equal"))
        X, Y = at_most(X, n, rng), at_most(Y, n, rng)
        return self.measure(metrics.precision_recall_distribution, X, Y)

    def balls(self, name: str) -> float:
        """Compute precision, recall, density or coverage; in one pass if of both."""
        families = {
            metrics.improved_precision_recall: {"precision", "recall"},
            metrics.density_coverage: {"density", "coverage"},
        }
        wanted = {n.removeprefix("improved_") for n in self.wanted}
        sets = self.real.rows, self.generated
        if all(wanted & names for names in families.values()):
            k = {"n_neighbors_precision": 3, "n_neighbors_density": 5}
            for key, function in zip(k, families, strict=True):
                options = self.options.get(function.__name__, {})
                k[key] = options.get("n_neighbors", k[key])
            function = metrics.precision_recall_density_coverage
            return getattr(self.measure(function, *sets, **k), name)
        function = next(f for f, names in families.items() if name in names)
        return getattr(self.measure(function, *sets), name)

    def told_apart(self) -> float:
        """Mean distance from one half of the two nearest-neighbour accuracies."""
        function = metrics.one_nearest_neighbour_accuracy
        accuracy = self.measure(function, self.real.rows, self.generated)
        return (abs(accuracy.real - 0.5) + abs(accuracy.generated - 0.5)) / 2

    def authenticity(self) -> Any:
        """Share of samples that no training row seems to be the source of."""
        return self.measure(metrics.authenticity, self.train.rows, self.generated)

    def data_copying(self) -> Any:
        """Three-sample test of data copying."""
        sets = self.train.rows, self.real.rows, self.generated
        return self.measure(metrics.data_copying_test, *sets)

    def log_likelihood(self, n_importance_samples: int | None = None) -> float:
        """Mean log-likelihood of the held-out rows, in nats."""
        options = dict(self.options.get("log_likelihood", {}))
        if n_importance_samples is not None:
            options["n_importance_samples"] = n_importance_samples
        key = f"log_likelihood {options}"
        if key not in self._results:
            self._results[key] = log_likelihood(self.estimator, self.X, **options)
        return float(np.mean(self._results[key]))

    def bits_per_dimension(self) -> float:
        """Negative log-likelihood in bits per feature."""
        width = int(np.prod(np.shape(self.X)[1:]))
        options = self.options.get("bits_per_dimension", {})
        nll = -self.log_likelihood()
        return float(metrics.bits_per_dimension(nll, width, **options))

    def reconstruction_error(self) -> float:
        """Root mean squared error of reconstructions, in the units of X."""
        X = as_rows(self.X, "X")
        Y = as_rows(reconstruct(self.estimator, self.X), "the reconstructions")
        return float(np.sqrt(np.mean((X - Y) ** 2)))


class Figure(NamedTuple):
    """One figure of merit, greater is better."""

    value: Callable[[Trial], float]
    needs: str
    """Ability of the estimator: "sample", "score_samples" or "reconstruct"."""
    meaning: str
    needs_train: bool = False
    needs_inception: bool = False


FIGURES: dict[str, Figure] = {
    "neg_frechet_distance": Figure(
        lambda t: -t.frechet_distance(), "sample", "Fréchet distance, negated"
    ),
    "neg_fid": Figure(
        lambda t: -t.frechet_distance(),
        "sample",
        "Fréchet distance of Inception features, negated",
        needs_inception=True,
    ),
    "neg_kernel_distance": Figure(
        lambda t: -t.kernel_distance().value, "sample", "kernel distance, negated"
    ),
    "neg_kid": Figure(
        lambda t: -t.kernel_distance().value,
        "sample",
        "kernel distance of Inception features, negated",
        needs_inception=True,
    ),
    "neg_mmd": Figure(
        lambda t: -t.discrepancy().value,
        "sample",
        "squared maximum mean discrepancy, negated",
    ),
    "prd_f_8": Figure(
        lambda t: t.precision_recall_distribution().f_8,
        "sample",
        "F_8 of the PRD curve: weighs recall",
    ),
    "prd_f_1_8": Figure(
        lambda t: t.precision_recall_distribution().f_1_8,
        "sample",
        "F_1/8 of the PRD curve: weighs precision",
    ),
    "improved_precision": Figure(
        lambda t: t.balls("precision"),
        "sample",
        "share of samples within the neighbourhoods of held-out rows",
    ),
    "improved_recall": Figure(
        lambda t: t.balls("recall"),
        "sample",
        "share of held-out rows within the neighbourhoods of samples",
    ),
    "density": Figure(
        lambda t: t.balls("density"),
        "sample",
        "neighbourhoods of held-out rows around a sample",
    ),
    "coverage": Figure(
        lambda t: t.balls("coverage"),
        "sample",
        "share of held-out rows with a sample in their neighbourhood",
    ),
    "neg_abs_nearest_neighbour_accuracy": Figure(
        lambda t: -t.told_apart(),
        "sample",
        "distance of nearest-neighbour accuracies from one half, negated",
    ),
    "authenticity": Figure(
        lambda t: t.authenticity().value,
        "sample",
        "share of samples that copy no training row",
        needs_train=True,
    ),
    "neg_abs_data_copying": Figure(
        lambda t: -abs(t.data_copying().value),
        "sample",
        "distance of the data-copying score C_T from 0, negated",
        needs_train=True,
    ),
    "log_likelihood": Figure(
        lambda t: t.log_likelihood(),
        "score_samples",
        "mean log-likelihood of held-out rows, in nats",
    ),
    "elbo": Figure(
        lambda t: t.log_likelihood(n_importance_samples=1),
        "score_samples",
        "the same with one importance sample: the evidence lower bound",
    ),
    "neg_nll": Figure(
        lambda t: t.log_likelihood(),
        "score_samples",
        "negative log-likelihood, negated: log_likelihood by another name",
    ),
    "neg_bits_per_dimension": Figure(
        lambda t: -t.bits_per_dimension(),
        "score_samples",
        "negative log-likelihood in bits per feature, negated",
    ),
    "neg_reconstruction_error": Figure(
        lambda t: -t.reconstruction_error(),
        "reconstruct",
        "root mean squared error of reconstructions, negated",
    ),
}

_ABILITIES = {
    "sample": (can_sample, "sample"),
    "score_samples": (can_score, "score_samples"),
    "reconstruct": (can_reconstruct, "reconstruct or inverse_transform"),
}


def check_ability(estimator: Any, name: str) -> None:
    """Raise TypeError if the estimator lacks the method that a figure needs."""
    able, method = _ABILITIES[FIGURES[name].needs]
    if not able(estimator):
        fitting = [n for n, f in FIGURES.items() if _ABILITIES[f.needs][0](estimator)]
        raise TypeError(
            f"{name} needs an estimator that has {method}, but "
            f"{type(last_step(estimator)).__name__} has none. Choose a metric for it: "
            f"{', '.join(fitting) or 'there is none'}."
        )


def _warn_if_few(n: int, width: int) -> None:
    if n < width:
        warn(
            f"The Fréchet distance compares {n} rows, fewer than their {width} "
            "features: it is biased upwards by much. Use more rows or fewer features, "
            "and compare only at equal sample sizes."
        )
