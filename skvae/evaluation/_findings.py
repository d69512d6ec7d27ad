"""Rules that say in words what is wrong with a model, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from skvae._utils import intervals
from skvae.evaluation._copying import Copying, SharedRows
from skvae.evaluation._held_out import (
    GaussianComparison,
    Likelihood,
    Reconstruction,
)
from skvae.evaluation._latents import Latents
from skvae.evaluation._measurements import Measurements
from skvae.evaluation._rows import EvaluationRow
from skvae.evaluation._sample_findings import sample_findings, unseen

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
NEAR_P_VALUE = 0.002
COPY_P_VALUE = 0.01
COPY_P_VALUE_OF_TABLES = 0.005
# Beyond this share of held-out rows that equal a training row, copies are no news.
REPEATED = 0.5
SHARED_P_VALUE = 0.001
# At 0.5 likelihoods do not tell training from held-out rows, at 1 they always do. On
# digits, models stopped early score 0.7 and models trained longer 0.99.
OVERFIT_SHARE = 0.85
OVERFIT_P_VALUE = 0.005


def findings(measured: Measurements) -> Iterator[str]:
    """Yield a sentence with a remedy for everything that is wrong."""
    latents, copying = measured.latents, measured.copying
    collapsed = list(_collapse(measured.reconstruction, latents))
    yield from collapsed
    if not collapsed:
        yield from _mismatch(latents, measured.samples["frechet_distance"])
    yield from _shared_rows(copying.shared)
    yield from _copying(copying)
    yield from _impossible(measured.likelihood)
    yield from _overfit(measured.likelihood)
    yield from sample_findings(measured)


def are_shared(shared: SharedRows) -> bool:
    """Tell whether more held-out rows are training rows than chance explains."""
    return shared.p_value <= SHARED_P_VALUE


def not_judged(measured: Measurements) -> Iterator[str]:
    """Yield a sentence for every finding that could not have been made."""
    n_test = measured.n_test
    blind = list(unseen(measured))
    everything = intervals.of_share(1, n_test)
    if measured.likelihood and everything[0] <= OVERFIT_SHARE:
        blind.append("Overfit")
    if blind:
        few, remedy = f"{n_test} held-out rows are too few", "Hold out more rows."
        if n_test < measured.n_test_given:
            remedy = f"Raise n_samples, to use more of the {measured.n_test_given}."
        yield f"Not judged: {', '.join(blind)}; {few}. {remedy}"
    if measured.likelihood and (unknown := measured.likelihood.unknown):
        yield (
            f"Not judged: the log-likelihood, Overfit; {unknown}. Mend its "
            "score_samples, or leave such rows out."
        )
    if measured.likelihood and measured.words.table is not None:
        yield (
            "Not judged: held-out rows against a Gaussian, and correlations of "
            "categories; the rows are a table, whose features are compared."
        )
    repeated = measured.copying.exact_copies.row.floor
    if repeated > REPEATED:
        yield (
            "Not judged: copies of a part of the rows; "
            f"{repeated:.0%} of held-out rows equal a training row, as new rows do "
            "where so few kinds are possible."
        )
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
            "(GaussianLikelihood(), the default), train longer, lower beta, or raise "
            "kl_warmup or free_bits."
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
    exact, p_value = copying.exact_copies
    near, near_p_value = copying.near_copies
    remedy = (
        "Do not publish them as new data. Use a smoother latent density (fewer "
        "components, a larger bandwidth), a smaller network, rows held out by "
        "early_stopping or more rows."
    )
    repeats = exact.floor > 0  # of rows that are new
    if p_value <= (COPY_P_VALUE_OF_TABLES if repeats else COPY_P_VALUE):
        yield (
            f"Copying: {_percent(exact.value)} of the samples equal a training row, "
            f"{_percent(exact.floor)} of held-out rows, and they follow the training "
            f"rows more closely than new rows do (p = {p_value:.2g}). {remedy}"
        )
    elif near.low > near.floor + NEAR_COPIES and near_p_value <= NEAR_P_VALUE:
        yield (
            f"Copying: {near.value:.0%} of the samples are near copies of a training "
            f"row, as only {near.floor:.0%} of held-out rows are. {remedy}"
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def _impossible(likelihood: Likelihood | None) -> Iterator[str]:
    if likelihood is not None and likelihood.excluded:
        yield (
            f"Impossible rows: {likelihood.excluded}: under the model they cannot be. "
            "Use a density that reaches all rows, such as one with Gaussian tails, or "
            "a larger bandwidth."
        )


def _overfit(likelihood: Likelihood | None) -> Iterator[str]:
    if likelihood is None:
        return
    score, likely, gaussians, *_ = likelihood
    told = likely.low > OVERFIT_SHARE
    worse_than = [
        gaussian
        for gaussian in gaussians
        if gaussian.p_value <= OVERFIT_P_VALUE and gaussian.train < score.floor
    ]
    if told or worse_than:
        yield (
            f"Overfit: {_reason(likely, [] if told else worse_than)} (mean "
            f"log-likelihood {score.floor:.1f} on training, {score.value:.1f} on "
            "held-out rows). Use rows held out by early_stopping, a smaller network, "
            "more regularisation (reg_covar in a GaussianMixture) or more rows."
        )


def _reason(likely: EvaluationRow, worse_than: list[GaussianComparison]) -> str:
    if not worse_than:
        return (
            f"a training row is more likely than a held-out one in {likely.value:.0%} "
            "of pairs"
        )
    best = max(worse_than, key=lambda gaussian: gaussian.test)
    return (
        f"held-out rows are less likely than under {best.name} fitted to the training "
        f"rows ({best.test:.1f} nats, p = {best.p_value:.2g}), and training rows are "
        "not"
    )
