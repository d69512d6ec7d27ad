"""Rules that say in words how samples differ from held-out rows."""

from __future__ import annotations

from collections.abc import Iterator

from skvae._utils import intervals
from skvae.evaluation._columns import Column, Columns
from skvae.evaluation._correlations import Correlations
from skvae.evaluation._measurements import Measurements
from skvae.evaluation._modes import Modes
from skvae.evaluation._rows import EvaluationRow
from skvae.evaluation._words import Words

# Half of what training rows score in place of samples.
MANIFOLD_RATIO = 0.5
# Half of the errors that a nearest-neighbour classifier makes if sets do not differ.
TOLD_APART = 0.25
_MOST_NAMED = 3


def sample_findings(measured: Measurements) -> Iterator[str]:
    """Yield a sentence with a remedy for every way in which samples are wrong."""
    found = [
        *_manifold(measured),
        *_missing_modes(measured.modes),
        *_columns(measured.columns, measured.words),
        *_correlations(measured.correlations, measured.words),
    ]
    yield from found or _told_apart(measured)


def unseen(measured: Measurements) -> Iterator[str]:
    """Yield the kinds of these findings that so few rows cannot lead to."""
    samples, n_test = measured.samples, measured.n_test
    _, high = intervals.of_share(0.0, n_test)
    for name in ("recall", "precision", "coverage"):
        if high >= MANIFOLD_RATIO * samples[name].floor:
            yield f"Low {name}"
    if measured.modes.is_blind:
        yield "Missing modes"
    if measured.columns.is_blind:
        yield "Wrong columns"
    if measured.correlations.is_blind:
        yield "Lost correlations"


def _manifold(measured: Measurements) -> Iterator[str]:
    samples = measured.samples
    precision, recall = samples["precision"], samples["recall"]
    coverage = samples["coverage"]
    if _are_like_data(measured):
        return
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


def _are_like_data(measured: Measurements) -> bool:
    """Tell whether samples lack only the noise that belongs to the data."""
    of_draws, samples = measured.of_draws, measured.samples
    return of_draws is not None and all(
        getattr(of_draws, name) >= MANIFOLD_RATIO * samples[name].floor
        for name in ("precision", "recall", "coverage")
    )


def _is_low(row: EvaluationRow) -> bool:
    return row.high < MANIFOLD_RATIO * row.floor


def _missing_modes(modes: Modes) -> Iterator[str]:
    if modes.missing > 0:
        example = "" if modes.example is None else f", such as X_test[{modes.example}]"
        yield (
            f"Missing modes: {modes.missing:.0%} of the data are rows of kinds that "
            f"only {modes.share_of_samples:.1%} of the samples belong to{example}. "
            "Fit the latent density to the codes (latent_density=GaussianMixture(10)), "
            "use more components or a larger network, or give a mixture more "
            "components."
        )


def _columns(columns: Columns, words: Words) -> Iterator[str]:
    if columns.wrong:
        named = "; ".join(_said(c, words) for c in columns.wrong[:_MOST_NAMED])
        yield (
            f"Wrong columns: {len(columns.wrong)} of {columns.n_columns} columns lie "
            f"elsewhere or spread otherwise than in the data: {named}"
            f"{_and_more(columns.wrong)}. Train longer, {words.remedy}, or fit the "
            "latent density to the codes (latent_density=GaussianMixture(10))."
        )


def _said(column: Column, words: Words) -> str:
    own, real = (column.mean, column.spread), (column.real_mean, column.real_spread)
    return words.difference(column.index, own, real)


def _correlations(correlations: Correlations, words: Words) -> Iterator[str]:
    lost = correlations.lost
    if lost:
        named = "; ".join(
            f"{words.name(pair.first)} and {words.name(pair.second)} have a rank "
            f"correlation of {pair.correlation:.2f} in samples, {pair.real:.2f} in "
            "the data"
            for pair in lost[:_MOST_NAMED]
        )
        yield (
            f"Lost correlations: {len(lost)} of {correlations.n_columns} columns do "
            f"not depend on others as they do in the data: {named}{_and_more(lost)}. "
            "Train longer, use more components or a larger network, or a density with "
            "a full covariance."
        )


def _and_more(found: tuple[object, ...]) -> str:
    return "; and so on" if len(found) > _MOST_NAMED else ""


def _told_apart(measured: Measurements) -> Iterator[str]:
    row = measured.samples["nearest_neighbour_accuracy"]
    limit = max(row.floor, 0.5) + TOLD_APART
    if min(row.low, measured.accuracy_of_draws) > limit:
        yield (
            f"Samples differ: {row.value:.0%} of held-out rows and samples have a "
            f"nearest neighbour of their own kind, {row.floor:.0%} if training rows "
            "take the place of samples. Fit the latent density to the codes "
            "(latent_density=GaussianMixture(10)), train longer, or use more "
            "components or a larger network."
        )
