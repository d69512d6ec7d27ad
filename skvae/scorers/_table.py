"""The table of metrics, one entry each, from which scorers and reports are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from skvae import metrics
from skvae._utils.arrays import FloatArray, as_pair
from skvae._utils.warn import warn
from skvae.metrics._gaussian import gaussian_of_rows, squared_wasserstein
from skvae.scorers._metric import Metric, ReportRow, name_of, value_of
from skvae.scorers._reference import Reference


def _frechet_distance(real: Reference, generated: FloatArray) -> float:
    """Fréchet distance, with the moments of the held-out rows kept."""
    X, Y = as_pair(real.rows, generated, ("X", "the samples"), min_rows=2)
    n, width = min(len(X), len(Y)), X.shape[1]
    if n < width:
        warn(
            f"The Fréchet distance compares {n} rows, fewer than their {width} "
            "features: it is biased upwards by much. Use more rows or fewer features, "
            "and compare only at equal sample sizes."
        )
    return squared_wasserstein(real.gaussian, gaussian_of_rows(Y, real.origin))


def _maximum_mean_discrepancy(
    real: Reference, generated: FloatArray, **options: Any
) -> metrics.MaximumMeanDiscrepancy:
    """Maximum mean discrepancy, with the bandwidth of the held-out rows kept."""
    if not {"kernel", "bandwidth"} & set(options):
        options["bandwidth"] = real.bandwidth
    return metrics.maximum_mean_discrepancy(real.rows, generated, **options)


def _mean_distance_from_half(accuracy: metrics.NearestNeighbourAccuracy) -> float:
    return (abs(accuracy.real - 0.5) + abs(accuracy.generated - 0.5)) / 2


def _magnitude(result: Any) -> float:
    return abs(result.value)


def _mean_over_rows(log_likelihoods: FloatArray) -> float:
    return float(np.mean(log_likelihoods))


def _root_mean(squared_errors: FloatArray) -> float:
    return float(np.sqrt(np.mean(squared_errors)))


_SHARE = (0.0, 1.0)

METRICS: dict[str, Metric] = {
    "neg_frechet_distance": Metric(
        metrics.frechet_distance,
        "Fréchet distance to held-out rows, in squared units of the features",
        sign=-1,
        from_reference=_frechet_distance,
        row=ReportRow("frechet_distance", "lower", plugged_in={}),
    ),
    "neg_fid": Metric(
        metrics.frechet_distance,
        "Fréchet distance of Inception features to those of held-out rows",
        sign=-1,
        from_reference=_frechet_distance,
        needs_inception=True,
    ),
    "neg_kernel_distance": Metric(
        metrics.kernel_distance, "kernel distance to held-out rows", sign=-1
    ),
    "neg_kid": Metric(
        metrics.kernel_distance,
        "kernel distance of Inception features to those of held-out rows",
        sign=-1,
        needs_inception=True,
    ),
    "neg_mmd": Metric(
        metrics.maximum_mean_discrepancy,
        "squared maximum mean discrepancy to held-out rows",
        sign=-1,
        from_reference=_maximum_mean_discrepancy,
        row=ReportRow(
            "maximum_mean_discrepancy",
            "lower",
            (-math.inf, math.inf),
            plugged_in={"estimator": "biased"},
        ),
    ),
    "prd_f_8": Metric(
        metrics.precision_recall_distribution,
        "F_8 of the PRD curve: weighs recall",
        arguments=("equal_real", "equal_generated"),
        value=attrgetter("f_8"),
    ),
    "prd_f_1_8": Metric(
        metrics.precision_recall_distribution,
        "F_1/8 of the PRD curve: weighs precision",
        arguments=("equal_real", "equal_generated"),
        value=attrgetter("f_1_8"),
    ),
    "improved_precision": Metric(
        metrics.improved_precision_recall,
        "share of samples within the neighbourhoods of held-out rows",
        value=attrgetter("precision"),
        row=ReportRow("precision", "higher", _SHARE),
    ),
    "improved_recall": Metric(
        metrics.improved_precision_recall,
        "share of held-out rows within the neighbourhoods of samples",
        value=attrgetter("recall"),
        row=ReportRow("recall", "higher", _SHARE),
    ),
    "density": Metric(
        metrics.density_coverage,
        "neighbourhoods of held-out rows around each sample, about 1 if alike",
        value=attrgetter("density"),
        row=ReportRow("density", "higher"),
    ),
    "coverage": Metric(
        metrics.density_coverage,
        "share of held-out rows with a sample in their neighbourhood",
        value=attrgetter("coverage"),
        row=ReportRow("coverage", "higher", _SHARE),
    ),
    "neg_abs_nearest_neighbour_accuracy": Metric(
        metrics.one_nearest_neighbour_accuracy,
        "mean distance of the two nearest-neighbour accuracies from one half",
        value=_mean_distance_from_half,
        sign=-1,
        row=ReportRow(
            "nearest_neighbour_accuracy",
            "0.5",
            _SHARE,
            value_of,
            "accuracy of telling samples from held-out rows",
        ),
    ),
    "authenticity": Metric(
        metrics.authenticity,
        "share of samples that copy no training row",
        arguments=("train", "generated"),
    ),
    "neg_abs_data_copying": Metric(
        metrics.data_copying_test,
        "distance of the data-copying score C_T from 0",
        arguments=("train", "real", "generated"),
        value=_magnitude,
        sign=-1,
    ),
    "log_likelihood": Metric(
        _mean_over_rows,
        "mean log-likelihood of held-out rows, in nats",
        arguments=("log_likelihoods",),
    ),
    "elbo": Metric(
        _mean_over_rows,
        "the same with one importance sample: the evidence lower bound",
        arguments=("evidence_lower_bounds",),
    ),
    "neg_nll": Metric(
        _mean_over_rows,
        "negative log-likelihood, negated: log_likelihood by another name",
        arguments=("log_likelihoods",),
    ),
    "neg_bits_per_dimension": Metric(
        metrics.bits_per_dimension,
        "negative log-likelihood in bits per feature",
        arguments=("nll", "n_features"),
        sign=-1,
    ),
    "neg_reconstruction_error": Metric(
        _root_mean,
        "root mean squared error of reconstructions, in the units of X",
        arguments=("squared_errors",),
        sign=-1,
    ),
}


def by_name(
    metrics: Iterable[str | Callable[..., Any]], greater_is_better: bool
) -> dict[str, Metric]:
    """Return entries of the table and entries for functions of two sets of rows."""
    sign = 1 if greater_is_better else -1
    return {
        name_of(m): METRICS[m] if isinstance(m, str) else Metric(m, "", sign=sign)
        for m in metrics
    }


def metrics_of_report() -> list[Metric]:
    """Return the entries that have a row in the report, as they are shown there."""
    return [
        metric._replace(
            value=metric.row.value or metric.value,
            meaning=metric.row.meaning or metric.meaning,
        )
        for metric in METRICS.values()
        if metric.row
    ]
