"""One fitted estimator on held-out rows, as the arguments of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from skvae._utils.arrays import FloatArray, as_rows, at_most, column_names
from skvae._utils.random import draw_seed, purpose_seed
from skvae.pipeline._abilities import (
    as_fitted,
    check_divisor,
    last_step,
    log_likelihood,
    reconstruct,
)
from skvae.pipeline._scores import check_scores
from skvae.scorers._reference import Reference, ReferenceCache, feature_rows, to_array
from skvae.scorers._samples import draw_samples
from skvae.scorers._train_rows import rows_of_fit, training_rows
from skvae.scorers._units import warn_of_units


class Trial:
    """The arguments of metrics, each computed once and only if a metric takes it.

    Parameters
    ----------
    estimator : object
        Fitted.
    X : array-like
        Held-out rows, as the estimator takes them.
    parameters : mapping
        Those of `make_sample_scorer`.
    references : ReferenceCache
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        parameters: Mapping[str, Any],
        references: ReferenceCache,
    ) -> None:
        self.estimator, self.X = estimator, as_fitted(estimator, X)
        self._rows, self._columns = to_array(self.X), column_names(self.X)
        self._parameters, self._references = parameters, references
        self._seed = draw_seed(parameters["random_state"])

    @cached_property
    def reference(self) -> Reference:
        """Held-out rows, and what is kept of them."""
        return self._references.get(self._rows, "X", self._columns)

    @property
    def real(self) -> FloatArray:
        """Held-out rows after the feature map."""
        return self.reference.rows

    @cached_property
    def generated(self) -> FloatArray:
        """Samples after the feature map."""
        n, mean = self._parameters["n_samples"], self._parameters["mean"]
        n = len(self._rows) if n == "same" else n
        seed = self.seed_for("sample")
        columns, features = self._columns, self._references.features
        samples = draw_samples(self._rows, self.estimator, n, mean, seed, columns)
        return feature_rows(samples, features, "the samples", columns)

    @cached_property
    def train(self) -> FloatArray:
        """Rows that the estimator was trained on, after the feature map."""
        own = rows_of_fit(self.estimator)
        train = self._parameters["X_train"] if own is None else own
        train = as_fitted(self.estimator, train, "X_train")
        columns = column_names(train) or self._columns
        rows = to_array(train)
        if own is None:
            rows = training_rows(rows, self._rows)
        return self._references.get(rows, "X_train", columns).rows

    @property
    def equal_real(self) -> FloatArray:
        """As many of the held-out rows as there are samples, if there are more."""
        return self._equal[0]

    @property
    def equal_generated(self) -> FloatArray:
        """As many of the samples as there are held-out rows, if there are more."""
        return self._equal[1]

    @cached_property
    def _equal(self) -> tuple[FloatArray, FloatArray]:
        n = min(len(self.real), len(self.generated))
        rng = np.random.RandomState(self.seed_for("equal"))
        return at_most(self.real, n, rng), at_most(self.generated, n, rng)

    @cached_property
    def log_likelihoods(self) -> FloatArray:
        """Log-likelihood of each held-out row, in nats."""
        return self._log_likelihoods(**self._likelihood_options)

    @cached_property
    def evidence_lower_bounds(self) -> FloatArray:
        """The same with one importance sample."""
        options = {**self._likelihood_options, "n_importance_samples": 1}
        return self._log_likelihoods(**options)

    def _log_likelihoods(self, **options: Any) -> FloatArray:
        values = log_likelihood(self.estimator, self.X, **options)
        return check_scores(type(last_step(self.estimator)).__name__, values)

    @property
    def _likelihood_options(self) -> Mapping[str, Any]:
        return (self._parameters["metric_params"] or {}).get("log_likelihood", {})

    @property
    def nll(self) -> float:
        """Mean negative log-likelihood of held-out rows, in nats, to be rescaled."""
        options = (self._parameters["metric_params"] or {}).get("bits_per_dimension")
        check_divisor(self.estimator, (options or {}).get("divisor", 1))
        return -float(np.mean(self.log_likelihoods))

    @property
    def n_features(self) -> int:
        """Number of features of X."""
        return int(np.prod(self._rows.shape[1:]))

    @cached_property
    def reconstructions(self) -> np.ndarray:
        """Held-out rows, encoded and decoded."""
        if self._rows.ndim == 2 and self._rows.dtype != object:
            warn_of_units(as_rows(self._rows, "X"), self._columns, "X")
        return reconstruct(self.estimator, self.X)

    def seed_for(self, purpose: str) -> int:
        """Return the seed of one purpose: the same whatever else is computed."""
        return purpose_seed(self._seed, purpose)
