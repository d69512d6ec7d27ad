"""What is measured of one fitted model, for its evaluation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA

from skvae import metrics
from skvae._utils import intervals
from skvae.densities import sample_density
from skvae.diagnostics import posterior_draws
from skvae.metrics._checks import FloatArray, as_rows
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_score,
    is_discrete,
    last_step,
    log_likelihood,
    reconstruct,
    to_last_step,
)
from skvae.scorers._reference import feature_rows

_N_PERMUTATIONS = 99


class EvaluationRow(NamedTuple):
    """One line of an evaluation."""

    figure: str
    """Name."""
    value: float
    """Value of the model."""
    low: float
    """Lower end of a 95 % interval; nan where there is none."""
    high: float
    """Upper end."""
    floor: float
    """What real rows get in place of samples, or training for held-out rows."""
    better: str
    """"higher", "lower", or the value that is best."""
    meaning: str
    """In words."""


@dataclass
class Evidence:
    """Rows of the table, and what only the findings use."""

    estimator: Any
    rows: list[EvaluationRow] = field(default_factory=list)
    latent_p_value: float = np.nan
    pca_error: float = np.nan
    spread: float = np.nan
    gaussian_score: float = np.nan
    n_components: int = 0

    def add(
        self,
        figure: str,
        value: float,
        interval: tuple[float, float],
        floor: float,
        better: str,
        meaning: str,
    ) -> None:
        """Append one row."""
        numbers = (float(value), *map(float, interval), float(floor))
        self.rows.append(EvaluationRow(figure, *numbers, better, meaning))

    def get(self, figure: str) -> EvaluationRow | None:
        """Return the row of that name, or None."""
        return next((row for row in self.rows if row.figure == figure), None)


class Sets(NamedTuple):
    """Rows of one evaluation."""

    train: Any
    """Training rows, as the estimator takes them."""
    test: Any
    """Held-out rows."""
    train_part: Any
    """As many training rows as samples, to stand in for samples."""
    samples: np.ndarray
    """Generated rows."""


def measure_reconstruction(
    evidence: Evidence, sets: Sets, rng: np.random.RandomState
) -> None:
    """Add the error of reconstructions."""
    estimator = evidence.estimator
    if not can_reconstruct(estimator):
        return

    def squared_errors(X: Any) -> FloatArray:
        difference = as_rows(X, "X") - as_rows(reconstruct(estimator, X), "X")
        return np.mean(difference**2, axis=1)

    test = squared_errors(sets.test)
    mean = as_rows(sets.train, "X_train").mean(axis=0)
    evidence.spread = _root_mean_square(as_rows(sets.test, "X_test") - mean)
    low, high = intervals.of_mean(test, rng)
    evidence.add(
        "reconstruction_error",
        np.sqrt(test.mean()),
        (np.sqrt(low), np.sqrt(high)),
        np.sqrt(squared_errors(sets.train_part).mean()),
        "lower",
        "root mean squared error, in units of X",
    )


def measure_likelihood(
    evidence: Evidence, sets: Sets, rng: np.random.RandomState
) -> None:
    """Add the likelihood, and how well it tells training from held-out rows."""
    estimator = evidence.estimator
    if not can_score(last_step(estimator)):
        return
    units, rows = "in units of X", (sets.train_part, sets.test)
    try:
        log_likelihood(estimator, sets.test[:1])
    except TypeError:  # a pipeline that does more than scale
        rows = tuple(to_last_step(estimator, X) for X in rows)
        estimator, units = last_step(estimator), "in the last step's units"
    train, test = (log_likelihood(estimator, X) for X in rows)
    if not is_discrete(estimator):
        evidence.gaussian_score = _gaussian_score(*rows)
    evidence.add(
        "log_likelihood",
        test.mean(),
        intervals.of_mean(test, rng),
        train.mean(),
        "higher",
        f"mean over held-out rows, nats, {units}",
    )
    resampled = [
        _share_above(rng.choice(train, len(train)), rng.choice(test, len(test)))
        for _ in range(200)
    ]
    evidence.add(
        "train_more_likely",
        _share_above(train, test),
        tuple(np.quantile(resampled, (0.025, 0.975))),
        0.5,
        "0.5",
        "pairs of a training and a held-out row, the first more likely",
    )


def measure_latents(
    evidence: Evidence,
    sets: Sets,
    features: Any,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> None:
    """Add how the codes of held-out rows compare with the latent density."""
    last = last_step(evidence.estimator)
    if not all(hasattr(last, name) for name in ("module_", "latent_density_")):
        return
    seeds = rng.randint(2**31 - 1, size=3)
    test, train = (
        posterior_draws(
            last, to_last_step(evidence.estimator, X), random_state=int(seed)
        )
        for X, seed in zip((sets.test, sets.train_part), seeds[:2], strict=True)
    )
    prior = sample_density(last.latent_density_, len(test), int(seeds[2]))
    evidence.n_components = test.shape[1]
    evidence.add(
        "active_components",
        len(last.active_components_),
        (np.nan, np.nan),
        np.nan,
        "",
        f"of {test.shape[1]}, whose mean varies with x",
    )
    evidence.pca_error = _pca_error(sets, test.shape[1])
    _add_mismatch(evidence, test, train, prior, n_bootstrap, rng)
    decoded = evidence.estimator.inverse_transform(train)
    real = feature_rows(sets.test, features, "X_test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        distance = metrics.frechet_distance(
            real, feature_rows(decoded, features, "decoded codes")
        )
    evidence.add(
        "frechet_distance_of_codes",
        distance,
        (np.nan, np.nan),
        evidence.get("frechet_distance").floor,
        "lower",
        "as frechet_distance, of decoded codes of training rows",
    )


def _add_mismatch(
    evidence: Evidence,
    test: FloatArray,
    train: FloatArray,
    prior: FloatArray,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> None:
    bandwidth = float(np.sqrt(test.var(axis=0).mean()))
    if bandwidth <= 0:
        return
    options = {"kernel": "imq", "bandwidth": bandwidth}

    def discrepancy(Z: FloatArray, draws: FloatArray) -> FloatArray:
        return np.array([metrics.maximum_mean_discrepancy(Z, draws, **options).value])

    whole = metrics.maximum_mean_discrepancy(
        test, prior, n_permutations=_N_PERMUTATIONS, random_state=rng, **options
    )
    value = np.array([whole.value])
    low, high = intervals.by_half_samples(
        discrepancy, value, (test, prior), n_bootstrap, rng
    )
    evidence.latent_p_value = whole.p_value
    evidence.add(
        "latent_discrepancy",
        whole.value,
        (low[0], high[0]),
        discrepancy(test, train)[0],
        "lower",
        "squared, of codes of held-out rows to the latent density",
    )


def _share_above(a: FloatArray, b: FloatArray) -> float:
    """Share of pairs with a above b, ties counting half."""
    ranks = rankdata(np.concatenate([a, b]))[: len(a)]
    return float((ranks.sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b)))


def _pca_error(sets: Sets, n_components: int) -> float:
    train, test = as_rows(sets.train, "X_train"), as_rows(sets.test, "X_test")
    k = min(n_components, *train.shape)
    pca = PCA(k, random_state=0).fit(train)
    error = test - pca.inverse_transform(pca.transform(test))
    return _root_mean_square(error)


def _root_mean_square(X: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(X, dtype=np.float64))))


def _gaussian_score(train: Any, test: Any) -> float:
    """Mean log density of `test` under the one-variance Gaussian of `train`."""
    train, test = as_rows(train, "X_train"), as_rows(test, "X_test")
    variance = train.var(axis=0).mean()
    if variance <= 0:
        return np.nan
    squared = np.square(test - train.mean(axis=0)) / variance
    per_row = -0.5 * (squared + np.log(2 * np.pi * variance)).sum(axis=1)
    return float(per_row.mean())
