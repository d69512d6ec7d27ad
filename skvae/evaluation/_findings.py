"""Rules that say in words what is wrong with a model, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skvae._utils import intervals
from skvae.evaluation._copying import Copying, SharedRows
from skvae.evaluation._held_out import Likelihood, Reconstruction
from skvae.evaluation._latents import Latents
from skvae.evaluation._measurements import Measurements
from skvae.evaluation._rows import EvaluationRow
from skvae.metrics import PrecisionRecallDensityCoverage

# `fit` warns at the same share of active components; here the reconstructions must
# suffer too, since unused components do no harm to a model that has enough.
ACTIVE_SHARE = 0.25
# Shares of the error of the mean row: reconstructions are no better, a PCA is.
NO_BETTER_THAN_MEAN = 0.95
BETTER_THAN_MEAN = 0.9
# Samples whose Fréchet distance would fall by a third if only their codes were right.
MISMATCH_RATIO = 1.5
MISMATCH_P_VALUE = 0.01
# Near copies beyond those of held-out rows, which are 5 % by construction, that are too
# many: the interval of independent samples does not lie above.
NEAR_COPIES = 0.05
COPY_P_VALUE = 0.01
SHARED_P_VALUE = 0.001
# Half of what training rows score in place of samples.
MANIFOLD_RATIO = 0.5
# At 0.5 likelihoods do not tell training from held-out rows, at 1 they always do. On
# digits, models stopped early score 0.7 and models trained longer 0.99.
OVERFIT_SHARE = 0.85
OVERFIT_P_VALUE = 0.005


def findings(measured: Measurements) -> Iterator[str]:
    """Yield a sentence with a remedy for everything that is wrong."""
    reconstruction, likelihood, samples, copying, latents, of_draws, _ = measured
    collapsed = list(_collapse(reconstruction, latents))
    yield from collapsed
    if not collapsed:
        yield from _mismatch(latents, samples["frechet_distance"])
    yield from _shared_rows(copying.shared)
    yield from _copying(copying)
    yield from _overfit(likelihood)
    if not _are_like_data(of_draws, samples):
        yield from _manifold(samples)


def are_shared(shared: SharedRows) -> bool:
    """Tell whether more held-out rows are training rows than chance explains."""
    return shared.p_value <= SHARED_P_VALUE


def not_judged(measured: Measurements) -> Iterator[str]:
    """Yield a sentence for every finding that could not have been made."""
    n_test, samples = measured.n_test, measured.samples
    nothing, everything = intervals.of_share(0.0, n_test), intervals.of_share(1, n_test)
    floors = {name: samples[name].floor for name in ("recall", "precision", "coverage")}
    blind = [
        f"Low {name}"
        for name, floor in floors.items()
        if nothing[1] >= MANIFOLD_RATIO * floor
    ]
    if measured.likelihood and everything[0] <= OVERFIT_SHARE:
        blind.append("Overfit")
    if blind:
        few = f"{n_test} held-out rows are too few"
        yield f"Not judged: {', '.join(blind)}; {few}. Hold out more rows."
    if are_shared(measured.copying.shared):
        same = "training rows are among the held-out rows"
        yield f"Not judged: Copying, Overfit; {same}. Hold out other rows."


def _collapse(
    reconstruction: Reconstruction | None, latents: Latents | None
) -> Iterator[str]:
    if reconstruction is None or latents is None:
        return
    active, n_components = latents.active_components, latents.n_components
    error, spread = reconstruction.error.value, reconstruction.error_of_mean
    pca = latents.pca_error
    few = active.value <= ACTIVE_SHARE * n_components
    idle = few or error > NO_BETTER_THAN_MEAN * spread
    if idle and error > pca and pca < BETTER_THAN_MEAN * spread:
        yield (
            f"Posterior collapse: reconstructions have an error of {error:.3g}, where "
            f"the mean row has {spread:.3g} and a PCA with as many components "
            f"{pca:.3g}; {active.value:.0f} of {n_components} latent "
            "components are active. Learn the likelihood's scale "
            "(GaussianLikelihood('global'), the default), train longer, lower beta, or "
            "raise kl_warmup or free_bits."
        )


def _mismatch(latents: Latents | None, distance: EvaluationRow) -> Iterator[str]:
    if latents is None or latents.mismatch is None:
        return
    p_value = latents.mismatch.p_value
    of_codes = latents.frechet_distance_of_codes
    differs = p_value <= MISMATCH_P_VALUE
    if differs and distance.value > MISMATCH_RATIO * of_codes.value:
        yield (
            "Prior mismatch: the codes of the data do not follow the latent density "
            f"(p = {p_value:.2g}), and samples have a Fréchet distance "
            f"of {distance.value:.3g} where decoded codes of the data have "
            f"{of_codes.value:.3g}. Fit the density to the codes: "
            "latent_density=GaussianMixture(10), or use TwoStageVAE."
        )


def _shared_rows(shared: SharedRows) -> Iterator[str]:
    if are_shared(shared):
        yield (
            f"Shared rows: {shared.share:.0%} of the held-out rows equal a row of one "
            f"half of the training rows, as only {shared.by_chance:.0%} of the other "
            "half do. Figures beside such held-out rows hide copying and "
            "overfitting. Split the rows before fitting, each into one set only."
        )


def _copying(copying: Copying) -> Iterator[str]:
    (exact, p_value), near = copying.exact_copies, copying.near_copies
    remedy = (
        "Do not publish them as new data. Use a smoother latent density (fewer "
        "components, a larger bandwidth), a smaller network, early_stopping=True or "
        "more rows."
    )
    if p_value <= COPY_P_VALUE:
        yield (
            f"Copying: {_percent(exact.value)} of the samples equal a training row, "
            f"{_percent(exact.floor)} of held-out rows, and they repeat training rows "
            f"more often than held-out ones (p = {p_value:.2g}). {remedy}"
        )
    elif near.low > near.floor + NEAR_COPIES:
        yield (
            f"Copying: {near.value:.0%} of the samples are near copies of a training "
            f"row, as only {near.floor:.0%} of held-out rows are. {remedy}"
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def _overfit(likelihood: Likelihood | None) -> Iterator[str]:
    if likelihood is None:
        return
    score, likely, gaussian_score, p_value, _ = likelihood
    told = likely.low > OVERFIT_SHARE
    lost = p_value <= OVERFIT_P_VALUE and gaussian_score < score.floor
    if told or lost:
        reason = (
            f"a training row is more likely than a held-out one in {likely.value:.0%} "
            "of pairs"
            if told
            else "held-out rows are less likely than under one Gaussian with one "
            f"variance ({gaussian_score:.1f} nats, p = {p_value:.2g})"
        )
        yield (
            f"Overfit: {reason} (mean log-likelihood {score.floor:.1f} on training, "
            f"{score.value:.1f} on held-out rows). Use early_stopping=True, a smaller "
            "network, more regularisation (reg_covar in a GaussianMixture) or more "
            "rows."
        )


def _manifold(samples: Mapping[str, EvaluationRow]) -> Iterator[str]:
    precision, recall = samples["precision"], samples["recall"]
    coverage = samples["coverage"]
    if _is_low(recall):
        yield (
            f"Low recall: samples reach {recall.value:.0%} of held-out rows, training "
            f"rows reach {recall.floor:.0%}: the samples are blurred, or kinds of rows "
            "are missing. Train longer, use more components or a larger network, and "
            "a learned scale; where the noise belongs to the data, "
            "sample(mean=False)."
        )
    elif _is_low(coverage):
        yield (
            f"Low coverage: {coverage.value:.0%} of held-out rows have a sample in "
            f"their neighbourhood, {coverage.floor:.0%} a training row: the samples "
            "leave out what is frequent. Train longer, use more components or a larger "
            "network; where the noise belongs to the data, sample(mean=False)."
        )
    if _is_low(precision):
        yield (
            f"Low precision: {precision.value:.0%} of the samples lie where held-out "
            f"rows do, {precision.floor:.0%} of training rows: samples fall outside "
            "the data. Fit the latent density to the codes "
            "(latent_density=GaussianMixture(10)), or give a mixture more components."
        )


def _are_like_data(
    of_draws: PrecisionRecallDensityCoverage | None,
    samples: Mapping[str, EvaluationRow],
) -> bool:
    """Tell whether samples lack only the noise that belongs to the data."""
    return of_draws is not None and all(
        getattr(of_draws, name) >= MANIFOLD_RATIO * samples[name].floor
        for name in ("precision", "recall", "coverage")
    )


def _is_low(row: EvaluationRow) -> bool:
    return row.high < MANIFOLD_RATIO * row.floor
