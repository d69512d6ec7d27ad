"""Rules that say in words what is wrong with a model, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from skvae.evaluation._held_out import Likelihood, Reconstruction
from skvae.evaluation._latents import Latents
from skvae.evaluation._measurements import Measurements
from skvae.evaluation._rows import EvaluationRow

# `fit` warns at the same share of active components; here the reconstructions must
# suffer too, since unused components do no harm to a model that has enough.
ACTIVE_SHARE = 0.25
# Shares of the error of the mean row: reconstructions are no better, a PCA is.
NO_BETTER_THAN_MEAN = 0.95
BETTER_THAN_MEAN = 0.9
# Samples whose Fréchet distance would fall by a third if only their codes were right.
MISMATCH_RATIO = 1.5
MISMATCH_P_VALUE = 0.01
# By construction, held-out rows score the floor (5 %). The interval of independent
# samples does not lie above twice that.
COPY_RATIO = 2.0
# Half of what training rows score in place of samples.
MANIFOLD_RATIO = 0.5
# At 0.5 likelihoods do not tell training from held-out rows, at 1 they always do. On
# digits, models stopped early score 0.7 and models trained longer 0.99.
OVERFIT_SHARE = 0.85


def findings(measured: Measurements) -> Iterator[str]:
    """Yield a sentence with a remedy for everything that is wrong."""
    reconstruction, likelihood, samples, copying, latents = measured
    collapsed = list(_collapse(reconstruction, latents))
    yield from collapsed
    if not collapsed:
        yield from _mismatch(latents, samples["frechet_distance"])
    yield from _copying(copying.near_copies)
    yield from _overfit(likelihood)
    yield from _manifold(samples["precision"], samples["recall"])


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


def _copying(copies: EvaluationRow) -> Iterator[str]:
    if copies.low > COPY_RATIO * copies.floor:
        yield (
            f"Copying: {copies.value:.0%} of the samples are near copies of a training "
            f"row, as only {copies.floor:.0%} of held-out rows are. Do not publish "
            "them as new data. Use a smoother latent density (fewer components, a "
            "larger bandwidth), a smaller network, early_stopping=True or more rows."
        )


def _overfit(likelihood: Likelihood | None) -> Iterator[str]:
    if likelihood is None:
        return
    score, likely, gaussian_score = likelihood
    told = likely.low > OVERFIT_SHARE
    lost = score.value < gaussian_score < score.floor
    if told or lost:
        reason = (
            f"a training row is more likely than a held-out one in {likely.value:.0%} "
            "of pairs"
            if told
            else "held-out rows are less likely than under one Gaussian with one "
            f"variance ({gaussian_score:.1f} nats)"
        )
        yield (
            f"Overfit: {reason} (mean log-likelihood {score.floor:.1f} on training, "
            f"{score.value:.1f} on held-out rows). Use early_stopping=True, a smaller "
            "network, more regularisation (reg_covar in a GaussianMixture) or more "
            "rows."
        )


def _manifold(precision: EvaluationRow, recall: EvaluationRow) -> Iterator[str]:
    if recall.high < MANIFOLD_RATIO * recall.floor:
        yield (
            f"Low recall: samples reach {recall.value:.0%} of held-out rows, training "
            f"rows reach {recall.floor:.0%}: the samples are blurred, or kinds of rows "
            "are missing. Train longer, use more components or a larger network, and "
            "a learned scale; where the noise belongs to the data, "
            "sample(mean=False)."
        )
    if precision.high < MANIFOLD_RATIO * precision.floor:
        yield (
            f"Low precision: {precision.value:.0%} of the samples lie where held-out "
            f"rows do, {precision.floor:.0%} of training rows: samples fall outside "
            "the data. Fit the latent density to the codes "
            "(latent_density=GaussianMixture(10)), or give a mixture more components."
        )
