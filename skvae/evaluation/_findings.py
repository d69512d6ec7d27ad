"""Rules that say in words what is wrong with a model, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from skvae.evaluation._evidence import Evidence

# `fit` warns at the same share of active components; here the reconstructions must
# suffer too, since unused components do no harm to a model that has enough.
ACTIVE_SHARE = 0.25
# Reconstructions as far from the data as the mean row is, while a PCA gets nearer.
NO_BETTER_THAN_MEAN = 0.95
BETTER_THAN_MEAN = 0.9
# Samples whose Fréchet distance would fall by a third if only their codes were right.
MISMATCH_RATIO = 1.5
MISMATCH_P_VALUE = 0.01
# By construction, held-out rows score the floor (5 %). The lower end of the interval
# at twice that is out of reach of independent samples.
COPY_RATIO = 2.0
# Half of what training rows score in place of samples.
MANIFOLD_RATIO = 0.5
# 0.5 tells nothing of training rows, 1 tells them all. On digits, models stopped early
# score 0.7 and models trained past that 0.99.
OVERFIT_SHARE = 0.85


def findings(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence with a remedy for everything that is wrong."""
    collapsed = list(_collapse(evidence))
    yield from collapsed
    if not collapsed:
        yield from _mismatch(evidence)
    yield from _copying(evidence)
    yield from _overfit(evidence)
    yield from _manifold(evidence)


def _collapse(evidence: Evidence) -> Iterator[str]:
    active = evidence.get("active_components")
    reconstruction = evidence.get("reconstruction_error")
    if active is None or reconstruction is None:
        return
    error, spread, pca = reconstruction.value, evidence.spread, evidence.pca_error
    few = active.value <= ACTIVE_SHARE * evidence.n_components
    idle = few or error > NO_BETTER_THAN_MEAN * spread
    if idle and error > pca and pca < BETTER_THAN_MEAN * spread:
        yield (
            f"Posterior collapse: reconstructions have an error of {error:.3g}, where "
            f"the mean row has {spread:.3g} and a PCA with as many components "
            f"{pca:.3g}; {active.value:.0f} of {evidence.n_components} latent "
            "components are active. Learn the likelihood's scale "
            "(GaussianLikelihood('global'), the default), train longer, lower beta, or "
            "raise kl_warmup or free_bits."
        )


def _mismatch(evidence: Evidence) -> Iterator[str]:
    of_codes = evidence.get("frechet_distance_of_codes")
    distance = evidence.get("frechet_distance")
    if of_codes is None:
        return
    differs = evidence.latent_p_value <= MISMATCH_P_VALUE
    if differs and distance.value > MISMATCH_RATIO * of_codes.value:
        yield (
            "Prior mismatch: the codes of the data do not follow the latent density "
            f"(p = {evidence.latent_p_value:.2g}), and samples have a Fréchet distance "
            f"of {distance.value:.3g} where decoded codes of the data have "
            f"{of_codes.value:.3g}. Fit the density to the codes: "
            "latent_density=GaussianMixture(10), or use TwoStageVAE."
        )


def _copying(evidence: Evidence) -> Iterator[str]:
    copies = evidence.get("near_copies")
    if copies.low > COPY_RATIO * copies.floor:
        yield (
            f"Copying: {copies.value:.0%} of the samples are near copies of a training "
            f"row, as only {copies.floor:.0%} of held-out rows are. Do not publish "
            "them as new data. Use a smoother latent density (fewer components, a "
            "larger bandwidth), a smaller network, early_stopping=True or more rows."
        )


def _overfit(evidence: Evidence) -> Iterator[str]:
    likely = evidence.get("train_more_likely")
    score = evidence.get("log_likelihood")
    if likely is None:
        return
    told = likely.low > OVERFIT_SHARE
    lost = score.value < evidence.gaussian_score < score.floor
    if told or lost:
        reason = (
            f"a training row is more likely than a held-out one in {likely.value:.0%} "
            "of pairs"
            if told
            else "held-out rows are less likely than under one Gaussian with one "
            f"variance ({evidence.gaussian_score:.1f} nats)"
        )
        yield (
            f"Overfit: {reason} (mean log-likelihood {score.floor:.1f} on training, "
            f"{score.value:.1f} on held-out rows). Use early_stopping=True, a smaller "
            "network, more regularisation (reg_covar in a GaussianMixture) or more "
            "rows."
        )


def _manifold(evidence: Evidence) -> Iterator[str]:
    precision, recall = evidence.get("precision"), evidence.get("recall")
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
