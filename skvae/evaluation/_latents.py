"""How the codes of held-out rows compare with the latent density."""

from __future__ import annotations

import copy
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline

from skvae import metrics
from skvae._utils import squared_distances
from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.columns import names_of
from skvae.densities._adapter import sample_density
from skvae.diagnostics import posterior_draws
from skvae.evaluation._held_out import root_mean_square
from skvae.evaluation._reading import is_numeric
from skvae.evaluation._rows import NO_INTERVAL, EvaluationRow, Sets, make_row
from skvae.evaluation._tables import error_of_pca
from skvae.pipeline._abilities import can_reconstruct, last_step, to_last_step
from skvae.pipeline._tables import table_of, with_gaps_of
from skvae.pipeline.sampling import sample_rows
from skvae.scorers._reference import feature_rows

_N_PERMUTATIONS = 99


class Mismatch(NamedTuple):
    """How far the codes of held-out rows are from the latent density."""

    discrepancy: EvaluationRow
    p_value: float


class Latents(NamedTuple):
    """The latent space of an autoencoder."""

    active_components: EvaluationRow
    mismatch: Mismatch | None
    """None if the codes of held-out rows are all equal."""
    frechet_distance_of_codes: EvaluationRow
    n_components: int
    pca_error: float
    """Root mean squared error of a PCA with as many components."""


class _Codes(NamedTuple):
    test: FloatArray
    train: FloatArray
    prior: FloatArray


def measure_latents(
    estimator: Any,
    sets: Sets,
    features: metrics.FeatureMap | None,
    mapped_test: FloatArray,
    frechet_floor: float,
    mean: bool,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> Latents | None:
    """Measure the latent space; None if there is none, or no way to decode it.

    Parameters
    ----------
    estimator : object
    sets : Sets
    features : FeatureMap or None
    mapped_test : ndarray
        Held-out rows after the feature map.
    frechet_floor : float
        Fréchet distance of training rows to held-out rows.
    mean : bool
        Whether samples are decoder means; decoded codes must be like them.
    n_bootstrap : int
    rng : RandomState

    Returns
    -------
    latents : Latents or None
    """
    last = last_step(estimator)
    has_codes = all(hasattr(last, name) for name in ("module_", "latent_density_"))
    is_known = table_of(features) is not None or is_numeric(sets.test)
    if not (has_codes and can_reconstruct(estimator) and is_known):
        return None
    codes = _draw_codes(estimator, sets, rng)
    n_components = codes.test.shape[1]
    active = make_row(
        "active_components",
        len(last.active_components_),
        NO_INTERVAL,
        np.nan,
        "",
        f"of {n_components}, whose mean varies with x",
    )
    mismatch = _measure_mismatch(codes, n_bootstrap, rng)
    decoded = _decode(estimator, codes.train, mean, int(rng.randint(2**31 - 1)))
    columns = names_of(sets.train)
    decoded = feature_rows(decoded, features, "decoded codes", columns)
    if table_of(features) is not None:
        decoded = with_gaps_of(mapped_test, decoded, features, int(rng.randint(2**31)))
    distance = _frechet_distance_of_codes(mapped_test, decoded, frechet_floor)
    pca_error = _pca_error(sets, table_of(features), n_components)
    return Latents(active, mismatch, distance, n_components, pca_error)


class _Given:
    """A latent density whose draws are given."""

    def __init__(self, codes: FloatArray) -> None:
        self.codes = codes

    def sample(self, n_samples: int, random_state: Any = None) -> FloatArray:
        return self.codes


def _decode(estimator: Any, codes: FloatArray, mean: bool, seed: int) -> Any:
    """Decode codes as `sample` does, with observation noise if not `mean`."""
    model = _with_density(estimator, _Given(codes))
    return sample_rows(model, len(codes), mean, seed)


def _with_density(estimator: Any, density: _Given) -> Any:
    if isinstance(estimator, Pipeline):
        last = _with_density(estimator[-1], density)
        return Pipeline([*estimator.steps[:-1], ("model", last)])
    model = copy.copy(estimator)
    model.latent_density_ = density
    return model


def _draw_codes(estimator: Any, sets: Sets, rng: np.random.RandomState) -> _Codes:
    last, seeds = last_step(estimator), rng.randint(2**31 - 1, size=3)
    test, train = (
        posterior_draws(last, to_last_step(estimator, X), random_state=int(seed))
        for X, seed in zip((sets.test, sets.train_part), seeds[:2], strict=True)
    )
    prior = sample_density(last.latent_density_, len(test), int(seeds[2]))
    return _Codes(test, train, prior)


def _measure_mismatch(
    codes: _Codes, n_bootstrap: int, rng: np.random.RandomState
) -> Mismatch | None:
    test, train, prior = codes
    bandwidth = float(np.sqrt(test.var(axis=0).mean()))
    if bandwidth <= 0:
        return None
    options = {"kernel": "imq", "bandwidth": bandwidth}

    def discrepancy(Z: FloatArray, draws: FloatArray, **more: str) -> float:
        return metrics.maximum_mean_discrepancy(Z, draws, **options, **more).value

    def biased(Z: FloatArray, draws: FloatArray) -> FloatArray:
        return np.array([discrepancy(Z, draws, estimator="biased")])

    whole = metrics.maximum_mean_discrepancy(
        test, prior, n_permutations=_N_PERMUTATIONS, random_state=rng, **options
    )
    value = biased(test, prior)
    low, high = squared_distances.by_half_samples(
        biased, value, (test, prior), n_bootstrap, rng
    )
    moved = whole.value - value[0]
    row = make_row(
        "latent_discrepancy",
        whole.value,
        (low[0] + moved, high[0] + moved),
        discrepancy(test, train),
        "lower",
        "squared, of codes of held-out rows to the latent density",
    )
    return Mismatch(row, whole.p_value)


def _frechet_distance_of_codes(
    test: FloatArray, decoded: FloatArray, floor: float
) -> EvaluationRow:
    with warnings.catch_warnings():  # of few rows: as for samples
        warnings.simplefilter("ignore", UserWarning)
        distance = metrics.frechet_distance(test, decoded)
    return make_row(
        "frechet_distance_of_codes",
        distance,
        NO_INTERVAL,
        floor,
        "lower",
        "as frechet_distance, of decoded codes of training rows",
    )


def _pca_error(sets: Sets, table: Any, n_components: int) -> float:
    if table is not None:
        return error_of_pca(table, sets.train, sets.test, n_components)
    train, test = as_rows(sets.train, "X_train"), as_rows(sets.test, "X_test")
    k = min(n_components, *train.shape)
    pca = PCA(k, random_state=0).fit(train)
    error = test - pca.inverse_transform(pca.transform(test))
    return root_mean_square(error)
